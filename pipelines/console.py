"""What a run shows: one line per step, with its progress while it works and its counts when it is done."""

import sys
import time
from collections.abc import Mapping
from typing import Any, TextIO

from pipelines.runs import Run, StepState

_MARKS = {"succeeded": "✓", "cached": "=", "resumed": "=", "failed": "✗"}
_NOTES = {"cached": "nothing new", "resumed": "done before"}
_LINE_EVERY_S = 10.0


class Console:
    """Prints a run's lines: live on a terminal, a line now and then in a log.

    Args:
        stream: Where to; the default is standard error, so that standard output stays for data.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._live = self._stream.isatty()
        self._last_line = 0.0

    def say(self, text: str = "") -> None:
        """Print a line."""
        self._clear()
        print(text, file=self._stream, flush=True)

    def started(self, state: StepState) -> None:
        """Show that a step works."""
        self._last_line = time.monotonic()
        self._show(f"… {state.step:<16}")

    def progress(self, state: StepState, text: str) -> None:
        """Show a step's progress."""
        if self._live:
            self._show(f"… {state.step:<16} {text}")
        elif time.monotonic() - self._last_line >= _LINE_EVERY_S:
            self._last_line = time.monotonic()
            self.say(f"… {state.step:<16} {text}")

    def ended(self, run: Run, state: StepState) -> None:
        """Print the step's line."""
        record = run.record(state.step) if state.outputs else None
        what = _NOTES.get(state.status) or counts(record["metrics"] if record else {})
        self.say(f"{_MARKS[state.status]} {state.step:<16} {state.seconds:6.1f} s  {what}")

    def _show(self, text: str) -> None:
        if self._live:
            self._clear()
            print(text[:118], end="", file=self._stream, flush=True)

    def _clear(self) -> None:
        if self._live:
            print("\r\033[K", end="", file=self._stream)


def counts(metrics: Mapping[str, Any], at_most: int = 6) -> str:
    """Return a step's first few numbers in one line."""
    shown = list(metrics.items())[:at_most]
    return " · ".join(f"{name.replace('_', ' ')} {number(value)}" for name, value in shown)


def number(value: Any) -> str:
    """Return a number as people write it: whole numbers with separators, others to three places."""
    if isinstance(value, float) and not value.is_integer():
        return f"{value:.3f}"
    return f"{int(value):,}" if isinstance(value, (int, float)) else str(value)


def table(rows: list[dict[str, Any]]) -> str:
    """Return rows that share their keys as aligned columns with a heading."""
    if not rows:
        return ""
    columns = list(rows[0])
    lines = [columns, *([str(row[column]) for column in columns] for row in rows)]
    widths = [max(len(line[place]) for line in lines) for place in range(len(columns))]
    padded = ("  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)) for line in lines)
    return "\n".join(line.rstrip() for line in padded)
