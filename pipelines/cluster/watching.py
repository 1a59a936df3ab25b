"""Look at runs of a cluster: list them, find one, follow one step by step."""

import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from components.contract.errors import StepError
from pipelines.cluster.client import NOT_FOUND, Api, ApiError
from pipelines.console import Console
from pipelines.runs import StepState

SUCCEEDED = "SUCCEEDED"
FINISHED = frozenset({SUCCEEDED, "FAILED", "SKIPPED", "CANCELED"})
NEWEST = 100

_DRIVER = "-driver"
_ROOT = "root"
_MARKS = {"succeeded": "✓", "cached": "=", "failed": "✗", "canceled": "✗", "skipped": "-"}
_NOTES = {"cached": "nothing new"}
_RUN_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass(frozen=True)
class Watching:
    """How a run is followed.

    Attributes:
        every_s: Between two looks.
        outage_s: How long the API may be gone before the watch ends.
        hint_after_s: How long nothing may happen before a hint is given.
    """

    every_s: float = 5.0
    outage_s: float = 600.0
    hint_after_s: float = 600.0


@dataclass(frozen=True)
class Step:
    """One step of a cluster's run, as far as the API tells.

    Attributes:
        step: Its name.
        status: pending, running, succeeded, cached, failed, canceled or skipped.
        seconds: From its start to its end; 0 where it has not ended.
    """

    step: str
    status: str
    seconds: float

    @property
    def has_ended(self) -> bool:
        """Whether its status stays."""
        return self.status in _MARKS

    def line(self) -> str:
        """Return it as a line for people."""
        note = _NOTES.get(self.status, "" if self.status == "succeeded" else self.status)
        return f"{_MARKS.get(self.status, '…')} {self.step:<16} {self.seconds:6.0f} s  {note}".rstrip()


def steps_of(run: Mapping[str, Any]) -> list[Step]:
    """Return the steps that a run has come to, in the order in which they started.

    A real backend lists a node per driver, step and executor, the executors without a word about whose they are
    (recorded answers in opendatahub-io/odh-dashboard, mockPipelineRun). A step is what has a driver. It came from the
    cache where it took no time at all: no pod starts within a second. Where a run succeeded, so did each step, also
    where its last state never arrived (opendatahub-io/odh-dashboard#7169).
    """
    tasks = {task.get("display_name", ""): task for task in run.get("run_details", {}).get("task_details", [])}
    drivers = [name for name in tasks if name.endswith(_DRIVER) and name != f"{_ROOT}{_DRIVER}"]
    drivers.sort(key=lambda name: (tasks[name].get("start_time", ""), name))
    return [
        _step(name.removesuffix(_DRIVER), tasks.get(name.removesuffix(_DRIVER)), driver=tasks[name], run=run)
        for name in drivers
    ]


def described(api: Api, run: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is shown of a run, as JSON values."""
    return {
        **summary(run),
        "link": api.link(f"runs/details/{run['run_id']}"),
        "pipeline_version_id": run.get("pipeline_version_reference", {}).get("pipeline_version_id", ""),
        "parameters": run.get("runtime_config", {}).get("parameters", {}),
        "steps": [{"step": each.step, "status": each.status, "seconds": each.seconds} for each in steps_of(run)],
        "error": run.get("error", {}).get("message", ""),
    }


def summary(run: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a list of runs shows of one."""
    return {
        "run": run["run_id"],
        "name": run.get("display_name", ""),
        "status": run.get("state", "PENDING").lower(),
        "created_at": run.get("created_at", ""),
        "seconds": round(_seconds(run.get("created_at"), run.get("finished_at"))),
    }


def newest_runs(api: Api, at_most: int = NEWEST) -> list[dict[str, Any]]:
    """Return the newest runs, the newest first."""
    return list(islice(_runs(api), at_most))


def find_run(api: Api, name: str) -> dict[str, Any]:
    """Return a run by its id, the beginning of its id, its name, or `latest`.

    Raises:
        StepError: If none fits, or several.
    """
    if _RUN_ID.fullmatch(name):
        fitting = [name]
    elif name == "latest":
        fitting = [run["run_id"] for run in newest_runs(api, 1)]
    else:
        fitting = [
            run["run_id"]
            for run in newest_runs(api)
            if run["run_id"].startswith(name) or run.get("display_name") == name
        ]
    if len(fitting) != 1:
        found = f"{len(fitting)} runs fit {name!r}" if fitting else f"there is no run {name!r}"
        raise StepError(f"Of the newest {NEWEST} runs at {api.host}, {found}.", remedy=_LISTS)
    try:
        return dict(api.get(f"runs/{fitting[0]}"))
    except ApiError as error:
        if error.status != NOT_FOUND:
            raise
        raise StepError(f"There is no run {name} at {api.host}.", remedy=_LISTS) from error


def watch(api: Api, run_id: str, *, console: Console, watching: Watching) -> dict[str, Any]:
    """Follow a run to its end, one line per step, and return it.

    kfp.Client's own `wait_for_run_completion` never ends when a run is canceled (kfp 2.17.0).

    Raises:
        ApiError: If the API refuses, or stays away for longer than it may.
    """
    said: set[str] = set()
    seen: list[Step] = []
    changed_at = reached_at = time.monotonic()
    while True:
        try:
            run = api.get(f"runs/{run_id}")
        except ApiError as error:
            if not error.passing or time.monotonic() - reached_at > watching.outage_s:
                raise
            console.say(f"{error.found} The run goes on; asking again.")
            time.sleep(watching.every_s)
            continue
        reached_at = time.monotonic()
        steps = steps_of(run)
        for step in steps:
            if step.has_ended and step.step not in said:
                said.add(step.step)
                console.say(step.line())
            elif step.status == "running":
                console.started(StepState(step=step.step))
        if run.get("state") in FINISHED:
            return dict(run)
        if steps != seen:
            seen, changed_at = steps, reached_at
        elif reached_at - changed_at > watching.hint_after_s:
            changed_at = reached_at
            console.say(f"Nothing has happened for a while; a pod may be waiting for a node: {pods_hint(api, run_id)}")
        time.sleep(watching.every_s)


def retry_run(api: Api, run: Mapping[str, Any]) -> dict[str, Any]:
    """Let KFP go on with a failed or canceled run, and return it.

    Sent once and not again: a second request would find the run working.

    Raises:
        StepError: If the run neither failed nor was canceled.
    """
    if run.get("state") not in ("FAILED", "CANCELED"):
        raise StepError(
            f"Run {run['run_id']} is {run.get('state', 'PENDING').lower()}; only a failed or canceled one can go on.",
            remedy="`reelflow submit` starts another.",
        )
    api.create(f"runs/{run['run_id']}:retry")
    return dict(run)


def outcome(api: Api, run: Mapping[str, Any]) -> str:
    """Return how a finished run ended, as a person reads it, with what to look at where it did not end well."""
    shown = summary(run)
    text = f"Run {shown['run']}: {shown['status']} after {shown['seconds']} s"
    if run.get("state") == SUCCEEDED:
        return text
    message = run.get("error", {}).get("message")
    failed = ", ".join(step.step for step in steps_of(run) if step.status == "failed")
    lines = [text, *([f"Reason: {message}"] if message else []), *([f"Failed: {failed}"] if failed else [])]
    page = api.link(f"runs/details/{shown['run']}")
    return "\n".join([*lines, f"Pods:   {pods_hint(api, shown['run'])}", f"Page:   {page}"])


def pods_hint(api: Api, run_id: str) -> str:
    """Return the command that shows a run's pods: the API tells neither their names nor why one waits or failed.

    The task's `error` and `pod_name` stay empty (kubeflow/pipelines#14007).
    """
    return f"kubectl -n {api.namespace or 'kubeflow'} get pods -l pipeline/runid={run_id}"


_LISTS = "`reelflow runs --host …` lists them."


def _runs(api: Api) -> Iterator[dict[str, Any]]:
    return api.listed("runs", "runs", sort_by="created_at desc", namespace=api.namespace)


def _step(name: str, task: Mapping[str, Any] | None, *, driver: Mapping[str, Any], run: Mapping[str, Any]) -> Step:
    state = (task or {}).get("state", "")
    has_end = task is not None and _moment(task.get("end_time")) is not None
    seconds = _seconds(task.get("start_time"), task.get("end_time")) if task and has_end else 0.0
    if run.get("state") == SUCCEEDED and state not in FINISHED:
        state = SUCCEEDED
    elif driver.get("state") in FINISHED - {SUCCEEDED} and state not in FINISHED:
        state = driver["state"]
    is_cached = state == SUCCEEDED and has_end and seconds == 0
    status = "cached" if is_cached else (state or "PENDING").lower()
    return Step(step=name.replace("-", "_"), status=status, seconds=seconds)


def _moment(text: str | None) -> datetime | None:
    """Return a moment of the API, where it is one: what has not happened yet is in the year 1 or in 1970."""
    moment = datetime.fromisoformat(text) if text else None
    return moment if moment and moment.year > 1970 else None


def _seconds(start: str | None, end: str | None) -> float:
    """Return the time between two moments; to now, where the second is still to come and the first is not."""
    began, ended = _moment(start), _moment(end)
    return ((ended or datetime.now(UTC)) - began).total_seconds() if began else 0.0
