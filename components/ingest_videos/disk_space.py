"""Whether the disk holds what is about to be fetched."""

import shutil
from pathlib import Path

from components.contract.errors import StepError

_MARGIN_BYTES = 64 << 20  # for the manifest, the journal, and who else writes


def check_space(folder: Path, n_bytes: int) -> None:
    """Refuse to begin what the disk cannot hold.

    Args:
        folder: Where it goes; it need not exist yet.
        n_bytes: How much comes.

    Raises:
        StepError: If fewer bytes are free, with a margin.
    """
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(existing).free
    if n_bytes + _MARGIN_BYTES > free:
        raise StepError(
            f"{n_bytes / 1e9:.2f} GB are to be fetched, and the disk of {folder} has {free / 1e9:.2f} GB free.",
            remedy="Free space on it, give another store, or take fewer videos.",
        )
