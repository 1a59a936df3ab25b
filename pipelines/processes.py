"""Which process a recorded number means: numbers come again, a number and its start do not."""

import os
from functools import cache
from pathlib import Path

_START_FIELD = 19  # of /proc/PID/stat behind the name in brackets, which may hold blanks: field 22 in proc(5)


def started(pid: int) -> str:
    """Return when a process of this machine started (the boot, and clock ticks since), or "" where there is none."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""
    return f"{_boot()}-{text.rpartition(')')[2].split()[_START_FIELD]}"


def is_alive(pid: int, start: str) -> bool:
    """Whether the process with this number and this start runs; where no start was recorded, the number decides."""
    now = started(pid)
    return now != "" and start in ("", now)


def own() -> tuple[int, str]:
    """Return number and start of this process."""
    pid = os.getpid()
    return pid, started(pid)


@cache
def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
