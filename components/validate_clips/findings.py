"""What validation finds, and what it looks for beyond TensorFlow Data Validation."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from components.contract.videos import SPLITS

if TYPE_CHECKING:
    import pyarrow

Severity = Literal["error", "warning", "info"]

LARGEST_IMBALANCE = 10.0  # clips of the largest class over clips of the smallest
DARKEST_LUMA = 8.0  # of 0 to 255; video black is 16 in the limited range and 0 after conversion
STILLEST_MOTION = 0.1  # of 0 to 255; compression noise of a still picture stays below it
_NAMED = 5


@dataclass(frozen=True)
class Finding:
    """One thing that validation found.

    Attributes:
        severity: An error makes the clips unfit; a warning deserves a look; info is good to know.
        check: A short name of what was checked, e.g. `leakage`.
        sentence: What a person reads.
    """

    severity: Severity
    check: str
    sentence: str


def table_findings(table: "pyarrow.Table", labels: Sequence[str]) -> list[Finding]:
    """Return what the clip table shows without statistics.

    Args:
        table: The clip table.
        labels: The class names that every split should hold.
    """
    columns = {name: table[name].to_pylist() for name in ("group", "split", "label", "video", "video_digest")}
    counts = Counter(zip(columns["split"], columns["label"], strict=True))
    return [
        *_empty_splits(counts),
        *_missing_classes(counts, labels),
        *_groups_in_two_splits(columns["group"], columns["split"]),
        *_videos_in_two_splits(columns["video_digest"], columns["video"], columns["split"]),
        *_imbalance(counts),
        *_low_values(table, "luma", DARKEST_LUMA, check="black clips", what="black (luma below {:g})"),
        *_low_values(table, "motion", STILLEST_MOTION, check="still clips", what="still (motion below {:g})"),
    ]


def _empty_splits(counts: Mapping[tuple[str, str], int]) -> Iterator[Finding]:
    filled = {split for split, _ in counts}
    for split in SPLITS:
        if split not in filled:
            yield Finding("error", "empty split", f"The {split} split has no clip.")


def _missing_classes(counts: Mapping[tuple[str, str], int], labels: Sequence[str]) -> Iterator[Finding]:
    for split in sorted({split for split, _ in counts}, key=_split_order):
        missing = [label for label in labels if not counts.get((split, label))]
        if missing:
            yield Finding("error", "missing class", f"The {split} split has no clip of {named(missing)}.")


def _groups_in_two_splits(groups: Sequence[str], splits: Sequence[str]) -> Iterator[Finding]:
    shared = _in_several_splits(groups, splits)
    if shared:
        names = [f"{group} ({', '.join(shared[group])})" for group in sorted(shared)]
        yield Finding(
            "error",
            "leakage",
            f"{counted(len(shared), 'group is', 'groups are')} in more than one split, "
            f"so the scores would look better than they are: {named(names)}.",
        )


def _videos_in_two_splits(digests: Sequence[str], videos: Sequence[str], splits: Sequence[str]) -> Iterator[Finding]:
    shared = _in_several_splits(digests, splits)
    names: dict[str, set[str]] = {digest: set() for digest in shared}
    for digest, video in zip(digests, videos, strict=True):
        if digest in names:
            names[digest].add(video)
    if shared:
        same = sorted(" = ".join(sorted(videos_of_one)) for videos_of_one in names.values())
        yield Finding(
            "error",
            "duplicate videos",
            f"{counted(len(shared), 'video is', 'videos are')} in more than one split, byte for byte: {named(same)}.",
        )


def _imbalance(counts: Mapping[tuple[str, str], int]) -> Iterator[Finding]:
    for split in SPLITS:
        sizes = {label: count for (of_split, label), count in sorted(counts.items()) if of_split == split}
        if not sizes:
            continue
        largest, smallest = max(sizes, key=lambda label: sizes[label]), min(sizes, key=lambda label: sizes[label])
        ratio = sizes[largest] / sizes[smallest]
        if ratio > LARGEST_IMBALANCE:
            yield Finding(
                "warning",
                "class imbalance",
                f"In {split}, {largest} has {ratio:.0f} times the clips of {smallest} "
                f"({sizes[largest]} and {sizes[smallest]}).",
            )


def _low_values(table: "pyarrow.Table", column: str, limit: float, *, check: str, what: str) -> Iterator[Finding]:
    import pyarrow.compute

    low = table.filter(pyarrow.compute.less(table[column], limit))
    if low.num_rows:
        videos = sorted(set(low["video"].to_pylist()))
        yield Finding(
            "warning",
            check,
            f"{counted(low.num_rows, 'clip is', 'clips are')} {what.format(limit)}: {named(videos)}.",
        )


def _in_several_splits(keys: Sequence[str], splits: Sequence[str]) -> dict[str, list[str]]:
    found: defaultdict[str, set[str]] = defaultdict(set)
    for key, split in zip(keys, splits, strict=True):
        found[key].add(split)
    return {key: sorted(several, key=_split_order) for key, several in found.items() if len(several) > 1}


def _split_order(split: str) -> tuple[int, str]:
    known: tuple[str, ...] = SPLITS
    return (known.index(split) if split in known else len(known), split)


def counted(number: int, one: str, many: str) -> str:
    """Return a number with its noun."""
    return f"{number} {one if number == 1 else many}"


def named(names: Sequence[str]) -> str:
    """Return the names as a person lists them, the first few of many."""
    rest = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {rest} more" if rest > 0 else "")
