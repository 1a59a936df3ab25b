"""Reading parts of an object in Google Cloud Storage."""

import io
from typing import IO, cast

from components.contract import buckets
from components.contract.errors import StepError

_CHUNK_BYTES = 8 << 20


class BucketFile:
    """An object of which threads read parts, always of the generation that was there at first.

    Args:
        uri: gs://bucket/name.
        found: What a listing said of it, where there was one.
    """

    def __init__(self, uri: str, found: buckets.RemoteFile | None = None) -> None:
        found = found or buckets.find_file(uri)
        if found is None:
            raise StepError(f"{uri} is not there (404).", remedy="Check the bucket's name and the path.")
        self._file = found

    def tail(self, n: int) -> tuple[bytes, int]:
        """Return the last `n` bytes (or all, where there are fewer) and the size of the whole object."""
        total = self._file.bytes
        return (self.read(max(0, total - n), total) if total else b""), total

    def open(self, start: int, stop: int) -> IO[bytes]:
        """Return a stream of the bytes from `start` up to, not including, `stop`."""
        return cast(IO[bytes], _Parts(self, start, stop))

    def read(self, start: int, stop: int) -> bytes:
        """Return the bytes from `start` up to, not including, `stop`.

        Raises:
            StepError: If they cannot be read, or if the object was replaced.
        """
        uri, generation = self._file.uri, self._file.generation
        try:
            return buckets.read_bytes(uri, start=start, end=stop, generation=generation)
        except StepError:
            now = buckets.find_file(uri)
            if now is not None and now.generation != generation:
                raise StepError(
                    f"{uri} was replaced while it was read.", remedy="Run again once its upload is over."
                ) from None
            raise

    def close(self) -> None:
        """Nothing is held open."""


class _Parts(io.RawIOBase):
    def __init__(self, file: BucketFile, start: int, stop: int) -> None:
        self._file, self._at, self._stop = file, start, stop
        self._buffer = b""

    def readable(self) -> bool:
        return True

    def read(self, size: int | None = -1) -> bytes:
        if not self._buffer and self._at < self._stop:
            end = min(self._stop, self._at + _CHUNK_BYTES)
            self._buffer = self._file.read(self._at, end)
            self._at = end
        n = len(self._buffer) if size is None or size < 0 else size
        data, self._buffer = self._buffer[:n], self._buffer[n:]
        return data
