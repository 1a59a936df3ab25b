"""The accepted record: what is known of a pushed version, beside the serving directory and not in it.

TF Serving loads any integer-named child of its base path, so what is not a model stands outside: the records of
`models/actions` are in `models/actions.accepted/<version>/`.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from components.contract.clips import ClipGeometry
from components.contract.code_digest import all_code_digest
from components.contract.errors import StepError
from components.contract.files import sha256_of_json, write_json
from components.contract.finished import Finished, finish, read_finished

KIND = "accepted"
RECORD_NAME = "accepted.json"
STATISTICS_FOLDER = "statistics"
BASELINE_KIND = "baseline"


@dataclass(frozen=True)
class Accepted:
    """One pushed version.

    Attributes:
        version: Its number in the serving directory.
        model: Name in the table of models.
        model_digest: Of the model.
        clips_digest: Of the clips that it was trained and judged on.
        statistics_digest: Of the statistics and schema that lie beside this record in `statistics/`.
        labels: Class names in the order of its outputs.
        geometry: Shape of the clips that it takes.
        preparation: How its frames are chosen and resized.
        verdict: The verdict that let it through, as JSON.
        run_fingerprint: Says which run produced it: data, parameters and code. See `run_fingerprint`.
        baseline_version: The version that it was compared with, or None.
        pushed_at: UTC, ISO 8601.
    """

    version: int
    model: str
    model_digest: str
    clips_digest: str
    statistics_digest: str
    labels: tuple[str, ...]
    geometry: ClipGeometry
    preparation: dict[str, Any]
    verdict: dict[str, Any]
    run_fingerprint: str
    baseline_version: int | None
    pushed_at: str


def accepted_root(serving_dir: str) -> Path:
    """Return the folder that holds the accepted records of a serving directory."""
    path = Path(serving_dir)
    return path.with_name(f"{path.name}.accepted")


def run_fingerprint(run_key: str) -> str:
    """Return what two runs share exactly when the second only repeats the first.

    Args:
        run_key: Digest of the videos and the values of all parameters that later steps see.
    """
    return sha256_of_json({"run_key": run_key, "code": all_code_digest()})


def finish_accepted(folder: Path, accepted: Accepted) -> Finished:
    """Write the record and mark its folder finished."""
    write_json(folder / RECORD_NAME, asdict(accepted))
    return finish(folder, kind=KIND, properties={"version": accepted.version})


def read_accepted(folder: Path) -> Accepted:
    """Read and verify the record of one version.

    Raises:
        StepError: If it is unfinished or damaged.
    """
    read_finished(folder, kind=KIND)
    try:
        stored = json.loads((folder / RECORD_NAME).read_text())
        stored["geometry"] = ClipGeometry(**stored["geometry"])
        stored["labels"] = tuple(stored["labels"])
        return Accepted(**stored)
    except (ValueError, KeyError, TypeError) as error:
        raise StepError(
            f"{folder} has no readable record ({error}).", remedy="Remove that version's record and push again."
        ) from error


@dataclass(frozen=True)
class Baseline:
    """What find_baseline found: the version to compare with, or nothing.

    The folder holds, when there is a version: `accepted.json` (its record), `statistics/` and `saved_model/`.

    Attributes:
        accepted: The record, or None where nothing was accepted before.
        folder: Where its statistics and SavedModel lie.
        digest: Content digest.
    """

    accepted: Accepted | None
    folder: Path
    digest: str


def finish_baseline(folder: Path, accepted: Accepted | None) -> Finished:
    """Write what was found into `folder`, beside the copied statistics and model, and mark it finished."""
    if accepted is not None:
        write_json(folder / RECORD_NAME, asdict(accepted))
    return finish(folder, kind=BASELINE_KIND, properties={"version": accepted.version if accepted else None})


def read_baseline(folder: Path, *, digest: str | None = None) -> Baseline:
    """Read and verify what find_baseline found."""
    finished = read_finished(folder, kind=BASELINE_KIND, digest=digest)
    if finished.properties["version"] is None:
        return Baseline(accepted=None, folder=folder, digest=finished.digest)
    stored = json.loads((folder / RECORD_NAME).read_text())
    stored["geometry"] = ClipGeometry(**stored["geometry"])
    stored["labels"] = tuple(stored["labels"])
    return Baseline(accepted=Accepted(**stored), folder=folder, digest=finished.digest)
