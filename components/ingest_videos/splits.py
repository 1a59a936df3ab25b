"""Which split a group belongs to."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import floor

from components.contract.errors import StepError
from components.contract.videos import SPLITS, Split
from components.ingest_videos.listing import Candidate

_ENOUGH_FOR_ALL = 3
# Where a group's videos are told different splits, the split that must stay honest has it.
_STRICTEST_FIRST: tuple[Split, ...] = ("test", "validation", "train")


@dataclass(frozen=True)
class Shares:
    """How much of every class is held out of training.

    Attributes:
        validation: Below 1, the share of a class's groups; from 1 on, how many groups of each class.
        test: The same for test.
    """

    validation: float
    test: float

    def __post_init__(self) -> None:
        for held_out in (self.validation, self.test):
            if not (0 <= held_out < 1 or (1 <= held_out < float("inf") and held_out == int(held_out))):
                raise StepError(
                    f"{held_out} is neither a share nor a number of groups.",
                    remedy="Give a share from 0 to below 1, or a whole number of groups from 1 on.",
                )
        if sum(share for share in (self.validation, self.test) if share < 1) >= 1:
            raise StepError(
                f"The shares {self.validation} (validation) and {self.test} (test) leave nothing to train on.",
                remedy="Give two shares whose sum is below 1.",
            )

    @property
    def splits(self) -> tuple[Split, ...]:
        """The splits that are meant to hold something."""
        held_out: tuple[tuple[Split, float], ...] = (("validation", self.validation), ("test", self.test))
        return ("train", *(split for split, share in held_out if share > 0))

    def counts(self, n: int) -> dict[Split, int]:
        """Return how many of `n` groups go to each split; from three on, no split with a share goes without."""
        return apportioned(n, validation=self.validation, test=self.test)


def apportioned(n: int, *, validation: float, test: float) -> dict[Split, int]:
    """Return how many of `n` things go to each split; one is trained on, two are trained on and tested.

    Args:
        n: How many there are.
        validation: Below 1, a share; from 1 on, a number.
        test: The same for test.
    """
    n_validation, n_test = (_held_out(n, share) for share in (validation, test))
    if n == _ENOUGH_FOR_ALL - 1 and test:
        n_validation, n_test = 0, 1
    while n_validation + n_test > max(n - 1, 0):
        if n_test >= n_validation:
            n_test -= 1
        else:
            n_validation -= 1
    return {"train": n - n_validation - n_test, "validation": n_validation, "test": n_test}


def _held_out(n: int, share: float) -> int:
    if share >= 1:
        return int(min(share, n))
    least = 1 if n >= _ENOUGH_FOR_ALL and share else 0
    return max(floor(n * share + 0.5), least)


def stable_hash(text: str) -> str:
    """Return a hash that orders things the same way on every machine and in every run."""
    return hashlib.sha256(text.encode(errors="backslashreplace")).hexdigest()


def split_of_groups(
    candidates: Iterable[Candidate], shares: Shares, *, previous: Mapping[str, Split] | None = None
) -> dict[str, Split]:
    """Return the split of every group.

    What the source says stands. What an earlier ingest assigned stays. The other groups, in the order of a stable
    hash, go each to the split that is furthest below its share of the group's classes, and first to one that such a
    class lacks. A split that the source does not name, while it names others, is carved out of its train.

    Args:
        candidates: The videos, with their groups.
        shares: What to hold out of every class.
        previous: Splits of groups as they were assigned before; more groups than there are now are welcome.
    """
    labels, said = _labels_and_splits(candidates)
    fixed, choices = _fixed_and_open(said, shares)
    for group, allowed in choices.items():
        before = (previous or {}).get(group)
        if before in allowed:
            fixed[group] = before
    return _filled(labels, fixed, choices, shares)


def without_torn(candidates: Sequence[Candidate]) -> tuple[list[Candidate], list[Candidate]]:
    """Part the videos whose group the source puts into a stricter split too: test before validation before train.

    Returns:
        Those to keep and those to leave out, in their order.
    """
    said: dict[str, Split] = {}
    for candidate in candidates:
        if candidate.split:
            said[candidate.group] = _stricter(said.get(candidate.group, "train"), candidate.split)
    torn = {
        candidate.name
        for candidate in candidates
        if candidate.group in said and candidate.split not in (None, said[candidate.group])
    }
    return (
        [candidate for candidate in candidates if candidate.name not in torn],
        [candidate for candidate in candidates if candidate.name in torn],
    )


def leak_of_random_split(group_sizes: Iterable[int], train_share: float) -> float:
    """Return the share of test videos that a random split by clip would put beside a video of their group in train.

    Expected value: of a group of n videos, each test video meets none of its n - 1 siblings in train with
    probability (1 - train_share) ** (n - 1).
    """
    sizes = list(group_sizes)
    return sum(n * (1 - (1 - train_share) ** (n - 1)) for n in sizes) / sum(sizes)


def _stricter(one: Split, other: Split) -> Split:
    return min(one, other, key=_STRICTEST_FIRST.index)


def _labels_and_splits(candidates: Iterable[Candidate]) -> tuple[dict[str, set[str]], dict[str, Split | None]]:
    labels: defaultdict[str, set[str]] = defaultdict(set)
    said: dict[str, Split | None] = {}
    for candidate in candidates:
        labels[candidate.group].add(candidate.label)
        before = said.get(candidate.group)
        said[candidate.group] = (
            _stricter(before, candidate.split) if before and candidate.split else before or candidate.split
        )
    return dict(labels), said


def _fixed_and_open(
    said: Mapping[str, Split | None], shares: Shares
) -> tuple[dict[str, Split], dict[str, tuple[Split, ...]]]:
    named = {split for split in said.values() if split}
    carved: tuple[Split, ...] = ("train", *(split for split in shares.splits if split not in {*named, "train"}))
    fixed: dict[str, Split] = {}
    choices: dict[str, tuple[Split, ...]] = {}
    for group, split in said.items():
        if split is None:
            choices[group] = shares.splits
        elif split == "train" and len(carved) > 1:
            choices[group] = carved
        else:
            fixed[group] = split
    return fixed, choices


def _filled(
    labels: Mapping[str, set[str]],
    fixed: Mapping[str, Split],
    choices: Mapping[str, tuple[Split, ...]],
    shares: Shares,
) -> dict[str, Split]:
    n_groups = Counter(label for members in labels.values() for label in members)
    targets = {label: shares.counts(n) for label, n in n_groups.items()}
    held: dict[str, Counter[Split]] = {label: Counter() for label in n_groups}
    splits: dict[str, Split] = {}

    def put(group: str, split: Split) -> None:
        for label in labels[group]:
            held[label][split] += 1
            if group in splits:
                held[label][splits[group]] -= 1
        splits[group] = split

    for group, split in fixed.items():
        put(group, split)
    new = sorted(choices.keys() - fixed.keys(), key=lambda group: (stable_hash(group), group))
    for group in new:
        scores = {split: _need(split, labels[group], targets, held) for split in choices[group]}
        put(group, max((split for split in SPLITS if split in scores), key=lambda split: scores[split]))
    # Groups that hold across classes can leave a class without a split: another of its new groups goes there, if all
    # classes of that one have a second group where it was.
    wanted = [(label, split) for label in sorted(n_groups) for split in SPLITS if targets[label][split]]
    for label, split in wanted:
        for group in new if not held[label][split] else ():
            if (
                label in labels[group]
                and split in choices[group]
                and all(held[other][splits[group]] > 1 for other in labels[group])
            ):
                put(group, split)
                break
    return splits


def _need(
    split: Split,
    labels: Iterable[str],
    targets: Mapping[str, Mapping[Split, int]],
    held: Mapping[str, Mapping[Split, int]],
) -> tuple[int, float]:
    """Return how many of the classes lack the split, and how far below its share of them it is."""
    wanted = [(targets[label][split], held[label][split]) for label in labels]
    n_lacking = sum(target > 0 and have == 0 for target, have in wanted)
    # A split that is to have nothing of a class comes after those that have all they are to have.
    below = [(target - have) / target if target else -1.0 - have for target, have in wanted]
    return n_lacking, sum(below)
