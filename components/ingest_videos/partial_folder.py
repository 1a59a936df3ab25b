"""A folder for what is half written, which a killed process leaves and the next one removes."""

import fcntl
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

_LOCK_NAME = "lock"


@contextmanager
def own_folder(partial: Path) -> Iterator[Path]:
    """Make a locked folder below `partial`, remove those that nobody holds the lock of, remove it at the end."""
    with ExitStack() as stack:
        with (partial / _LOCK_NAME).open("w") as gate:  # nobody may clear away a folder that is not locked yet
            fcntl.flock(gate, fcntl.LOCK_EX)
            _remove_abandoned(partial)
            folder = Path(tempfile.mkdtemp(dir=partial))
            lock = stack.enter_context((folder / _LOCK_NAME).open("w"))
            fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _remove_abandoned(partial: Path) -> None:
    for folder in sorted(path for path in partial.iterdir() if path.is_dir()):
        try:
            with (folder / _LOCK_NAME).open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
        except OSError:
            continue  # its owner lives, or removed it just now
