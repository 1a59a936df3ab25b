"""A step's process that does not outlive the run: `python step_process.py PARENT COMMAND…` runs the command.

It leads the process group that it is started in. When the process PARENT is gone, even by SIGKILL, the kernel tells
this one, which kills the whole group: the command is a shell, and what a shell has started does not end with it.
"""

import ctypes
import os
import signal
import subprocess
import sys

_PARENT_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG in prctl(2)


def main(parent: int, command: list[str]) -> int:
    """Run the command and return its exit code, negative for a signal."""
    signal.signal(signal.SIGUSR1, lambda *_: os.killpg(0, signal.SIGKILL))
    # the group's SIGTERM is for the command; a handler, since a command inherits what is ignored
    signal.signal(signal.SIGTERM, lambda *_: None)
    ctypes.CDLL(None, use_errno=True).prctl(_PARENT_DEATH_SIGNAL, signal.SIGUSR1)
    if os.getppid() != parent:  # it was gone before the kernel was asked
        return -signal.SIGKILL
    return subprocess.call(command)


if __name__ == "__main__":
    code = main(int(sys.argv[1]), sys.argv[2:])
    if code < 0:
        signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    sys.exit(code)
