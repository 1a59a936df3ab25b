"""Rows of lists that name videos: checked, and found on the disk or in a bucket."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from components.contract.buckets import is_bucket_uri, read_bytes, split_uri
from components.contract.errors import StepError
from components.ingest_videos.addresses import scheme_of, shown
from components.ingest_videos.listing import Listed, Reading, Source
from components.ingest_videos.names import VIDEO_SUFFIXES, is_video_name, plain_label, plain_path, split_named
from components.ingest_videos.sources.files import FilesSource, VideoFile


@dataclass(frozen=True)
class Row:
    """One line of a list, as it was written.

    Attributes:
        line: Its number, from 1.
        path: Path relative to the list's folder, absolute path, or gs://.
        label: Class name.
        split: Its split, or empty.
        group: Its group, or empty.
        source: Where it was recorded, or empty.
    """

    line: int
    path: str
    label: str
    split: str = ""
    group: str = ""
    source: str = ""


@dataclass
class Rows:
    """The lines of a list.

    Attributes:
        rows: Those that can be read.
        refused: Why a line was refused, by its name.
    """

    rows: list[Row] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)


def list_text(source: str) -> str:
    """Return the text of a list, local or gs://.

    Raises:
        StepError: If it cannot be read.
    """
    if scheme_of(source) and not is_bucket_uri(source):
        raise StepError(
            f"{shown(source)} is a list at an address that lists are not read from.",
            remedy="Download it, or put it into a bucket and give gs://….",
        )
    try:
        data = read_bytes(source) if is_bucket_uri(source) else Path(source).read_bytes()
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise StepError(f"{source} is no UTF-8 text.", remedy="Save the list as UTF-8.") from None
    except OSError as error:
        raise StepError(
            f"{source} cannot be read ({error.strerror}).", remedy="Check the path and its permissions."
        ) from None


def source_of_rows(source: str, rows: Rows, reading: Reading) -> Source:
    """Make a source of a list's rows: bad ones are refused with the reason, absent local files counted.

    Raises:
        StepError: If no row names a video.
    """
    base = source.rpartition("/")[0] if is_bucket_uri(source) else str(Path(source).absolute().parent)
    files: dict[str, VideoFile] = {}
    refused = dict(rows.refused)
    n_missing = 0
    for row in rows.rows:
        found = _file(row, base)
        if isinstance(found, str):
            refused[f"line {row.line}"] = found
        elif found.uri in files:
            refused[f"line {row.line}"] = "its video stands in an earlier line"
        elif not is_bucket_uri(found.uri) and not Path(found.uri).is_file():
            n_missing += 1
        else:
            files[found.uri] = found
    if not files:
        raise _nothing_left(source, refused, n_missing)
    return FilesSource(list(files.values()), reading=reading, n_missing=n_missing, refused=refused)


def _file(row: Row, base: str) -> VideoFile | str:
    path, label, split = plain_path(row.path), plain_label(row.label), split_named(row.split)
    uri = _uri(path, base) if path else None
    if path is None or uri is None:
        return "its path is empty, climbs, or cannot be used from this list"
    if scheme_of(path) and not _is_bucket_object(path):
        return "its address is neither a path nor gs://bucket/name"
    if not is_video_name(path):
        return f"its path ends in none of {', '.join(VIDEO_SUFFIXES)}"
    if label is None:
        return "its label is empty or unprintable"
    if row.split.strip() and split is None:
        return f"its split {row.split.strip()[:40]!r} is none of train, validation, test"
    listed = Listed(
        name=path,
        label=label,
        folder=path.rpartition("/")[0],
        group=plain_label(row.group) or "",
        split=split,
        source=plain_label(row.source) or "",
    )
    return VideoFile(listed=listed, uri=uri)


def _is_bucket_object(uri: str) -> bool:
    try:
        return is_bucket_uri(uri) and bool(split_uri(uri)[1])
    except StepError:
        return False


def _uri(path: str, base: str) -> str | None:
    if scheme_of(path):
        return path
    if not is_bucket_uri(base):
        return str(Path(base, path))
    # A list from elsewhere names no file of this machine.
    return None if path.startswith("/") else f"{base}/{path}"


def _nothing_left(source: str, refused: dict[str, str], n_missing: int) -> StepError:
    first: Sequence[str] = [f"{line}: {reason}" for line, reason in refused.items()][:1]
    found = f"{n_missing} of its videos are not there, {len(refused)} of its lines were refused"
    return StepError(
        f"{shown(source)} names no video that can be used: {found}{''.join(f' ({text})' for text in first)}.",
        remedy="Paths are relative to the list's folder; check them and the labels.",
    )
