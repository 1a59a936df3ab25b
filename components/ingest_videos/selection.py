"""What to take of a source: classes, videos, their groups, and the split of each."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from components.contract.errors import StepError
from components.contract.progress import say
from components.contract.videos import Split
from components.ingest_videos.choosing import chosen_labels, chosen_videos
from components.ingest_videos.groups import Grouped, Grouping, grouped
from components.ingest_videos.listing import Candidate, Listed, Source
from components.ingest_videos.official import OFFICIAL_SPLITS, officially_split, read_lists
from components.ingest_videos.previous import Previous, splits_of_manifest
from components.ingest_videos.splits import Shares, split_of_groups, without_torn


@dataclass(frozen=True)
class Selection:
    """What to take of a source, and how to split it.

    Attributes:
        classes: Class names; empty means all.
        videos_per_class: How many of each; 0 means all.
        shares: What to hold out of training.
        grouping: How groups are told.
        official_split: Number of the official split, or 0.
        split_lists: Where its lists are; empty means in the source's folder.
        previous_videos: Folder of an earlier manifest whose splits stay; empty means what the store remembers.
    """

    classes: tuple[str, ...]
    videos_per_class: int
    shares: Shares
    grouping: Grouping = field(default_factory=Grouping)
    official_split: int = 0
    split_lists: str = ""
    previous_videos: str = ""

    def __post_init__(self) -> None:
        if self.videos_per_class < 0:
            raise StepError(
                f"videos_per_class is {self.videos_per_class}.", remedy="Give a number from 1 up, or 0 for all."
            )
        if self.official_split not in OFFICIAL_SPLITS:
            raise StepError(
                f"There is no official split {self.official_split}.", remedy="Give 1, 2 or 3, or 0 for none."
            )
        if self.split_lists and not self.official_split:
            raise StepError("split_lists is given, and official_split is 0.", remedy="Give official_split too.")

    @property
    def split_parameters(self) -> Mapping[str, Any]:
        """All that says how groups are made and split."""
        return {
            "validation": float(self.shares.validation),  # 1 and 1.0 are one value and two texts
            "test": float(self.shares.test),
            "group_by": self.grouping.by,
            "group_pattern": self.grouping.pattern,
            "official_split": self.official_split,
            "previous_videos": self.previous_videos,
        }


@dataclass(frozen=True)
class Taken:
    """What was chosen.

    Attributes:
        candidates: The videos to fetch, sorted by name.
        labels: Their classes, in the order of labels.
        splits: Split by group.
        listed: Names of all videos of these classes.
        n_unknown: Videos whose recording nothing tells.
        n_left_out: Videos that the official lists leave out, or whose group is in a stricter split too.
    """

    candidates: list[Candidate]
    labels: tuple[str, ...]
    splits: dict[str, Split]
    listed: list[str]
    n_unknown: int
    n_left_out: int


def taken_of(source: Source, selection: Selection, *, address: str, previous: Previous) -> Taken:
    """List a source, group its videos, split the groups, and choose.

    Args:
        source: The opened source.
        selection: What to take.
        address: The source's address, where the official lists are looked for unless they are given.
        previous: What earlier ingests assigned.
    """
    labels = chosen_labels(selection.classes, source.labels)
    everything = source.listed(labels)
    listed = _officially_split(everything, selection, address) if selection.official_split else everything
    told = grouped(listed, selection.grouping, contents=source.contents)
    candidates = _without_torn(told)
    # Of all the groups of a class and not of the chosen ones: then choosing more videos later moves no group.
    splits = _assigned(candidates, selection, previous)
    chosen = chosen_videos(candidates, splits, videos_per_class=selection.videos_per_class)
    say(f"chose {len(chosen)} of {len(everything)} videos in {len(labels)} of {len(source.labels)} classes")
    return Taken(
        candidates=chosen,
        labels=labels,
        splits=splits,
        listed=[video.name for video in everything],
        n_unknown=told.n_unknown,
        n_left_out=len(everything) - len(candidates),
    )


def _officially_split(listed: list[Listed], selection: Selection, address: str) -> list[Listed]:
    texts = read_lists(selection.split_lists or address)
    split = officially_split(listed, texts, number=selection.official_split)
    say(
        f"official split {selection.official_split}: {len(split.listed)} videos; {split.n_unlisted} that it leaves "
        f"out are left out; {split.n_absent} of its rows name no video of these classes"
    )
    return split.listed


def _without_torn(told: Grouped) -> list[Candidate]:
    kept, torn = without_torn(told.candidates)
    if torn:
        say(
            f"left out {len(torn)} videos, {torn[0].name!r} first: the source puts others of their groups into a "
            "stricter split (test before validation before train)"
        )
    return kept


def _assigned(candidates: list[Candidate], selection: Selection, previous: Previous) -> dict[str, Split]:
    named: Mapping[str, Split] = {}
    if selection.previous_videos:
        with tempfile.TemporaryDirectory() as scratch:
            named = splits_of_manifest(selection.previous_videos, scratch=Path(scratch))
    return previous.assign(lambda stored: split_of_groups(candidates, selection.shares, previous={**stored, **named}))
