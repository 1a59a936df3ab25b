"""Zip archives, near and far: their directory, and single members read by a range of bytes."""

import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Protocol, cast

import remotezip

from components.contract.errors import StepError
from components.ingest_videos.addresses import scheme_of, shown
from components.ingest_videos.ranges import RangeReader, fetcher_of

_LOCAL_HEADER = struct.Struct("<4s22xHH")
_LOCAL_SIGNATURE = b"PK\x03\x04"
_ENCRYPTED = 0x1
_UTF8_NAME = 0x800
_MOST_BYTES = 2 << 30
_MOST_RATIO = 200
# Holds the directory of some 3,000 members: most archives then open with one request.
_DIRECTORY_BYTES = 256 << 10


class CorruptError(Exception):
    """A member's bytes are not what the archive says of them, or not such as we read."""


class Bytes(Protocol):
    """Something whose parts can be read."""

    def open(self, start: int, stop: int) -> IO[bytes]:
        """Return a stream of the bytes from `start` up to, not including, `stop`."""

    def close(self) -> None:
        """Let go of what reading needs."""


class _LocalFile:
    def __init__(self, path: Path) -> None:
        self._path = path

    def open(self, start: int, stop: int) -> IO[bytes]:
        file = self._path.open("rb")
        file.seek(start)
        return file

    def close(self) -> None:
        pass


class Archive:
    """The members of an opened zip; threads may read at the same time.

    Args:
        directory: The zip, opened to read its directory.
        content: Its bytes.
    """

    def __init__(self, directory: zipfile.ZipFile, content: Bytes) -> None:
        self._content = content
        self.members = [info for info in directory.infolist() if not info.is_dir()]
        starts = sorted({info.header_offset for info in directory.infolist()})
        stops = [*starts[1:], directory.start_dir]
        self._stops = dict(zip(starts, stops, strict=True))

    def close(self) -> None:
        """Close its connections."""
        self._content.close()

    @contextmanager
    def reading(self, info: zipfile.ZipInfo) -> Iterator[IO[bytes]]:
        """Give a stream of a member's content; its size and CRC-32 are checked when it is read to the end.

        A member ends where the next begins, so members that overlap are corrupt.

        Raises:
            CorruptError: If it is encrypted, a bomb, or not what the directory says.
        """
        _refuse_bomb(info)
        try:
            stop = self._stops[info.header_offset]
            with self._content.open(info.header_offset, stop) as raw:
                _skip_local_header(raw, info, room=stop - info.header_offset)
                with zipfile.ZipExtFile(raw, "r", info) as content:
                    yield cast(IO[bytes], content)
                    if content.read(1):
                        raise CorruptError("was not read to its end")
                _drain(raw)
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
            raise CorruptError(str(error) or "it is cut") from None


def open_archive(source: str) -> Archive:
    """Open a zip at an http(s) address or a local path and read its directory.

    Raises:
        StepError: If there is none, or if what is there is no zip.
        UnreachableError: If the server fails; asking again may help.
    """
    try:
        if scheme_of(source):
            return _opened_far(source)
        with zipfile.ZipFile(source) as directory:
            return Archive(directory, _LocalFile(Path(source)))
    except (zipfile.BadZipFile, zipfile.LargeZipFile, NotImplementedError, remotezip.RemoteZipError):
        raise StepError(
            f"{shown(source)} is not a zip archive, or it was cut.", remedy="Give the zip, and check that it is whole."
        ) from None
    except OSError as error:
        raise StepError(
            f"{shown(source)} cannot be read ({error.strerror}).", remedy="Check the path and its permissions."
        ) from None


def _opened_far(url: str) -> Archive:
    reader = RangeReader(url)
    try:
        with remotezip.RemoteZip(url, initial_buffer_size=_DIRECTORY_BYTES, fetcher=fetcher_of(reader)) as directory:
            return Archive(directory, reader)
    except BaseException:
        reader.close()
        raise


def _refuse_bomb(info: zipfile.ZipInfo) -> None:
    if info.flag_bits & _ENCRYPTED:
        raise CorruptError("it is encrypted")
    if info.file_size > _MOST_BYTES:
        raise CorruptError(f"it claims {info.file_size} bytes; {_MOST_BYTES} are allowed")
    if info.file_size > _MOST_RATIO * max(info.compress_size, 1):
        raise CorruptError(f"it claims to be packed more than {_MOST_RATIO} times")


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
    data = b""
    while len(data) < n:
        chunk = raw.read(n - len(data))
        if not chunk:
            raise EOFError
        data += chunk
    return data


def _drain(raw: IO[bytes]) -> None:
    # A connection serves its next request only when its answer was read to the end: here a data descriptor, if any.
    raw.read(64)
