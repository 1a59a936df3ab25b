"""Progress of long work, as lines that a log keeps and a console can follow."""

import sys
import time
from collections.abc import Callable

PREFIX = "progress: "


def say(text: str) -> None:
    """Print one progress line at once."""
    print(f"{PREFIX}{text}", flush=True, file=sys.stdout)


class Progress:
    """Counts work that is done and says so every few seconds: how much, how fast, how long it will take yet.

    Args:
        unit: What is counted, in the plural: `videos`.
        total: How many there will be, or None where nobody knows.
        every_s: Seconds between two lines.
        clock: Seconds that only grow; tests give their own.
    """

    def __init__(
        self, unit: str, total: int | None = None, *, every_s: float = 1.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._unit, self._total, self._every_s, self._clock = unit, total, every_s, clock
        self._started = self._said = clock()
        self.done = 0

    def add(self, n: int = 1, *, detail: str = "") -> None:
        """Count `n` more; print a line when the last one is old enough or the work is complete."""
        self.done += n
        now = self._clock()
        if now - self._said < self._every_s and self.done != self._total:
            return
        self._said = now
        say(self._line(now, detail))

    def _line(self, now: float, detail: str) -> str:
        of_total = f"/{self._total}" if self._total is not None else ""
        parts = [f"{self.done}{of_total} {self._unit}"]
        elapsed = now - self._started
        if elapsed > 0 and self.done:
            rate = self.done / elapsed
            parts.append(f"{rate:.1f}/s")
            if self._total is not None and self.done < self._total:
                parts.append(f"{(self._total - self.done) / rate:.0f} s left")
        if detail:
            parts.append(detail)
        return " · ".join(parts)
