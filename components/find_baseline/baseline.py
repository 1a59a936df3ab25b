"""Which accepted version a run compares with, and the copy of it that later steps read."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from components.contract.accepted import (
    STATISTICS_FOLDER,
    Accepted,
    accepted_root,
    finish_baseline,
    is_served,
    newest_accepted,
    read_accepted,
    run_fingerprint,
    serving_folder,
)
from components.contract.errors import StepError
from components.contract.files import emptied
from components.contract.model import SAVED_MODEL_NAME


@dataclass(frozen=True)
class FoundBaseline:
    """What was found.

    Attributes:
        version: The version to compare with, or None.
        sentence: What a person reads.
        digest: Content digest of the folder.
    """

    version: int | None
    sentence: str
    digest: str


def copy_baseline(serving_dir: str, *, run_key: str, folder: Path) -> FoundBaseline:
    """Copy the version to compare with into `folder` and mark it finished.

    Args:
        serving_dir: Folder that versions are served from.
        run_key: Says which run this is; see `run_fingerprint`.
        folder: Receives the record, the statistics and the SavedModel.
    """
    serving = serving_folder(serving_dir)
    accepted = _version_to_compare_with(serving_dir, fingerprint=run_fingerprint(run_key))
    emptied(folder)
    if accepted is not None:
        version = str(accepted.version)
        shutil.copytree(accepted_root(serving_dir) / version / STATISTICS_FOLDER, folder / STATISTICS_FOLDER)
        shutil.copytree(serving / version, folder / SAVED_MODEL_NAME)
    digest = finish_baseline(folder, accepted).digest
    if accepted is None:
        return FoundBaseline(version=None, sentence=f"No accepted version to compare with in {serving}.", digest=digest)
    return FoundBaseline(
        version=accepted.version, sentence=f"This run compares with version {accepted.version}.", digest=digest
    )


def _version_to_compare_with(serving_dir: str, *, fingerprint: str) -> Accepted | None:
    newest = newest_accepted(serving_dir, warn=print)
    if newest is None or newest.run_fingerprint != fingerprint:
        return newest
    # This run repeats the one that pushed the newest version. Comparing with what that one was compared with
    # keeps the inputs of validation and evaluation the same, so that both are cache hits.
    if newest.baseline_version is None:
        return None
    return _earlier(serving_dir, newest.baseline_version) or newest


def _earlier(serving_dir: str, version: int) -> Accepted | None:
    try:
        record = read_accepted(accepted_root(serving_dir) / str(version))
    except StepError as error:
        print(f"Version {version} cannot be compared with again: {error}")
        return None
    return record if is_served(serving_dir, version) else None
