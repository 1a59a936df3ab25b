"""Which of the listed videos a run takes."""

import difflib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

from components.contract.errors import StepError
from components.contract.videos import SPLITS, Split
from components.ingest_videos.listing import Candidate
from components.ingest_videos.names import label_order
from components.ingest_videos.splits import apportioned, stable_hash

_SHOWN_CLASSES = 12
_ALMOST_ALL = 0.999  # of a class that is in one split only; 1 would mean one video


def chosen_labels(asked: Sequence[str], available: Iterable[str]) -> tuple[str, ...]:
    """Return the classes to take, in the order of labels.

    Args:
        asked: Class names; empty means all.
        available: What the source has.

    Raises:
        StepError: If a class does not exist.
    """
    known = sorted(available, key=label_order)
    for label in asked:
        if label not in known:
            raise _no_such_class(label, known)
    return tuple(sorted(set(asked), key=label_order)) if asked else tuple(known)


def chosen_videos(
    candidates: Iterable[Candidate], splits: Mapping[str, Split], *, videos_per_class: int
) -> list[Candidate]:
    """Return the videos to take, of every class `videos_per_class` (0: all), sorted by name.

    Every split keeps its share of the class's groups, and as many groups as possible are in it. The order is one of
    hashes: the same listing always gives the same videos, and a group's split does not depend on how many are taken.
    """
    of_label: defaultdict[str, list[Candidate]] = defaultdict(list)
    for candidate in candidates:
        of_label[candidate.label].append(candidate)
    taken: list[Candidate] = []
    for members in of_label.values():
        taken += _of_one_class(members, splits, n=videos_per_class or len(members))
    return sorted(taken, key=lambda candidate: candidate.name)


def _of_one_class(members: Iterable[Candidate], splits: Mapping[str, Split], *, n: int) -> list[Candidate]:
    queues: dict[Split, list[Candidate]] = {split: [] for split in SPLITS}
    for candidate in _interleaved(members):
        queues[splits[candidate.group]].append(candidate)
    n_groups = {split: len({candidate.group for candidate in queue}) for split, queue in queues.items()}
    shares = {split: n_groups[split] / sum(n_groups.values()) for split in SPLITS}
    counts = apportioned(n, validation=min(shares["validation"], _ALMOST_ALL), test=min(shares["test"], _ALMOST_ALL))
    taken = [candidate for split in SPLITS for candidate in queues[split][: counts[split]]]
    spare = [candidate for split in SPLITS for candidate in queues[split][counts[split] :]]
    return taken + spare[: n - len(taken)]


def _interleaved(members: Iterable[Candidate]) -> list[Candidate]:
    """Order candidates so that every group gives its first before any gives its second."""
    seen: Counter[str] = Counter()
    keys: dict[str, tuple[int, str]] = {}
    ordered = sorted(members, key=lambda candidate: stable_hash(candidate.name))
    for candidate in ordered:
        keys[candidate.name] = (seen[candidate.group], stable_hash(candidate.group))
        seen[candidate.group] += 1
    return sorted(ordered, key=lambda candidate: keys[candidate.name])


def _no_such_class(label: str, known: Sequence[str]) -> StepError:
    folded = {name.casefold(): name for name in known}
    near = [folded[name] for name in difflib.get_close_matches(label.casefold(), folded, n=3)]
    if near:
        return StepError(f"The source has no class {label!r}.", remedy=f"Did you mean {', '.join(near)}?")
    more = f" and {len(known) - _SHOWN_CLASSES} more" if len(known) > _SHOWN_CLASSES else ""
    listed = ", ".join(known[:_SHOWN_CLASSES])
    return StepError(f"The source has no class {label!r}.", remedy=f"Choose among {listed}{more}.")
