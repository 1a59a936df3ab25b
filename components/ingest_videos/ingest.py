"""From a source to a manifest."""

from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path

from components.contract.errors import StepError
from components.contract.files import emptied
from components.contract.progress import say
from components.contract.videos import SPLITS, Split, Video, write_manifest
from components.ingest_videos.listing import Fetched, Reading, Source
from components.ingest_videos.previous import Differences, Previous
from components.ingest_videos.selection import Selection, Taken, taken_of
from components.ingest_videos.sources import open_source
from components.ingest_videos.splits import Shares, leak_of_random_split
from components.ingest_videos.store import VideoStore

_SHOWN_NAMES = 10


@dataclass(frozen=True)
class Ingested:
    """What an ingest left: the manifest's digest, and counts for people."""

    digest: str
    counts: dict[str, float]


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
    reading = Reading(store=VideoStore(store_dir), workers=fetch_workers, authorization=authorization)
    previous = Previous(store_dir, source=source, split_parameters=selection.split_parameters)
    with closing(open_source(source, source_type=source_type, reading=reading)) as opened:
        _say_listing(opened)
        taken = taken_of(opened, selection, address=source, previous=previous)
        fetched = opened.fetch([candidate.name for candidate in taken.candidates])
    videos = _videos(taken, fetched)
    _check_rejects(fetched.rejected, videos, taken)
    _say_splits(videos, taken.labels, selection.shares)
    leak = _say_doubts(videos, n_unknown=taken.n_unknown)
    finished = write_manifest(videos_dir, videos=videos, labels=taken.labels)
    differences = previous.compare(videos, listed=taken.listed, labels=taken.labels)
    _say_differences(differences)
    counts = {
        **_counts(videos, fetched),
        "rejected": len(fetched.rejected) + len(opened.refused),
        "left_out": taken.n_left_out,
        "ignored": opened.n_ignored,
        "missing": opened.n_missing,
        "new": len(differences.new),
        "changed": len(differences.changed),
        "removed": len(differences.removed),
        "leak_of_random_split": leak,
    }
    return Ingested(digest=finished.digest, counts=counts)


def _say_listing(source: Source) -> None:
    if source.n_ignored:
        say(f"{source.n_ignored} other entries ignored")
    if source.n_missing:
        say(f"{source.n_missing} videos that the list names are not there")
    _say_names("left out", {f"{line}: {reason}" for line, reason in source.refused.items()})


def _videos(taken: Taken, fetched: Fetched) -> list[Video]:
    return [
        Video(
            name=candidate.name,
            label=candidate.label,
            group=candidate.group,
            split=taken.splits[candidate.group],
            source=candidate.source,
            **asdict(fetched.located[candidate.name]),
        )
        for candidate in taken.candidates
        if candidate.name in fetched.located
    ]


def _counts(videos: Sequence[Video], fetched: Fetched) -> dict[str, float]:
    return {
        "videos": len(videos),
        "bytes": sum(video.bytes for video in videos),
        **{f"videos_{split}": sum(video.split == split for video in videos) for split in SPLITS},
        "classes": len({video.label for video in videos}),
        "groups": len({video.group for video in videos}),
        "fetched": fetched.n_fetched,
        "reused": fetched.n_reused,
    }


def _check_rejects(rejected: dict[str, str], videos: Sequence[Video], taken: Taken) -> None:
    _say_names("left out", {f"{name!r}: {reason}" for name, reason in rejected.items()})
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


def _say_doubts(videos: Sequence[Video], *, n_unknown: int) -> float:
    """Say what is known of leakage; return the share of test videos that a random split by video would have leaked."""
    n_train = sum(video.split == "train" for video in videos)
    leak = leak_of_random_split(Counter(video.group for video in videos).values(), n_train / len(videos))
    say(f"a random split by video would have put {leak:.0%} of test videos beside one of their group in train")
    if n_unknown:
        say(
            f"nothing tells the recordings of {n_unknown} videos: only equal files of them stay together, so leakage "
            "between splits cannot be excluded"
        )
    splits_of_bytes: defaultdict[str, set[Split]] = defaultdict(set)
    for video in videos:
        splits_of_bytes[video.sha256].add(video.split)
    n_torn = sum(len(splits) > 1 for splits in splits_of_bytes.values())
    if n_torn:
        say(f"{n_torn} files are in two splits with equal bytes, under other names or classes")
    return leak


def _say_differences(differences: Differences) -> None:
    if differences.first:
        return
    if not (differences.new or differences.changed or differences.removed):
        say("nothing is new, changed or removed since the last ingest of this source")
    for what, names in (("new", differences.new), ("changed", differences.changed), ("removed", differences.removed)):
        _say_names(f"{what} since the last ingest:", {repr(name) for name in names})


def _say_names(what: str, texts: Collection[str]) -> None:
    for text in sorted(texts)[:_SHOWN_NAMES]:
        say(f"{what} {text}")
    if len(texts) > _SHOWN_NAMES:
        say(f"{what} {len(texts) - _SHOWN_NAMES} more")
