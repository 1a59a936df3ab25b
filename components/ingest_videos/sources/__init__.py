"""The sources that videos come from: one file each, one line in the table."""

from collections.abc import Callable
from pathlib import Path

from components.contract.buckets import find_file, is_bucket_uri
from components.contract.errors import StepError
from components.ingest_videos.addresses import scheme_of, shown, suffix_of
from components.ingest_videos.listing import Reading, Source
from components.ingest_videos.names import hmdb_recording, split_named, ucf_name
from components.ingest_videos.sources.class_folders import class_folders
from components.ingest_videos.sources.files import Entry, entries_below
from components.ingest_videos.sources.hmdb51 import hmdb51
from components.ingest_videos.sources.kinetics import KINETICS_COLUMN, kinetics
from components.ingest_videos.sources.path_list import path_list
from components.ingest_videos.sources.rows import list_text
from components.ingest_videos.sources.split_folders import split_folders
from components.ingest_videos.sources.tables import csv_header, csv_table, jsonl_table
from components.ingest_videos.sources.ucf101 import ucf101

AUTO = "auto"
SOURCES: dict[str, Callable[[str, Reading], Source]] = {
    "ucf101": ucf101,
    "class_folders": class_folders,
    "split_folders": split_folders,
    "path_list": path_list,
    "csv": csv_table,
    "jsonl": jsonl_table,
    "kinetics": kinetics,
    "hmdb51": hmdb51,
}

_SUPPORTED = "Supported are http://, https://, gs:// and local paths."
_TYPES_OF_FILES = {".zip": "ucf101", ".csv": "csv", ".jsonl": "jsonl", ".txt": "path_list"}
_TYPES_BY_ADDRESS = ("ucf101",)  # what can be read over http(s)


def open_source(source: str, *, source_type: str, reading: Reading) -> Source:
    """Open a source.

    Args:
        source: Its address or path.
        source_type: A name in SOURCES, or `auto` to go by what the source looks like.
        reading: How its videos are read.

    Raises:
        StepError: If there is no such source or type.
    """
    if source_type not in (AUTO, *SOURCES):
        raise StepError(
            f"There is no source type {source_type!r}.", remedy=f"Choose among {', '.join((AUTO, *SOURCES))}."
        )
    if scheme_of(source) not in ("", "http", "https", "gs"):
        raise StepError(f"{shown(source)} has a scheme that no source reads.", remedy=_SUPPORTED)
    if not scheme_of(source) and not Path(source).exists():
        raise StepError(f"{source} does not exist.", remedy=f"Check the source's path. {_SUPPORTED}")
    chosen = _type_of(source) if source_type == AUTO else source_type
    if scheme_of(source) in ("http", "https") and chosen not in _TYPES_BY_ADDRESS:
        raise StepError(
            f"{shown(source)} cannot be read as {chosen}: over http(s) only zips are.",
            remedy="Download it, or put it into a bucket and give gs://….",
        )
    return SOURCES[chosen](source, reading)


def _type_of(source: str) -> str:
    if scheme_of(source) in ("http", "https"):
        return "ucf101"
    suffix = suffix_of(source)
    if suffix in _TYPES_OF_FILES and _is_file(source):
        by_columns = suffix == ".csv" and KINETICS_COLUMN in csv_header(list_text(source))
        return "kinetics" if by_columns else _TYPES_OF_FILES[suffix]
    if not is_bucket_uri(source) and not Path(source).is_dir():
        raise StepError(
            f"{source} is neither a zip nor a folder nor a list.",
            remedy=f"Give a folder of videos, or a file that ends in {', '.join(_TYPES_OF_FILES)}.",
        )
    return _type_of_folder([entry for entry in entries_below(source) if entry.is_video])


def _type_of_folder(videos: list[Entry]) -> str:
    if any(len(entry.parts) == 1 and ucf_name(entry.parts[0]) for entry in videos):
        return "ucf101"
    nested = [entry.parts for entry in videos if len(entry.parts) > 1]
    if nested and all(split_named(parts[0]) and len(parts) > 2 for parts in nested):
        return "split_folders"
    if any(hmdb_recording(parts[-1], parts[0]) for parts in nested):
        return "hmdb51"
    return "class_folders"


def _is_file(source: str) -> bool:
    return find_file(source) is not None if is_bucket_uri(source) else Path(source).is_file()
