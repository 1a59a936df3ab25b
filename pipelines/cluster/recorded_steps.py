"""What the steps of a cluster's run left behind: their records, below the pipeline root.

KFP's driver puts an output at `<root>/<pipeline>/<run id>/<task>/<uuid>/<output>` (kubeflow/pipelines,
backend/src/v2: `provisionOutputs` in driver, `GenerateOutputURI` in metadata); older releases had no uuid there.
The API gives none of these addresses (kubeflow/pipelines#9858), so a step's record is found by listing.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from components.contract.errors import StepError
from components.contract.finished import SCHEMA_VERSION
from components.contract.step_record import RECORD_NAME, RECORD_OUTPUT
from pipelines.cluster.client import Api
from pipelines.cluster.object_storage import list_files, read_bytes
from pipelines.runs import EVALUATION_STEP

# Where a run's artifacts are when neither the run nor the cluster's ConfigMap kfp-launcher says otherwise
# (kubeflow/pipelines, backend/src/v2/config: defaultPipelineRoot).
DEFAULT_ROOT = "minio://mlpipeline/v2/artifacts"

_RECORD_END = f"/{RECORD_OUTPUT}/{RECORD_NAME}"
_KINDS: Mapping[str, type] = {
    "step": str,
    "status": str,
    "parameters": dict,
    "inputs": dict,
    "outputs": dict,
    "metrics": dict,
    "code_digest": str,
    "started_at": str,
}


_FOREIGN = "Something else wrote it; choose another run."


class NoRecordError(StepError):
    """A run has no record of a step, or none that can be found."""


class ForeignRecordError(StepError):
    """Where a step's record should be lies something else."""


@dataclass(frozen=True)
class RecordedStep:
    """A record and where it lies.

    Attributes:
        uri: Of its step.json.
        record: What it says.
    """

    uri: str
    record: dict[str, Any]

    @property
    def folder(self) -> str:
        """Address of the folder of the step's outputs."""
        return self.uri.removesuffix(_RECORD_END)


class ClusterRun:
    """One run of a cluster, with the addresses of what it left.

    Args:
        api: The API.
        run: As the API gives it.
        pipeline_root: Its root where the API does not tell, empty for KFP's default.
    """

    def __init__(self, api: Api, run: Mapping[str, Any], *, pipeline_root: str = "") -> None:
        self._api = api
        self.run = run
        self.root = pipeline_root or run.get("runtime_config", {}).get("pipeline_root") or DEFAULT_ROOT

    @cached_property
    def spec(self) -> dict[str, Any]:
        """The compiled pipeline that the run runs."""
        held = self.run.get("pipeline_spec") or version_of(self._api, self.run).get("pipeline_spec", {})
        spec = held.get("pipeline_spec", held)  # beside it may be the platform's
        if not isinstance(spec, dict) or "pipelineInfo" not in spec:
            raise NoRecordError(
                f"{self._api.host} does not tell which pipeline run {self.run['run_id']} runs.",
                remedy="Its version may be deleted; choose another run: `reelflow runs --host …` lists them.",
            )
        return spec

    @property
    def folder(self) -> str:
        """Address of the folder of its artifacts; what follows a `?` in the root is for the cluster's own client."""
        root = self.root.partition("?")[0].rstrip("/")
        return f"{root}/{self.spec['pipelineInfo']['name']}/{self.run['run_id']}"

    def image(self, step: str) -> str:
        """Return the image that a step ran in."""
        executors = self.spec.get("deploymentSpec", {}).get("executors", {})
        return str(executors.get(f"exec-{_task(step)}", {}).get("container", {}).get("image", ""))

    def step(self, name: str) -> RecordedStep:
        """Return the record of a step: of several the newest that succeeded, else the newest.

        A step that came from the cache left nothing in this run; its record is beside the outputs that a later step
        was given.

        Raises:
            NoRecordError: If there is none.
            StepError: If one is foreign, or the root cannot be read.
        """
        uris = _records_among(list_files(f"{self.folder}/{_task(name)}"))
        found = [read_record(uri, name) for uri in uris] or self._cached_elsewhere(name)
        if not found:
            raise NoRecordError(
                f"There is no record of {name} below {self.folder}.",
                remedy="The step never started, or died at once, or --pipeline-root is another: kubectl -n kubeflow "
                "get configmap kfp-launcher -o yaml tells the cluster's.",
            )
        return max(found, key=lambda each: (each.record["status"] == "succeeded", each.record["started_at"]))

    def scores(self) -> dict[str, Any]:
        """Return the metrics of the evaluation, or nothing where the run did not come so far."""
        try:
            return dict(self.step(EVALUATION_STEP).record["metrics"])
        except NoRecordError:
            return {}

    def _cached_elsewhere(self, name: str) -> list[RecordedStep]:
        folders = {
            entry["uri"].rpartition("/")[0]
            for uri in _records_among(list_files(self.folder))
            for entry in _parsed(uri).get("inputs", {}).values()
        }
        # the task's folder, or the uuid's in it
        theirs = sorted(folder for folder in folders if _task(name) in folder.split("/")[-2:])
        uris = [uri for folder in theirs for uri in _records_among(list_files(f"{folder}/{RECORD_OUTPUT}"))]
        return [read_record(uri, name) for uri in uris]


def version_of(api: Api, run: Mapping[str, Any]) -> dict[str, Any]:
    """Return the pipeline's version that a run names, or nothing where it names none."""
    named = run.get("pipeline_version_reference", {})
    if not named.get("pipeline_id") or not named.get("pipeline_version_id"):
        return {}
    return dict(api.get(f"pipelines/{named['pipeline_id']}/versions/{named['pipeline_version_id']}"))


def read_record(uri: str, step: str) -> RecordedStep:
    """Read a step's record.

    Raises:
        ForeignRecordError: If it is not the record of that step, in the form that this version writes.
    """
    record = {"outputs": {}, "metrics": {}, **_parsed(uri)}  # a step that died unheard wrote neither
    faults = [name for name, kind in _KINDS.items() if not isinstance(record.get(name), kind)]
    if record.get("schema_version") != SCHEMA_VERSION or record.get("step") != step or faults:
        raise ForeignRecordError(
            f"{uri} is no record of {step} that this version of Reelflow can read "
            f"(step {record.get('step')!r}, version {record.get('schema_version')!r}).",
            remedy="Use the version of Reelflow that the run was submitted with, or choose another run.",
        )
    return RecordedStep(uri=uri, record=record)


def _parsed(uri: str) -> dict[str, Any]:
    try:
        record = json.loads(read_bytes(uri))
    except ValueError as error:
        raise ForeignRecordError(f"{uri} is not JSON: {error}.", remedy=_FOREIGN) from error
    inputs = record.get("inputs", {}) if isinstance(record, dict) else None
    if not isinstance(inputs, dict) or not all(_is_artifact(entry) for entry in inputs.values()):
        raise ForeignRecordError(f"{uri} is no step record.", remedy=_FOREIGN)
    return dict(record)


def _is_artifact(entry: Any) -> bool:
    return isinstance(entry, dict) and isinstance(entry.get("uri"), str) and isinstance(entry.get("digest"), str | None)


def _records_among(uris: Iterable[str]) -> list[str]:
    return [uri for uri in uris if uri.endswith(_RECORD_END)]


def _task(step: str) -> str:
    return step.replace("_", "-")
