"""Which split a group belongs to."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from math import floor

from components.contract.errors import StepError
from components.contract.videos import Split

_ENOUGH_FOR_ALL = 3


@dataclass(frozen=True)
class Shares:
    """How much of every class is held out of training.

    Attributes:
        validation: Share of the validation split, from 0 to below 1.
        test: Share of the test split, from 0 to below 1.
    """

    validation: float
    test: float

    def __post_init__(self) -> None:
        if not (0 <= self.validation < 1 and 0 <= self.test < 1 and self.validation + self.test < 1):
            raise StepError(
                f"The fractions {self.validation} (validation) and {self.test} (test) leave nothing to train on, or "
                "are no fractions.",
                remedy="Give two numbers from 0 up whose sum is below 1.",
            )

    @property
    def train(self) -> float:
        """What is left for training."""
        return 1 - self.validation - self.test

    @property
    def splits(self) -> tuple[Split, ...]:
        """The splits that are meant to hold something."""
        held_out: tuple[tuple[Split, float], ...] = (("validation", self.validation), ("test", self.test))
        return ("train", *(split for split, share in held_out if share > 0))

    def counts(self, n: int) -> dict[Split, int]:
        """Return how many of `n` things go to each split; from three on, no split with a share goes without."""
        least = 1 if n >= _ENOUGH_FOR_ALL else 0
        validation = max(floor(n * self.validation + 0.5), least) if self.validation else 0
        test = max(floor(n * self.test + 0.5), least) if self.test else 0
        if n == _ENOUGH_FOR_ALL - 1 and self.test:
            validation, test = 0, 1
        while validation + test > max(n - 1, 0):
            if test >= validation:
                test -= 1
            else:
                validation -= 1
        return {"train": n - validation - test, "validation": validation, "test": test}


def stable_hash(text: str) -> str:
    """Return a hash that orders things the same way on every machine and in every run."""
    return hashlib.sha256(text.encode()).hexdigest()


def split_of_groups(groups: Iterable[tuple[str, str]], shares: Shares) -> dict[str, Split]:
    """Return the split of every group.

    Within a class, groups stand in the order of their hash: the first go to test, the last to validation, those
    between to train, each split as many as its share. So a group that is added later takes the place that its
    own hash gives it, and of the others moves at most one across each of the two borders; sizes of groups do
    not matter, so a video that is added to a group moves nothing.

    Args:
        groups: Label and group (qualified by its class) of every video; repeats are welcome.
        shares: What to hold out.
    """
    of_label: defaultdict[str, set[str]] = defaultdict(set)
    for label, group in groups:
        of_label[label].add(group)
    splits: dict[str, Split] = {}
    for members in of_label.values():
        ordered = sorted(members, key=stable_hash)
        counts = shares.counts(len(ordered))
        n_test, n_not_validation = counts["test"], len(ordered) - counts["validation"]
        splits |= dict.fromkeys(ordered[:n_test], "test")
        splits |= dict.fromkeys(ordered[n_test:n_not_validation], "train")
        splits |= dict.fromkeys(ordered[n_not_validation:], "validation")
    return splits


def leak_of_random_split(group_sizes: Iterable[int], train_share: float) -> float:
    """Return the share of test videos that a random split by clip would put beside a video of their group in train.

    Expected value: of a group of n videos, each test video meets none of its n - 1 siblings in train with
    probability (1 - train_share) ** (n - 1).
    """
    sizes = list(group_sizes)
    return sum(n * (1 - (1 - train_share) ** (n - 1)) for n in sizes) / sum(sizes)
