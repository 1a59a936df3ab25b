"""Which accepted version a run compares with, and the copy of it that later steps read."""

from dataclasses import dataclass
from pathlib import Path

from components.contract.accepted import (
    STATISTICS_FOLDER,
    Accepted,
    finish_baseline,
    run_fingerprint,
)
from components.contract.errors import StepError
from components.contract.files import emptied
from components.contract.model import SAVED_MODEL_NAME
from components.serving.directory import ServingDirectory


@dataclass(frozen=True)
class FoundBaseline:
    """What was found.

    Attributes:
        version: The version to compare with, or None.
        sentence: What a person reads.
        digest: Content digest of the folder.
        uri: Where that version is served from; empty without one.
    """

    version: int | None
    sentence: str
    digest: str
    uri: str = ""


def copy_baseline(serving_dir: str, *, run_key: str, folder: Path) -> FoundBaseline:
    """Copy the version to compare with into `folder` and mark it finished.

    Args:
        serving_dir: Folder, or gs:// address, that versions are served from.
        run_key: Says which run this is; see `run_fingerprint`.
        folder: Receives the record, the statistics and the SavedModel.
    """
    directory = ServingDirectory(serving_dir)
    accepted = _version_to_compare_with(directory, fingerprint=run_fingerprint(run_key))
    emptied(folder)
    if accepted is None:
        sentence = f"No accepted version to compare with in {directory.uri}."
        return FoundBaseline(version=None, sentence=sentence, digest=finish_baseline(folder, None).digest)
    version = str(accepted.version)
    directory.records.fetch(f"{version}/{STATISTICS_FOLDER}", folder / STATISTICS_FOLDER)
    directory.models.fetch(version, folder / SAVED_MODEL_NAME)
    digest = finish_baseline(folder, accepted).digest
    sentence = f"This run compares with version {version}."
    return FoundBaseline(accepted.version, sentence, digest, uri=f"{directory.uri}/{version}")


def _version_to_compare_with(directory: ServingDirectory, *, fingerprint: str) -> Accepted | None:
    served = directory.served(warn=print)
    if served is None or served.run_fingerprint != fingerprint:
        return served
    # This run repeats the one that pushed the served version. Comparing with what that one was compared with
    # keeps the inputs of validation and evaluation the same, so that both are cache hits.
    if served.baseline_version is None:
        return None
    return _earlier(directory, served.baseline_version) or served


def _earlier(directory: ServingDirectory, version: int) -> Accepted | None:
    if version not in directory.complete_versions():
        print(f"Version {version} cannot be compared with again: it is not served any more.")
        return None
    try:
        return directory.record(version)
    except StepError as error:
        print(f"Version {version} cannot be compared with again: {error}")
        return None
