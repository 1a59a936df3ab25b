"""The step record: `step.json`, what a step was given, what it left, and how it ended."""

import inspect
import json
import os
import platform
import resource
import signal
import time
import typing
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Any, Protocol

from components import __version__
from components.contract.code_digest import step_code_digest
from components.contract.errors import StepError
from components.contract.files import write_json
from components.contract.finished import MARKER_NAME, SCHEMA_VERSION

RECORD_NAME = "step.json"
RECORD_OUTPUT = "record"


class Artifact(Protocol):
    """What the record needs to know of a KFP artifact."""

    uri: str
    path: str


class MetricsArtifact(Protocol):
    """A KFP Metrics artifact."""

    path: str

    def log_metric(self, metric: str, value: float) -> None:
        """Log one number under a name."""


class Terminated(BaseException):
    """The step was told to end (SIGTERM)."""


class StepRecord:
    """Collects what a running step wants recorded."""

    def __init__(self) -> None:
        self.metrics: dict[str, float] = {}

    def log_metrics(self, artifact: MetricsArtifact, metrics: Mapping[str, float]) -> None:
        """Log numbers for the KFP UI and for the record.

        The file at the artifact's path makes the output real: kfp.local counts a cached step whose outputs
        are not on disk as a miss.
        """
        for name, value in metrics.items():
            artifact.log_metric(name, value)
        self.metrics.update(metrics)
        write_json(Path(artifact.path), dict(metrics))


@contextmanager
def step_record(step: Callable[..., Any], arguments: Mapping[str, Any]) -> Iterator[StepRecord]:
    """Write the step's record when the block ends, well or not.

    Args:
        step: The step's function; its signature tells inputs, outputs and parameters apart.
        arguments: The function's `locals()` at its first line.
    """
    function = getattr(step, "python_func", step)
    signature = inspect.signature(function).parameters
    hints = typing.get_type_hints(function, include_extras=True)
    outputs = {name for name in signature if _is_output(hints[name])}
    artifacts: dict[str, Artifact] = {name: arguments[name] for name in signature if hasattr(arguments[name], "uri")}
    started = time.time()
    recorded: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "step": function.__name__,
        "status": "running",
        "parameters": {name: arguments[name] for name in signature if name not in artifacts},
        "inputs": {name: _described(value) for name, value in artifacts.items() if name not in outputs},
        "code_digest": step_code_digest(function.__name__),
        "image": os.environ.get("REELFLOW_IMAGE"),
        "reelflow": __version__,
        "python": platform.python_version(),
        "started_at": _utc(started),
    }
    record = StepRecord()
    path = Path(artifacts[RECORD_OUTPUT].path) / RECORD_NAME
    write_json(path, recorded)
    before = signal.signal(signal.SIGTERM, _terminate)
    try:
        yield record
        recorded["status"] = "succeeded"
    except BaseException as error:
        recorded["status"] = "failed"
        recorded["error"] = _explained(error)
        raise
    finally:
        signal.signal(signal.SIGTERM, before)
        recorded["outputs"] = {name: _described(artifacts[name]) for name in sorted(outputs) if name != RECORD_OUTPUT}
        recorded["metrics"] = record.metrics
        recorded["finished_at"] = _utc(time.time())
        recorded["seconds"] = round(time.time() - started, 3)
        recorded["peak_memory_bytes"] = 1024 * sum(
            resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
        )
        write_json(path, recorded)


def _is_output(hint: Any) -> bool:
    # Output[T] is Annotated[T, OutputAnnotation]; by name, since only component.py knows KFP.
    return any(getattr(mark, "__name__", "") == "OutputAnnotation" for mark in getattr(hint, "__metadata__", ()))


def _described(artifact: Artifact) -> dict[str, Any]:
    marker = Path(artifact.path) / MARKER_NAME
    digest = json.loads(marker.read_text())["digest"] if marker.is_file() else None
    return {"uri": artifact.uri, "digest": digest}


def _explained(error: BaseException) -> dict[str, Any]:
    if isinstance(error, StepError):
        return {"type": "StepError", "message": error.found, "remedy": error.remedy}
    if isinstance(error, (Terminated, KeyboardInterrupt)):
        return {"type": "Terminated", "message": "The step was told to end.", "remedy": "Resume the run."}
    return {"type": type(error).__name__, "message": str(error), "remedy": None}


def _terminate(number: int, frame: FrameType | None) -> None:
    raise Terminated


def _utc(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
