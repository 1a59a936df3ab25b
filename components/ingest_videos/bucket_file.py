"""An object of a bucket, read by ranges: as a file, and as the bytes of an archive."""

import base64
import io
from typing import IO, Any, cast

from components.contract.buckets import RemoteFile, find_file, read_bytes
from components.contract.errors import StepError

_READ_AHEAD_BYTES = 8 << 20


class BucketFile(io.RawIOBase):
    """A readable, seekable file of one object in the generation that it has when it is opened.

    Args:
        uri: gs://bucket/name.
        file: What a listing said of it, where there was one.

    Raises:
        StepError: If there is no such object.
    """

    def __init__(self, uri: str, file: RemoteFile | None = None) -> None:
        found = file or find_file(uri)
        if found is None:
            raise StepError(f"{uri} is not there (404).", remedy="Check the bucket's name and the path.")
        self.file = found
        self._at = 0

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def tell(self) -> int:
        """Return where the next read starts."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to another place."""
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self.file.bytes}[whence]
        self._at = max(0, start + offset)
        return self._at

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        """Fill a buffer from the object's bytes."""
        data = self.part(self._at, self._at + len(buffer))
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)

    def part(self, start: int, stop: int) -> bytes:
        """Return the bytes from `start` up to, not including, `stop`, as far as there are."""
        stop = min(stop, self.file.bytes)
        if start >= stop:
            return b""
        return read_bytes(self.file.uri, start=start, end=stop, generation=self.file.generation)


class BucketBytes:
    """The bytes of an archive in a bucket; threads may read at the same time.

    Args:
        file: The archive.
    """

    def __init__(self, file: BucketFile) -> None:
        self._file = file

    def open(self, start: int, stop: int) -> IO[bytes]:
        """Return a stream of the bytes from `start` up to, not including, `stop`."""
        return io.BytesIO(self._file.part(start, stop))

    def close(self) -> None:
        """Nothing is held open."""


class CheckedStream(io.RawIOBase):
    """An object's bytes from its start to its end; the last read compares their CRC-32C with the bucket's.

    Args:
        file: What the listing said of it.
    """

    def __init__(self, file: RemoteFile) -> None:
        from google_crc32c import Checksum

        self._content = io.BufferedReader(BucketFile(file.uri, file), _READ_AHEAD_BYTES)
        self._expected = file.crc32c
        self._checksum: Any = cast(Any, Checksum)()

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes; b"" at the end.

        Raises:
            ChangedError: At the end, if the bytes are not those that the bucket says.
        """
        data = self._content.read(size)
        self._checksum.update(data)
        if not data and self._expected and base64.b64encode(self._checksum.digest()).decode() != self._expected:
            raise ChangedError
        return data


class ChangedError(Exception):
    """The bytes that were read are not those that the bucket has a checksum of."""


def crc32c_of(file: RemoteFile) -> int:
    """Return the checksum that the bucket keeps of an object, as a number."""
    return int.from_bytes(base64.b64decode(file.crc32c), "big")


def stream_of(file: RemoteFile) -> IO[bytes]:
    """Return an object's bytes as a stream whose checksum is compared when it is read to the end."""
    return cast(IO[bytes], CheckedStream(file))
