"""Recorded runs: one folder each, with `run.json`, logs, and the steps' outputs."""

import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from components.contract.files import write_json
from components.contract.step_record import RECORD_NAME, RECORD_OUTPUT
from pipelines.processes import is_alive, own
from pipelines.workspace import Workspace, WorkspaceError, new_name

RUN_NAME = "run.json"
STEPS_FOLDER = "steps"
LOGS_FOLDER = "logs"
EVALUATION_STEP = "evaluate_model"
PAGE_OUTPUT = "page"


@dataclass
class StepState:
    """What is known of one step of a run.

    Attributes:
        step: Its name, e.g. `extract_frames`.
        status: running, succeeded, cached, resumed or failed.
        seconds: How long it took in this run.
        arguments_digest: Of what it was given; a resumed run reuses the outputs only for the same.
        outputs: Its outputs as kfp.local's cache writes them.
        exit_code: Of its process, where it failed.
    """

    step: str
    status: str = "running"
    seconds: float = 0.0
    arguments_digest: str = ""
    outputs: dict[str, Any] = field(default_factory=dict)
    exit_code: int | None = None

    def output_path(self, name: str) -> Path | None:
        """Local path of an output artifact, if the step has one of that name."""
        output = self.outputs.get(name)
        return Path(output["uri"]) if isinstance(output, dict) and "uri" in output else None


@dataclass
class Run:
    """One run of the pipeline on this machine.

    Attributes:
        folder: Where it lies.
        pipeline: The pipeline's name.
        parameters: As given, checked.
        status: running, succeeded, failed or interrupted.
        started_at: Seconds since 1970.
        seconds: From the first step's start to the last one's end.
        pid: The process that runs or ran it, 0 before one does.
        pid_started: When that process started, as processes.started says it: another may have its number later.
        steps: In the order in which they ran.
        image: Name of the image whose containers ran them, or None where they were processes.
    """

    folder: Path
    pipeline: str
    parameters: dict[str, Any]
    status: str = "running"
    started_at: float = field(default_factory=time.time)
    seconds: float = 0.0
    pid: int = 0
    pid_started: str = ""
    steps: list[StepState] = field(default_factory=list)
    image: str | None = None

    @property
    def name(self) -> str:
        """The run's name, which is its folder's."""
        return self.folder.name

    def take(self) -> None:
        """Let this process be the one that runs it."""
        self.status = "running"
        self.pid, self.pid_started = own()
        self.save()

    def save(self) -> None:
        """Write `run.json`, all or nothing."""
        stored = asdict(self)
        del stored["folder"]
        write_json(self.folder / RUN_NAME, stored)

    def step(self, name: str) -> StepState:
        """Return the state of a step.

        Raises:
            WorkspaceError: If the run has no such step.
        """
        for state in self.steps:
            if state.step == name:
                return state
        known = ", ".join(state.step for state in self.steps) or "none"
        raise WorkspaceError(f"Run {self.name} has no step {name}; it has: {known}.")

    def log(self, step: str) -> Path:
        """The full log of a step."""
        return self.folder / LOGS_FOLDER / f"{step}.log"

    def page(self, step: str) -> Path:
        """Where a browser finds the page of a step, if it has one: KFP's artifact has a name without .html."""
        return self.folder / f"{step}.html"

    def record(self, step: str) -> dict[str, Any] | None:
        """The record (`step.json`) of a step, wherever it was written, or None where it left none."""
        state = self.step(step)
        folder = state.output_path(RECORD_OUTPUT) or self.folder / STEPS_FOLDER / step.replace("_", "-") / RECORD_OUTPUT
        path = folder / RECORD_NAME
        return json.loads(path.read_text()) if path.is_file() else None

    def scores(self) -> dict[str, Any]:
        """The metrics of the evaluation, or nothing where the run did not come so far."""
        evaluated = [state for state in self.steps if state.step == EVALUATION_STEP and state.outputs]
        record = self.record(EVALUATION_STEP) if evaluated else None
        return dict(record["metrics"]) if record else {}

    def seen_status(self) -> str:
        """The status, where a run whose process vanished without a word is `died`."""
        return "died" if self.status == "running" and not is_alive(self.pid, self.pid_started) else self.status

    def summary(self) -> dict[str, Any]:
        """What a list of runs shows of it."""
        return {
            "run": self.name,
            "status": self.seen_status(),
            "started_at": time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(self.started_at)),
            "seconds": round(self.seconds, 1),
            "cached_steps": sum(state.status in ("cached", "resumed") for state in self.steps),
            "scores": self.scores(),
        }


def new_run(workspace: Workspace, *, pipeline: str, parameters: Mapping[str, Any]) -> Run:
    """Make the folder of a new run and return the run."""
    folder = workspace.runs / new_name()
    (folder / LOGS_FOLDER).mkdir(parents=True)
    run = Run(folder=folder, pipeline=pipeline, parameters=dict(parameters))
    run.take()
    return run


def read_run(folder: Path) -> Run:
    """Read a recorded run.

    Raises:
        WorkspaceError: If its record cannot be read.
    """
    try:
        stored = json.loads((folder / RUN_NAME).read_text())
        stored["steps"] = [StepState(**state) for state in stored["steps"]]
        return Run(folder=folder, **stored)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise WorkspaceError(f"{folder} is not a run that this version can read ({error}).") from error


def all_runs(workspace: Workspace) -> list[Run]:
    """Return the recorded runs, the oldest first."""
    if not workspace.runs.is_dir():
        return []
    runs = (read_run(folder) for folder in workspace.runs.iterdir() if (folder / RUN_NAME).is_file())
    return sorted(runs, key=lambda run: (run.started_at, run.name))  # names begin with the second only


def find_run(workspace: Workspace, name: str) -> Run:
    """Return the run of that name; `latest`, or the beginning of a name that fits only one, will do.

    Raises:
        WorkspaceError: If none fits, or several.
    """
    names = [run.name for run in all_runs(workspace)]
    fitting = names[-1:] if name == "latest" else [each for each in names if each.startswith(name)]
    if name in fitting:
        fitting = [name]
    if len(fitting) != 1:
        found = f"{len(fitting)} runs begin with {name!r}" if fitting else f"there is no run {name!r}"
        raise WorkspaceError(f"In {workspace.runs} {found}. `reelflow runs` lists them.")
    return read_run(workspace.runs / fitting[0])
