"""From a source to a manifest."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path

from components.contract.errors import StepError
from components.contract.files import emptied
from components.contract.progress import say
from components.contract.videos import SPLITS, Split, Video, write_manifest
from components.ingest_videos.choosing import chosen_labels, chosen_videos
from components.ingest_videos.listing import Candidate, Fetched, Source
from components.ingest_videos.sources import open_source
from components.ingest_videos.splits import Shares, leak_of_random_split, split_of_groups
from components.ingest_videos.store import VideoStore

_SHOWN_REJECTS = 10


@dataclass(frozen=True)
class Ingested:
    """What an ingest left: the manifest's digest, and counts for people."""

    digest: str
    counts: dict[str, float]


@dataclass(frozen=True)
class Selection:
    """What to take of a source.

    Attributes:
        classes: Class names; empty means all.
        videos_per_class: How many of each; 0 means all.
        shares: What to hold out of training.
    """

    classes: tuple[str, ...]
    videos_per_class: int
    shares: Shares

    def __post_init__(self) -> None:
        if self.videos_per_class < 0:
            raise StepError(
                f"videos_per_class is {self.videos_per_class}.", remedy="Give a number from 1 up, or 0 for all."
            )


@dataclass(frozen=True)
class _Taken:
    candidates: list[Candidate]
    labels: tuple[str, ...]
    splits: dict[str, Split]


def ingest(
    source: str,
    videos_dir: Path,
    *,
    store_dir: str,
    selection: Selection,
    source_type: str,
    fetch_workers: int,
    authorization: str = "",
) -> Ingested:
    """List a source, choose videos, split them by group, fetch what the store lacks, and write the manifest.

    Args:
        source: Address or path.
        videos_dir: Where the manifest goes; emptied first.
        store_dir: Where fetched videos stay between runs.
        selection: What to take.
        source_type: A name in the table of sources, or `auto`.
        fetch_workers: How many videos are read at a time.
        authorization: What the header `Authorization` says where the source is asked over http(s); "" for none.
    """
    if fetch_workers < 1:
        raise StepError(f"fetch_workers is {fetch_workers}.", remedy="Give a number from 1 up.")
    emptied(videos_dir)
    store = VideoStore(store_dir)
    with closing(
        open_source(source, source_type=source_type, store=store, workers=fetch_workers, authorization=authorization)
    ) as opened:
        taken = _taken(opened, selection)
        fetched = opened.fetch([candidate.name for candidate in taken.candidates])
    videos = _videos(taken, fetched)
    _check_rejects(fetched.rejected, videos, taken)
    _say_splits(videos, taken.labels, selection.shares)
    _say_doubts(videos, recordings_known=opened.recordings_known, train_share=selection.shares.train)
    finished = write_manifest(videos_dir, videos=videos, labels=taken.labels)
    return Ingested(digest=finished.digest, counts=_counts(videos, fetched, n_ignored=opened.n_ignored))


def _taken(source: Source, selection: Selection) -> _Taken:
    labels = chosen_labels(selection.classes, source.labels)
    candidates = source.candidates(labels)
    # Of all the groups of a class and not of the chosen ones: then choosing more videos later moves no group.
    splits = split_of_groups(((candidate.label, candidate.group) for candidate in candidates), selection.shares)
    chosen = chosen_videos(candidates, splits, videos_per_class=selection.videos_per_class, shares=selection.shares)
    ignored = f"; {source.n_ignored} other entries ignored" if source.n_ignored else ""
    say(f"chose {len(chosen)} of {len(candidates)} videos in {len(labels)} of {len(source.labels)} classes{ignored}")
    return _Taken(candidates=chosen, labels=labels, splits=splits)


def _videos(taken: _Taken, fetched: Fetched) -> list[Video]:
    return [
        Video(
            name=candidate.name,
            label=candidate.label,
            group=candidate.group,
            split=taken.splits[candidate.group],
            **asdict(fetched.located[candidate.name]),
        )
        for candidate in taken.candidates
        if candidate.name in fetched.located
    ]


def _counts(videos: Sequence[Video], fetched: Fetched, *, n_ignored: int) -> dict[str, float]:
    return {
        "videos": len(videos),
        "bytes": sum(video.bytes for video in videos),
        **{f"videos_{split}": sum(video.split == split for video in videos) for split in SPLITS},
        "classes": len({video.label for video in videos}),
        "groups": len({video.group for video in videos}),
        "fetched": fetched.n_fetched,
        "reused": fetched.n_reused,
        "rejected": len(fetched.rejected),
        "ignored": n_ignored,
    }


def _check_rejects(rejected: dict[str, str], videos: Sequence[Video], taken: _Taken) -> None:
    for name, reason in sorted(rejected.items())[:_SHOWN_REJECTS]:
        say(f"left out {name!r}: {reason}")
    if len(rejected) > _SHOWN_REJECTS:
        say(f"left out {len(rejected) - _SHOWN_REJECTS} more")
    bare = set(taken.labels) - {video.label for video in videos}
    if bare:
        name = min(candidate.name for candidate in taken.candidates if candidate.label in bare)
        raise StepError(
            f"No video of {', '.join(sorted(bare))} can be read; the first is {name!r}: {rejected[name]}.",
            remedy="Mend the source, or leave these classes out with `classes`.",
        )


def _say_splits(videos: Sequence[Video], labels: Sequence[str], shares: Shares) -> None:
    per_split = Counter(video.split for video in videos)
    say(", ".join(f"{per_split[split]} videos in {split}" for split in SPLITS) + "; no group is in two splits")
    held = {(video.label, video.split) for video in videos}
    for label in labels:
        missing = [split for split in shares.splits if (label, split) not in held]
        if missing:
            n_groups = len({video.group for video in videos if video.label == label})
            say(f"class {label} has no video in {' and '.join(missing)}: {n_groups} of its groups were taken")


def _say_doubts(videos: Sequence[Video], *, recordings_known: bool, train_share: float) -> None:
    if recordings_known:
        leak = leak_of_random_split(Counter(video.group for video in videos).values(), train_share)
        say(f"a random split by video would have put {leak:.0%} of test videos beside one of their group in train")
    else:
        say(
            "names do not tell recordings: only equal files stay together, so leakage between splits cannot be excluded"
        )
    splits_of_bytes: defaultdict[str, set[Split]] = defaultdict(set)
    for video in videos:
        splits_of_bytes[video.sha256].add(video.split)
    n_torn = sum(len(splits) > 1 for splits in splits_of_bytes.values())
    if n_torn:
        say(f"{n_torn} files are in two splits with equal bytes, under other names or classes")
