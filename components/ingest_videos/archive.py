"""Zip archives, near and far: their directory, and single members read by a range of bytes."""

import io
import struct
import zipfile
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import IO, Protocol

import remotezip

from components.contract.errors import StepError
from components.ingest_videos.addresses import scheme_of, shown
from components.ingest_videos.bucket_file import BucketFile
from components.ingest_videos.download import Copies
from components.ingest_videos.inflating import CorruptError, inflated
from components.ingest_videos.local_file import LocalFile
from components.ingest_videos.members import LOCAL_HEADER_BYTES, Limits, check_directory, defects
from components.ingest_videos.ranges import RangeReader, RangesIgnoredError
from components.ingest_videos.retrying import persistently

_LOCAL_HEADER = struct.Struct("<4s22xHH")
_LOCAL_SIGNATURE = b"PK\x03\x04"
_UTF8_NAME = 0x800
_MOST_HEADER_BYTES = 2 << 16  # name and extra field of a local header are counted by 16 bits each
# Holds the directory of some 3,000 members: most archives then open with one request.
_TAIL_BYTES = 256 << 10
# What a zip that is none, or was cut, raises while zipfile reads its directory.
_NO_ZIP = (
    zipfile.BadZipFile,
    zipfile.LargeZipFile,
    NotImplementedError,
    remotezip.RemoteZipError,
    ValueError,
    OverflowError,
    struct.error,
)


class Content(Protocol):
    """A file whose parts can be read, by several threads at a time."""

    def tail(self, n: int) -> tuple[bytes, int]:
        """Return the last `n` bytes (or all, where there are fewer) and the size of the whole file."""

    def open(self, start: int, stop: int) -> IO[bytes]:
        """Return a stream of the bytes from `start` up to, not including, `stop`."""

    def close(self) -> None:
        """Let go of what reading needs."""


class Archive:
    """The members of an opened zip; threads may read at the same time.

    Args:
        content: The zip's bytes.
        shown: Its address for errors.
        limits: What it may claim.
        copies: Where it may be copied to as a whole; None where there is nothing to gain.
    """

    def __init__(
        self, content: Content, *, shown: str, limits: Limits | None = None, copies: Copies | None = None
    ) -> None:
        limits = limits or Limits()
        directory = _Directory(content, most_bytes=limits.directory_bytes)
        with remotezip.RemoteZip("", initial_buffer_size=_TAIL_BYTES, fetcher=lambda *_, **__: directory) as opened:
            infos, end = opened.infolist(), opened.start_dir
        check_directory(infos, limits, shown=shown)
        self.members = [info for info in infos if not info.is_dir()]
        self.n_bytes = directory.n_bytes
        self._content, self._copies = content, copies
        self._copied: LocalFile | None = None
        self._defects = defects(infos, limits, end=end)
        starts = sorted({info.header_offset for info in infos})
        self._stops = dict(zip(starts, [*starts[1:], end], strict=True))

    @property
    def is_far(self) -> bool:
        """Whether a corrupt member may be whole when it is asked for again."""
        return not isinstance(self._content, LocalFile)

    def close(self) -> None:
        """Close its connections."""
        self._content.close()

    def bring_near(self, wanted: Iterable[zipfile.ZipInfo]) -> None:
        """Copy the whole archive if most of its bytes are wanted, or use the copy that is there already."""
        if not self._copies or not isinstance(self._content, RangeReader):
            return
        n_wanted = sum(self._stops[info.header_offset] - info.header_offset for info in wanted)
        if 2 * n_wanted > self.n_bytes or self._copies.has(self._content):
            self._copied = LocalFile(self._copies.bring(self._content))

    def drop_copy(self) -> None:
        """Remove the copy of an archive of which every part can be asked for again."""
        if self._copied and self._copies and isinstance(self._content, RangeReader):
            self._copied = None
            self._copies.drop(self._content)

    def content(self, info: zipfile.ZipInfo, *, afresh: bool = False) -> Iterator[bytes]:
        """Yield a member's content in pieces; its size and CRC-32 are checked at the end.

        Args:
            info: One of `members`.
            afresh: Whether to ask its server even where there is a copy.

        Raises:
            CorruptError: If it may not be read, or is not what the directory says.
            UnreachableError: If the network fails.
        """
        if info in self._defects:
            raise CorruptError(self._defects[info])
        start = info.header_offset
        room = self._stops[start] - start
        most = LOCAL_HEADER_BYTES + _MOST_HEADER_BYTES + info.compress_size
        source = self._content if afresh or not self._copied else self._copied
        with source.open(start, start + min(room, most)) as raw:
            _skip_local_header(raw, info, room=room)
            yield from inflated(raw, info)


class _Directory:
    """Gives `remotezip.RemoteZip` what it reads an archive's directory from; its name for that is a fetcher."""

    def __init__(self, content: Content, *, most_bytes: int) -> None:
        self._content, self._most_bytes = content, most_bytes
        self.n_bytes = 0

    def fetch(self, data_range: tuple[int, int | None], stream: bool = False) -> remotezip.PartialBuffer:
        """Return a range; (-n, None) are the last n bytes."""
        first, last = data_range
        if last is None:
            data, self.n_bytes = self._content.tail(-first)
            first = self.n_bytes - len(data)
        elif not 0 <= first <= last < self.n_bytes or last - first >= self._most_bytes:
            raise zipfile.BadZipFile("its directory lies outside of it, or is too large")
        else:
            with self._content.open(first, last + 1) as raw:
                data = _exactly(raw, last + 1 - first)
        if not data:
            raise zipfile.BadZipFile("it is empty")
        return remotezip.PartialBuffer(io.BytesIO(data), first, len(data), stream=False)


def open_archive(source: str, *, copies: Copies | None = None, authorization: str = "") -> Archive:
    """Open a zip at an address in the table of schemes, or a local path, and read its directory.

    Args:
        source: Address or path.
        copies: Where an archive goes whose server gives whole files only.
        authorization: What the header `Authorization` says, for http and https.

    Raises:
        StepError: If there is none, if what is there is no zip, or if its server keeps failing.
    """
    try:
        opener = _OPENERS[scheme_of(source)]
    except KeyError:
        allowed = ", ".join(f"{scheme}://" for scheme in _OPENERS if scheme)
        raise StepError(
            f"{shown(source)} has a scheme that is not read.", remedy=f"Give a path, or one of {allowed}."
        ) from None
    try:
        return opener(source, copies, authorization)
    except (*_NO_ZIP, CorruptError):
        raise StepError(
            f"{shown(source)} is not a zip archive, or it was cut.", remedy="Give the zip, and check that it is whole."
        ) from None
    except OSError as error:
        raise StepError(
            f"{shown(source)} cannot be read ({error.strerror}).", remedy="Check the path and its permissions."
        ) from None


def _opened_near(source: str, copies: Copies | None, authorization: str) -> Archive:
    return Archive(LocalFile(Path(source)), shown=source)


def _opened_bucket(source: str, copies: Copies | None, authorization: str) -> Archive:
    return Archive(BucketFile(source), shown=source)


def _opened_http(source: str, copies: Copies | None, authorization: str) -> Archive:
    reader = RangeReader(source, authorization=authorization)
    try:
        archive = persistently(partial(_opened_by_ranges, reader, copies), what=reader.shown)
        if archive is not None:
            return archive
        if copies is None:
            raise StepError(
                f"The server of {reader.shown} gives whole files only: it does not answer range requests.",
                remedy="Download the archive and give its local path, or serve it with ranges.",
            )
        near = Archive(LocalFile(copies.bring(reader)), shown=reader.shown)
        reader.close()
        return near
    except BaseException:
        reader.close()
        raise


def _opened_by_ranges(reader: RangeReader, copies: Copies | None) -> Archive | None:
    try:
        return Archive(reader, shown=reader.shown, copies=copies)
    except RangesIgnoredError:
        return None


_OPENERS: dict[str, Callable[[str, Copies | None, str], Archive]] = {
    "": _opened_near,
    "http": _opened_http,
    "https": _opened_http,
    "gs": _opened_bucket,
}


def _skip_local_header(raw: IO[bytes], info: zipfile.ZipInfo, *, room: int) -> None:
    signature, n_name, n_extra = _LOCAL_HEADER.unpack(_exactly(raw, _LOCAL_HEADER.size))
    name = _exactly(raw, n_name)
    _exactly(raw, n_extra)
    encoding = "utf-8" if info.flag_bits & _UTF8_NAME else "cp437"
    if signature != _LOCAL_SIGNATURE or name != info.orig_filename.encode(encoding, errors="replace"):
        raise CorruptError("its local header is not the one that the directory names")
    if _LOCAL_HEADER.size + n_name + n_extra + info.compress_size > room:
        raise CorruptError("it overlaps the next member")


def _exactly(raw: IO[bytes], n: int) -> bytes:
    pieces = []
    while n:
        piece = raw.read(n)
        if not piece:
            raise CorruptError("it is cut")
        pieces.append(piece)
        n -= len(piece)
    return b"".join(pieces)
