"""kfp.local 2.17.0, made to fit: keys by digest, one log per step, signals that reach the step, resumed runs.

kfp.local offers no hooks for these, so a handful of its functions are replaced while a run lasts; each replacement
says which function it stands for and why. All that depends on kfp.local's inside is in this file.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TextIO
from unittest.mock import patch

from kfp import components as kfp_components
from kfp import local
from kfp.local import cache, executor_input_utils, status, subprocess_task_handler, task_dispatcher
from kfp.local.orchestrator import orchestrator_utils, task_executor

from components.contract.files import sha256_of_json
from components.contract.progress import PREFIX
from pipelines import step_process
from pipelines.containers import RUN_LABEL, STEP_LABEL, Containers, run_container
from pipelines.runs import STEPS_FOLDER, Run, StepState

_PACKAGES = Path(__file__).resolve().parent.parent
_STEP_PROCESS = Path(step_process.__file__)
_KILL_AFTER_S = 10.0

# What keeps the libraries of a step quiet, and its imports from the checkout that runs.
STEP_ENVIRONMENT = {
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "PYTHONUNBUFFERED": "1",
    "PYTHONWARNINGS": "ignore::FutureWarning:google.api_core._python_version_support",
}


class LocalRun:
    """Runs a compiled pipeline and keeps the run's record up to date.

    Args:
        run: The run; its steps are those of an earlier try where it is resumed.
        on_start: Called with a step's state when it starts.
        on_progress: Called with a step's state and the text of a progress line.
        on_end: Called with a step's state when it ended, well or not.
        containers: How its steps are put into containers, or None where each is a process.
    """

    def __init__(
        self,
        run: Run,
        *,
        on_start: Callable[[StepState], None],
        on_progress: Callable[[StepState, str], None],
        on_end: Callable[[StepState], None],
        containers: Containers | None = None,
    ) -> None:
        self.run = run
        self._containers = containers
        self._on_start, self._on_progress, self._on_end = on_start, on_progress, on_end
        self._earlier = {state.step: state for state in run.steps if state.outputs}
        self._state = StepState(step="")
        self._ran = False

    def execute(self, compiled: str, *, cache_root: Path | None) -> None:
        """Run the pipeline of a compiled YAML text.

        Args:
            compiled: The YAML.
            cache_root: Folder of the cache, or None to run every step.

        Raises:
            RuntimeError: If a step failed.
        """
        local.init(
            local.DockerRunner() if self._containers else local.SubprocessRunner(use_venv=False),
            pipeline_root=str(self.run.folder),
            enable_caching=cache_root is not None,
            cache_root=str(cache_root) if cache_root else None,
        )
        run_single = task_executor.execute_single_task
        with (
            (self.run.folder / "logs" / "kfp.log").open("a") as log,
            contextlib.redirect_stdout(log),
            contextlib.redirect_stderr(log),
            # steps of a run lie in <run>/steps, without a second name with a time in it
            patch.object(executor_input_utils, "get_local_pipeline_resource_name", lambda _: STEPS_FOLDER),
            patch.object(cache.LocalCache, "compute_key", _key_by_digest),
            patch.object(subprocess_task_handler, "run_local_subprocess", self._run_process),
            # absent where docker's Python package is; then no run asks for containers
            patch.object(task_dispatcher.docker_task_handler, "run_docker_container", self._run_container)
            if self._containers
            else contextlib.nullcontext(),
            patch.object(task_executor, "execute_single_task", lambda **task: self._run_task(run_single, task)),
        ):
            kfp_components.load_component_from_text(compiled)(**self.run.parameters)

    def _run_task(self, run_single: Callable[..., Any], task: Mapping[str, Any]) -> Any:
        """Stands around `execute_single_task`, to know when a step starts, ends, or need not run."""
        step = str(task["task_name"]).replace("-", "_")
        state = self._state = StepState(step=step, arguments_digest=_arguments_digest(task))
        # what an earlier try finished stays on record until this one comes to it
        self.run.steps = [*(other for other in self.run.steps if other.step != step), state]
        self.run.save()
        earlier = self._earlier.get(step)
        if earlier is not None and earlier.arguments_digest == state.arguments_digest:
            with contextlib.suppress(cache._MissingArtifactError):
                outputs = cache.LocalCache._deserialize_outputs(earlier.outputs)
                state.outputs = earlier.outputs
                self._end("resumed")
                return outputs, status.Status.SUCCESS
        self._ran = False
        started = time.monotonic()
        try:
            outputs, task_status = run_single(**task)
        except BaseException:
            state.seconds = time.monotonic() - started
            self._end("failed")
            raise
        state.seconds = time.monotonic() - started
        if task_status is status.Status.SUCCESS:
            state.outputs = cache.LocalCache._serialize_outputs(outputs)
            self._end("succeeded" if self._ran else "cached")
        else:
            self._end("failed")
        return outputs, task_status

    def _end(self, how: str) -> None:
        self._state.status = how
        self.run.save()
        self._on_end(self._state)

    def _run_process(self, full_command: list[str], env_vars: Mapping[str, str] | None = None) -> int:
        """Stands for `run_local_subprocess`: the output goes to the step's log, and no signal leaves an orphan."""
        state = self._state
        self._ran = True
        self._on_start(state)
        environment = {**os.environ, **STEP_ENVIRONMENT, **(env_vars or {})}
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, [str(_PACKAGES), os.environ.get("PYTHONPATH")]))
        # kfp has put this interpreter in place of python3 in its command; PATH serves what the step itself starts
        environment["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
        with (
            self.run.log(state.step).open("a") as log,
            subprocess.Popen(
                [sys.executable, "-ES", str(_STEP_PROCESS), str(os.getpid()), *full_command],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                env=environment,
                start_new_session=True,
            ) as process,
            _ended_with_us(process),
        ):
            assert process.stdout is not None
            for line in process.stdout:
                self._follow(log, line)
        state.exit_code = process.returncode
        return process.returncode

    def _run_container(
        self,
        client: Any,
        image: str,
        command: list[str],
        volumes: Mapping[str, Mapping[str, str]],
        environment: Mapping[str, str] | None = None,
    ) -> int:
        """Stands for `run_docker_container`: as `_run_process`, and a container's exit code is never lost."""
        assert self._containers is not None
        state = self._state
        self._ran = True
        self._on_start(state)
        with self.run.log(state.step).open("a") as log:
            state.exit_code = run_container(
                client,
                containers=self._containers,
                command=command,
                volumes=volumes,
                environment=environment or {},
                labels={RUN_LABEL: self.run.name, STEP_LABEL: state.step},
                on_line=lambda line: self._follow(log, line),
            )
        return state.exit_code

    def _follow(self, log: TextIO, line: str) -> None:
        """Keep a line of a step's output, and show it if it tells of progress."""
        log.write(line)
        log.flush()
        if line.startswith(PREFIX):
            self._on_progress(self._state, line.removeprefix(PREFIX).rstrip())


@contextlib.contextmanager
def _ended_with_us(process: "subprocess.Popen[str]") -> Iterator[None]:
    """End the whole process group of a step when the block is left by a signal."""
    try:
        yield
        process.wait()
    except BaseException:
        _signal_group(process, signal.SIGTERM)
        try:
            process.wait(timeout=_KILL_AFTER_S)
        except subprocess.TimeoutExpired:
            _signal_group(process, signal.SIGKILL)
        raise


def _signal_group(process: "subprocess.Popen[str]", number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, number)


def _key_by_digest(
    self: cache.LocalCache,
    component_name: str,
    image: str,
    full_command: list[str],
    arguments: Mapping[str, Any],
    env_vars: Mapping[str, str] | None = None,
    custom_cache_key: str | None = None,
) -> str:
    """Stands for `LocalCache.compute_key`: an artifact counts by its digest and not by where it lies."""
    return sha256_of_json(
        {
            "component": component_name,
            "image": image,
            "command": full_command,
            "arguments": _by_digest(self._serialize_value_for_key(dict(arguments))),
            "environment": dict(env_vars or {}),
            "key": custom_cache_key,
        }
    )


def _by_digest(arguments: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in arguments.items() if f"{name}_digest" not in arguments}


def _arguments_digest(task: Mapping[str, Any]) -> str:
    component = task["components"][task["task_spec"].component_ref.name]
    container = task["executors"][component.executor_label].container
    arguments = orchestrator_utils.OrchestratorUtils.make_task_arguments(task["task_spec"].inputs, task["io_store"])
    serialized = _by_digest(cache.LocalCache._serialize_value_for_key(arguments))
    return sha256_of_json({"image": container.image, "arguments": serialized})
