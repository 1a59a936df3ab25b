"""The sources that videos come from: one file each, one line in the table."""

from collections.abc import Callable
from pathlib import Path

from components.contract.errors import StepError
from components.ingest_videos.addresses import scheme_of, shown, suffix_of
from components.ingest_videos.listing import Source
from components.ingest_videos.names import ucf_name
from components.ingest_videos.sources.class_folders import class_folders
from components.ingest_videos.sources.ucf101 import ucf101
from components.ingest_videos.store import VideoStore

AUTO = "auto"
SOURCES: dict[str, Callable[[str, VideoStore, int, str], Source]] = {
    "ucf101": ucf101,
    "class_folders": class_folders,
}

_SUPPORTED = "Supported are http://, https://, gs:// and local paths."


def open_source(source: str, *, source_type: str, store: VideoStore, workers: int, authorization: str = "") -> Source:
    """Open a source.

    Args:
        source: Its address or path.
        source_type: A name in SOURCES, or `auto` to go by what the source looks like.
        store: Where fetched videos go.
        workers: How many videos are read at a time.
        authorization: What the header `Authorization` says where the source is asked over http(s); "" for none.

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
    opener = SOURCES[_type_of(source) if source_type == AUTO else source_type]
    return opener(source, store, workers, authorization)


def _type_of(source: str) -> str:
    if scheme_of(source) or suffix_of(source) == ".zip":
        return "ucf101"
    if not Path(source).is_dir():
        raise StepError(f"{source} is neither a zip nor a folder.", remedy="Give a .zip, or a folder of videos.")
    has_ucf_names = any(ucf_name(path.name) for path in Path(source).iterdir() if path.is_file())
    return "ucf101" if has_ucf_names else "class_folders"
