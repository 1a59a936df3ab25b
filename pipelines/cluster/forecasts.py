"""Which steps KFP will likely take from its cache, told from the records of the last run that succeeded."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import yaml

from components.contract.errors import StepError
from components.ingest_videos.addresses import shown
from pipelines.cluster.client import Api
from pipelines.cluster.recorded_steps import ClusterRun, NoRecordError
from pipelines.cluster.submission import Prepared, named
from pipelines.cluster.watching import SUCCEEDED, newest_runs
from pipelines.local_run import LOCAL_PARAMETERS

_CHANNEL = re.compile(r"\{\{\$\.inputs\.parameters\['(.+?)'\]\}\}")


@dataclass(frozen=True)
class Forecast:
    """What to expect of one step.

    Attributes:
        step: Its name.
        expected: hit, runs or unknown.
        why: A few words.
    """

    step: str
    expected: Literal["hit", "runs", "unknown"]
    why: str


def unknown_forecasts(prepared: Prepared, why: str) -> list[Forecast]:
    """Return a forecast that says nothing, but of the steps that are never cached."""
    tasks = _tasks(_spec_of(prepared))
    return [_never(name) if not _is_cached(task) else Forecast(_step(name), "unknown", why) for name, task in tasks]


def forecasts(connect: Callable[[], Api], prepared: Prepared, *, pipeline_root: str = "") -> list[Forecast]:
    """Return what to expect of each step, in the order in which they run; the cluster is only read.

    A step hits where its image, command and parameters are those of the last run and everything before it stays as it
    was: the cache's key holds exactly these (kubeflow/pipelines, backend/src/v2/cacheutils). Whether the source has
    something new, only its listing tells.

    Args:
        connect: Gives the API.
        prepared: What would be sent.
        pipeline_root: Where the last run left its artifacts, if the API does not tell.
    """
    try:
        last = _last_run(connect(), prepared, pipeline_root)
        if last is None:
            return unknown_forecasts(prepared, "no run has succeeded yet")
        return _Comparison(prepared, last).forecasts()
    except StepError as error:
        return unknown_forecasts(prepared, error.found)


def _last_run(api: Api, prepared: Prepared, pipeline_root: str) -> ClusterRun | None:
    pipeline = named(api, "pipelines", "pipelines", prepared.pipeline, namespace=api.namespace)
    for run in newest_runs(api):
        version = run.get("pipeline_version_reference", {})
        if pipeline and run.get("state") == SUCCEEDED and version.get("pipeline_id") == pipeline["pipeline_id"]:
            told = run.get("runtime_config", {}).get("pipeline_root")
            return ClusterRun(api, run, pipeline_root="" if told else pipeline_root)
    return None


class _Comparison:
    """What would be sent, beside the last run."""

    def __init__(self, prepared: Prepared, last: ClusterRun) -> None:
        self._last = last
        self._spec = _spec_of(prepared)
        self._values = _pipeline_values(self._spec, prepared.parameters)
        self._values_then = _pipeline_values(last.spec, last.run.get("runtime_config", {}).get("parameters", {}))
        self._steady: dict[str, bool] = {}

    def forecasts(self) -> list[Forecast]:
        return [self._forecast(name, task) for name, task in _tasks(self._spec)]

    def _forecast(self, name: str, task: Mapping[str, Any]) -> Forecast:
        fault = self._difference(name, task)
        unsteady = [each for each in task.get("dependentTasks", []) if not self._steady[each]]
        self._steady[name] = not fault and not unsteady
        if not _is_cached(task):
            return _never(name)
        step = _step(name)
        if fault:
            return Forecast(step, "unknown" if fault.startswith("there is no record") else "runs", fault)
        if unsteady:
            return Forecast(step, "unknown", f"it depends on what {', '.join(map(_step, unsteady))} will give")
        return Forecast(step, "hit", f"as in run {self._last.run['run_id'][:8]}, where the source has nothing new")

    def _difference(self, name: str, task: Mapping[str, Any]) -> str:
        """Return in what a step differs from the last run, or nothing."""
        step = _step(name)
        if _container(self._spec, name) != _container(self._last.spec, name):
            return "its image or command is another"
        try:
            record = self._last.step(step).record
        except NoRecordError:
            return "there is no record of it"
        if record["status"] != "succeeded":
            return f"there is no record of a success, but {record['status']}"
        for parameter, source in sorted(task.get("inputs", {}).get("parameters", {}).items()):
            if parameter not in LOCAL_PARAMETERS and self._changes(parameter, source, record["parameters"]):
                return f"{source.get('componentInputParameter', parameter)} is another"
        return ""

    def _changes(self, parameter: str, source: Mapping[str, Any], recorded: Mapping[str, Any]) -> bool:
        if "componentInputParameter" in source:
            name = source["componentInputParameter"]
            then = recorded.get(parameter, self._values_then.get(name))
            now = self._values.get(name)
            return bool(now != then and not (isinstance(now, str) and shown(now) == then))
        constant = source.get("runtimeValue", {}).get("constant")
        if constant is None or (isinstance(constant, str) and _CHANNEL.search(constant)):
            return False  # an output of an earlier step, or text made of parameters that are compared themselves
        return bool(recorded.get(parameter) != constant)


def _spec_of(prepared: Prepared) -> dict[str, Any]:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return dict(next(iter(yaml.load_all(prepared.text, Loader=loader))))


def _tasks(spec: Mapping[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Return the tasks, each after those it depends on."""
    waiting = dict(sorted(spec["root"]["dag"]["tasks"].items()))
    ordered: list[tuple[str, dict[str, Any]]] = []
    while waiting:
        done = {name for name, _ in ordered}
        ready = [name for name, task in waiting.items() if set(task.get("dependentTasks", [])) <= done]
        ordered += [(name, waiting.pop(name)) for name in ready]
    return ordered


def _pipeline_values(spec: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    parameters = spec["root"].get("inputDefinitions", {}).get("parameters", {})
    return {name: given.get(name, definition.get("defaultValue")) for name, definition in parameters.items()}


def _container(spec: Mapping[str, Any], task: str) -> str:
    container = spec["deploymentSpec"]["executors"].get(f"exec-{task}", {}).get("container", {})
    return json.dumps({name: container.get(name) for name in ("image", "command", "args")})


def _is_cached(task: Mapping[str, Any]) -> bool:
    return bool(task.get("cachingOptions", {}).get("enableCache"))


def _never(task: str) -> Forecast:
    return Forecast(_step(task), "runs", "it is never cached")


def _step(task: str) -> str:
    return task.replace("-", "_")
