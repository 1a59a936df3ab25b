"""Progress of a fetch: bytes, videos, rate, time left."""

import threading
import time
from collections.abc import Callable

from components.contract.progress import say


class FetchProgress:
    """Counts bytes and videos that threads fetched, and says so every few seconds.

    Args:
        n_bytes: How many bytes there will be, or None where nobody knows.
        n_videos: How many videos there will be; 0 where no single videos are fetched.
        n_bytes_before: How many an earlier try left.
        of: What is fetched, for the line.
        every_s: Seconds between two lines.
        clock: Seconds that only grow; tests give their own.
    """

    def __init__(
        self,
        *,
        n_bytes: int | None,
        n_videos: int = 0,
        n_bytes_before: int = 0,
        of: str = "",
        every_s: float = 2.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._total, self._n_videos, self._before, self._of = n_bytes, n_videos, n_bytes_before, of
        self._every_s, self._clock = every_s, clock
        self._started = self._said = clock()
        self._lock = threading.Lock()
        self.n_bytes = self._videos_done = 0

    def count(self, n_bytes: int, *, n_videos: int = 0) -> None:
        """Count what was just fetched; print a line when the last one is old enough or all videos are there."""
        with self._lock:
            self.n_bytes += n_bytes
            self._videos_done += n_videos
            now = self._clock()
            is_last = n_videos > 0 and self._videos_done == self._n_videos
            if now - self._said < self._every_s and not is_last:
                return
            self._said = now
            line = self._line(now - self._started)
        say(line)

    def _line(self, elapsed_s: float) -> str:
        done = self._before + self.n_bytes
        of_total = f" of {self._total / 1e6:.1f}" if self._total is not None else ""
        parts = [f"{self._videos_done}/{self._n_videos} videos"] if self._n_videos else []
        parts.append(f"{done / 1e6:.1f}{of_total} MB" + (f" of {self._of}" if self._of else ""))
        if elapsed_s > 0 and self.n_bytes:
            rate = self.n_bytes / elapsed_s
            parts.append(f"{rate / 1e6:.1f} MB/s")
            if self._total is not None and done < self._total:
                parts.append(f"{(self._total - done) / rate:.0f} s left")
        return " · ".join(parts)
