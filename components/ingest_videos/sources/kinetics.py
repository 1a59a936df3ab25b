"""Kinetics: a CSV `label,youtube_id,time_start,time_end,split`, and below its folder the videos that could be had."""

import re
from collections.abc import Mapping
from pathlib import Path

from components.contract.buckets import is_bucket_uri
from components.contract.errors import StepError
from components.ingest_videos.addresses import shown
from components.ingest_videos.listing import Listed, Reading, Source
from components.ingest_videos.names import plain_label, split_named
from components.ingest_videos.sources.files import Entry, FilesSource, VideoFile, entries_below
from components.ingest_videos.sources.rows import list_text
from components.ingest_videos.sources.tables import check_columns, csv_cells, csv_header

KINETICS_COLUMN = "youtube_id"

_YOUTUBE_ID = re.compile(r"[A-Za-z0-9_-]{11}")
_SECONDS = re.compile(r"([0-9]{1,6})(?:\.[0-9]{1,6})?")


def kinetics(source: str, reading: Reading) -> Source:
    """Open Kinetics. Rows whose video is not there are counted: some always are missing.

    A video is looked for by its name wherever it lies below the list's folder: `<id>_<start>_<end>` with six digits
    each, as the usual downloaders name it, or `<id>`. Clips of one YouTube video are one group, in all classes.
    """
    text = list_text(source)
    check_columns(source, csv_header(text), one_of=(KINETICS_COLUMN,))
    folder = source.rpartition("/")[0] if is_bucket_uri(source) else str(Path(source).parent)
    videos = {entry.parts[-1].rpartition(".")[0]: entry for entry in reversed(entries_below(folder)) if entry.is_video}
    files: dict[str, VideoFile] = {}
    refused: dict[str, str] = {}
    n_missing = 0
    for line, cells in csv_cells(text):
        stems = cells if isinstance(cells, str) else kinetics_stems(cells)
        if isinstance(stems, str) or isinstance(cells, str):
            refused[f"line {line}"] = str(stems)
            continue
        entry = next((videos[stem] for stem in stems if stem in videos), None)
        if entry is None:
            n_missing += 1
        elif entry.uri in files:
            refused[f"line {line}"] = "its video stands in an earlier line"
        else:
            files[entry.uri] = _video_file(entry, cells)
    if not files:
        raise StepError(
            f"None of the videos that {shown(source)} names is there: {n_missing} are missing, {len(refused)} lines "
            "were refused.",
            remedy="Put the videos below the list's folder, named <youtube_id>_<start>_<end>.mp4 or <youtube_id>.mp4.",
        )
    return FilesSource(list(files.values()), reading=reading, n_missing=n_missing, refused=refused)


def kinetics_stems(cells: Mapping[str, str]) -> tuple[str, ...] | str:
    """Return how the video of a row may be named, without suffix; or why the row is refused."""
    youtube_id = cells.get(KINETICS_COLUMN, "").strip()
    if not _YOUTUBE_ID.fullmatch(youtube_id):
        return "its youtube_id is none"
    if plain_label(cells.get("label", "")) is None:
        return "its label is empty or unprintable"
    split = cells.get("split", "").strip()
    if split and split_named(split) is None:
        return f"its split {split[:40]!r} is none of train, validation, test"
    times = [_SECONDS.fullmatch(cells.get(column, "").strip()) for column in ("time_start", "time_end")]
    start, end = times
    timed = (f"{youtube_id}_{int(start[1]):06d}_{int(end[1]):06d}",) if start and end else ()
    return (*timed, youtube_id)


def _video_file(entry: Entry, cells: Mapping[str, str]) -> VideoFile:
    listed = Listed(
        name="/".join(entry.parts),
        label=cells["label"].strip(),
        group=cells[KINETICS_COLUMN].strip(),
        split=split_named(cells.get("split", "")),
        source="kinetics",
    )
    return VideoFile(listed=listed, uri=entry.uri, remote=entry.remote)
