"""What a disk refuses, said to the person who can do something about it."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from components.contract.errors import StepError


@contextmanager
def disk_faults_named(folder: Path) -> Iterator[None]:
    """Turn an OSError of the block into a StepError that names the folder that is written to."""
    try:
        yield
    except OSError as error:
        free_bytes = shutil.disk_usage(folder if folder.exists() else folder.parent).free
        where = error.filename or folder
        raise StepError(
            f"{where} cannot be written ({error.strerror or error}); {free_bytes:,} bytes are free there.",
            remedy="Make room on that disk or let the step write to another, then resume the run.",
        ) from error
