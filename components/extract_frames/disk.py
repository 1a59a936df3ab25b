"""What a disk refuses, said to the person who can do something about it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from components.contract.errors import StepError


@contextmanager
def disk_faults_named(folder: Path) -> Iterator[None]:
    """Turn an OSError of the block, which writes to `folder`, into a StepError."""
    try:
        yield
    except OSError as error:
        raise StepError(
            f"{error.filename or folder} cannot be written ({error.strerror or error}).",
            remedy="Make room on the disk that holds it or choose a place on another, then resume the run.",
        ) from error
