"""Reading parts of a file on this machine."""

from pathlib import Path
from typing import IO


class LocalFile:
    """A file of which threads read parts.

    Args:
        path: Where it is.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def tail(self, n: int) -> tuple[bytes, int]:
        """Return the last `n` bytes (or all, where there are fewer) and the size of the whole file."""
        n_bytes = self._path.stat().st_size
        with self.open(max(0, n_bytes - n), n_bytes) as file:
            return file.read(), n_bytes

    def open(self, start: int, stop: int) -> IO[bytes]:
        """Return a stream that begins at `start`; a file's stream does not end at `stop`."""
        file = self._path.open("rb", buffering=0)
        file.seek(start)
        return file

    def close(self) -> None:
        """Nothing is held open."""
