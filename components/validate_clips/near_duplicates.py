"""Clips that look alike although they are said to be of different recordings, or of different classes."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice, pairwise, product
from typing import TYPE_CHECKING

import numpy as np

from components.contract.errors import StepError
from components.validate_clips.findings import Finding, counted, named
from components.validate_clips.near_hashes import N_WORDS, NearHashes, Words, distances, near_hashes

if TYPE_CHECKING:
    import pyarrow

# Of 256 bits: far above what copies differ by (0 to 6), and above what clips of one scene may (18 in the demo).
LARGEST_DISTANCE = 31
_MOST_SHOWN_PER_HASH = 8


@dataclass(frozen=True)
class _Clip:
    video: str
    video_digest: str
    label: str
    group: str
    split: str


def near_duplicates(table: "pyarrow.Table", *, distance: int) -> Iterator[Finding]:
    """Give look-alike clips in two splits, under two labels, and, only counted, within one split.

    Clips of one group are siblings, and clips without structure (a black screen) look like all of their kind: neither
    counts. The same bytes under one label are found elsewhere.

    Args:
        table: The clip table.
        distance: In how many of the 256 bits of two clips' hashes look-alikes may differ.

    Raises:
        StepError: If the distance is out of its range, or a hash is none.
    """
    if not 0 <= distance <= LARGEST_DISTANCE:
        raise StepError(
            f"near_duplicate_distance is {distance}.", remedy=f"Give a number of bits from 0 to {LARGEST_DISTANCE}."
        )
    hashes = _words(table["frame_hashes"].to_pylist())
    structured = np.flatnonzero(distances(hashes, np.zeros_like(hashes)) > distance)
    found = near_hashes(hashes[structured], distance=distance)
    alike = [pair for pair in _alike(table.take(structured), found) if pair[0].group != pair[1].group]
    two_labels = [pair for pair in alike if pair[0].label != pair[1].label]
    others = [pair for pair in alike if pair[0].label == pair[1].label and pair[0].video_digest != pair[1].video_digest]
    two_splits = [pair for pair in others if pair[0].split != pair[1].split]
    n_within = len(others) - len(two_splits)
    least = "" if found.is_complete else "at least "
    if two_labels:
        yield Finding(
            "error",
            "label conflict",
            f"The same pictures carry two labels in {least}{counted(len(two_labels), 'pair', 'pairs')} of clips, "
            f"so one label of each is wrong: {named([_with_labels(pair) for pair in two_labels])}.",
        )
    if two_splits:
        yield Finding(
            "error",
            "near-duplicates",
            f"{least.capitalize()}{counted(len(two_splits), 'pair', 'pairs')} of clips in different splits look the "
            "same, so the scores would look better than they are: "
            f"{named([_with_splits(pair) for pair in two_splits])}.",
        )
    if n_within:
        yield Finding(
            "info",
            "near-duplicates",
            f"{least.capitalize()}{counted(n_within, 'pair', 'pairs')} of clips of different groups look the same "
            "within one split.",
        )


def _words(texts: list[str]) -> Words:
    try:
        data = bytes.fromhex("".join(texts))
        return np.frombuffer(data, dtype=">u8").astype(np.uint64).reshape(len(texts), N_WORDS)
    except (ValueError, TypeError) as error:
        raise StepError(
            f"The clip table has frame hashes that are not 64 hexadecimal digits ({error}).",
            remedy="Run extract_frames again.",
        ) from error


def _alike(table: "pyarrow.Table", found: NearHashes) -> Iterator[tuple[_Clip, _Clip]]:
    """Give look-alike pairs, enough to name: clips that agree in hash, split, label and group are shown by one."""
    wanted = np.zeros(len(found.distinct), bool)
    wanted[found.pairs.ravel()] = True
    wanted |= np.bincount(found.place_of, minlength=len(found.distinct)) > 1
    rows = np.flatnonzero(wanted[found.place_of])
    columns = table.select(["video", "video_digest", "label", "group", "split"]).take(rows).to_pylist()
    clips: defaultdict[int, dict[tuple[str, str, str], _Clip]] = defaultdict(dict)
    for place, values in zip(found.place_of[rows].tolist(), columns, strict=True):
        clip = _Clip(**values)
        clips[place].setdefault((clip.split, clip.label, clip.group), clip)
    ordered = {place: [ofplace[key] for key in sorted(ofplace)] for place, ofplace in clips.items()}
    for place in sorted(ordered):
        yield from pairwise(ordered[place])
    for first, second in found.pairs.tolist():
        yield from product(
            islice(ordered[first], _MOST_SHOWN_PER_HASH),
            islice(ordered[second], _MOST_SHOWN_PER_HASH),
        )


def _with_splits(pair: tuple[_Clip, _Clip]) -> str:
    return " = ".join(f"{clip.video} ({clip.split})" for clip in pair)


def _with_labels(pair: tuple[_Clip, _Clip]) -> str:
    return " = ".join(f"{clip.video} ({clip.label})" for clip in pair)
