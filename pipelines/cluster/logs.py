"""The log of a step of a cluster's run, from where it still is: its pod, an archive, or the pipeline root."""

from collections.abc import Mapping
from typing import Any

from components.contract.errors import StepError
from pipelines.cluster.client import Api
from pipelines.cluster.object_storage import list_files, read_bytes
from pipelines.cluster.recorded_steps import ClusterRun
from pipelines.cluster.watching import pods_hint

# The template of the pod that runs a step's code (kubeflow/pipelines, backend/src/v2/compiler/argocompiler).
_TEMPLATE = "system-container-impl"
_KEPT = "executor-logs"


def step_log(api: Api, run: ClusterRun, step: str) -> str:
    """Return the log of a step.

    The API is asked first, which reads from the pod and, where the cluster archives logs, from there; then the
    pipeline root, where clusters that publish logs keep them as an output `executor-logs`.

    Raises:
        ApiError: If the API refuses.
        StepError: If nothing has it any more, with the reason that the step's record gives where it failed.
    """
    for pod in pod_names(run.run, step):
        text = api.log(run.run["run_id"], pod)
        if text is not None:
            return text
    try:
        kept = _kept(run, step)
        reason = "" if kept else _recorded_error(run, step)
    except StepError as error:
        kept, reason = "", f" {error.found}"
    if kept:
        return kept
    raise StepError(
        f"The cluster has no log of {step} in run {run.run['run_id']}: the step has not started, or its pod is gone."
        f"{reason}",
        remedy=f"Look for its pod: {pods_hint(api, run.run['run_id'])}. KFP removes pods of ended runs after a day, "
        "and keeps logs only where its administrator lets it.",
    )


def pod_names(run: Mapping[str, Any], step: str) -> list[str]:
    """Return the names that a step's pod may have.

    A task's own `pod_name` stays empty (kubeflow/pipelines#14007); what it lists as its children are Argo's nodes,
    WORKFLOW-HASH, whose pods are WORKFLOW-TEMPLATE-HASH (names as in kubeflow/pipelines#10036).
    """
    tasks = run.get("run_details", {}).get("task_details", [])
    names: list[str] = []
    for task in tasks:
        if task.get("display_name") != step.replace("_", "-"):
            continue
        children = [child["pod_name"] for child in task.get("child_tasks", []) if child.get("pod_name")]
        names += [task["pod_name"]] if task.get("pod_name") else []
        names += ["-".join((*node.split("-")[:-1], _TEMPLATE, node.split("-")[-1])) for node in children]
        names += children  # what an archive knows it by
    return list(dict.fromkeys(names))


def _kept(run: ClusterRun, step: str) -> str:
    files = list_files(f"{run.folder}/{step.replace('_', '-')}")
    logs = [file for file in files if file.rpartition("/")[2].startswith(_KEPT)]  # a further try has its own: -2, -3
    return "".join(read_bytes(file).decode(errors="replace") for file in logs)


def _recorded_error(run: ClusterRun, step: str) -> str:
    error = run.step(step).record.get("error")
    return f" Its record says: {error['message']} {error['remedy'] or ''}".rstrip() if error else ""
