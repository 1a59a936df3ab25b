"""Run the compiled pipeline on this machine, resume a run, and say how it ended."""

import copy
import shutil
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import yaml

from components.contract.code_digest import step_code_digest
from components.contract.verdict import Verdict, read_verdict
from pipelines.console import Console
from pipelines.containers import Image, containers_for, find_image, remove_left_behind
from pipelines.light_kfp import import_light_kfp
from pipelines.parameters import COMPILED, check, declared, read_specs
from pipelines.runs import EVALUATION_STEP, PAGE_OUTPUT, Run, StepState, new_run
from pipelines.workspace import Workspace, WorkspaceError, refuse_python3

LOCAL_PARAMETERS = ("store_dir", "serving_dir")


class StepFailedError(Exception):
    """A step of a run failed.

    Args:
        run: The run.
        state: The step.
    """

    def __init__(self, run: Run, state: StepState) -> None:
        self.run, self.state = run, state
        record = run.record(state.step)
        error = (record or {}).get("error")
        if error is None:
            code = state.exit_code
            killed = code is not None and code < 0
            self.reason = (
                f"its process ended without a word ({f'signal {-code}' if killed and code else f'exit {code}'})"
            )
            self.remedy = "Memory may have run out; the log's last lines may tell more."
        else:
            self.reason = error["message"] if error["remedy"] else f"{error['type']}: {error['message']}"
            self.remedy = error["remedy"] or "This looks like a fault in the step's code; the log has the traceback."
        super().__init__(f"{state.step} failed: {self.reason}")


class RunInterruptedError(Exception):
    """The run was told to end.

    Args:
        run: The run.
        signal_number: The signal.
    """

    def __init__(self, run: Run, signal_number: int) -> None:
        super().__init__(f"signal {signal_number}")
        self.run, self.signal_number = run, signal_number


def local_parameters(workspace: Workspace, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters of a run on this machine: the given ones, and its folders where none are given."""
    return {"store_dir": str(workspace.store), "serving_dir": str(workspace.serving), **given}


def start(
    workspace: Workspace,
    given: Mapping[str, Any],
    *,
    console: Console,
    compiled: Path = COMPILED,
    use_cache: bool = True,
    image: str | None = None,
) -> Run:
    """Run the pipeline with these parameters.

    Args:
        workspace: Where the run, the store and the serving directory are.
        given: Parameters; what is missing has the pipeline's defaults.
        console: Where the lines go.
        compiled: The compiled pipeline.
        use_cache: Whether a step with nothing new may be left out.
        image: Name of the image whose containers run the steps, or None for processes of this environment.

    Raises:
        ParameterError: If the parameters do not fit.
        WorkspaceError: If a parameter cannot pass through kfp.local, or there is no such image.
        StepFailedError: If a step failed.
        RunInterruptedError: If SIGINT or SIGTERM ended the run.
    """
    specs = read_specs(compiled)
    parameters = check(declared(specs[0]["root"].get("inputDefinitions", {})), local_parameters(workspace, given))
    for name, value in parameters.items():
        refuse_python3(str(value), what=f"The parameter {name}")
    found = find_image(image) if image else None
    run = new_run(workspace, pipeline=specs[0]["pipelineInfo"]["name"], parameters=parameters)
    run.image = image
    return _execute(workspace, run, specs, console=console, use_cache=use_cache, image=found)


def resume(workspace: Workspace, run: Run, *, console: Console, compiled: Path = COMPILED) -> Run:
    """Go on with a run that failed or was interrupted: its finished steps are not run again.

    Raises:
        WorkspaceError: If the run is still running, or ended well, or its image is gone.
    """
    if run.seen_status() in ("running", "succeeded"):
        how = "still runs" if run.status == "running" else "ended well"
        raise WorkspaceError(f"Run {run.name} {how}: there is nothing to resume.")
    image = find_image(run.image) if run.image else None
    if image:
        remove_left_behind(run.name)
    run.take()
    return _execute(workspace, run, read_specs(compiled), console=console, use_cache=True, image=image)


def verdict_of(run: Run) -> Verdict | None:
    """Return the verdict of a run's evaluation, or None where it did not come so far."""
    for state in run.steps:
        folder = state.output_path("evaluation")
        if state.step == EVALUATION_STEP and folder is not None:
            return read_verdict(folder)
    return None


def _execute(
    workspace: Workspace,
    run: Run,
    specs: list[dict[str, Any]],
    *,
    console: Console,
    use_cache: bool,
    image: Image | None,
) -> Run:
    import_light_kfp()
    from pipelines.kfp_local import LocalRun

    console.say(f"Run {run.name} in {run.folder}" + (f", steps in {image.name}" if image else ""))
    if image and not image.is_of_this_code:
        console.say(f"{image.name} was built from other code than is here. `make images` builds it anew.")
    before_s = run.seconds
    started = time.monotonic()

    def ended(state: StepState) -> None:
        page = state.output_path(PAGE_OUTPUT)
        if page is not None:
            shutil.copyfile(page, run.page(state.step))
        console.ended(run, state)

    containers = containers_for(workspace, run.parameters, image) if image else None
    running = LocalRun(run, on_start=console.started, on_progress=console.progress, on_end=ended, containers=containers)
    cache_root = workspace.cache if use_cache else None
    try:
        with _signals_raise(run):
            running.execute(_for_this_machine(specs, image), cache_root=cache_root)
        run.status = "succeeded"
    except RunInterruptedError:
        run.status = "interrupted"
        raise
    except RuntimeError as error:
        run.status = "failed"
        failed = [state for state in run.steps if state.status == "failed"]
        if not failed:
            raise
        raise StepFailedError(run, failed[-1]) from error
    except BaseException:
        run.status = "failed"
        raise
    finally:
        run.seconds = before_s + time.monotonic() - started
        run.save()
    return run


def _for_this_machine(specs: list[dict[str, Any]], image: Image | None) -> str:
    """Return the compiled pipeline as kfp.local runs it: without what only a cluster heeds, images by what runs.

    The cache's key holds the image's name: the digest of the image, or, where no image runs, of the code. That name
    holds "python", since kfp.local warns of others. kfp.local would heed retries too, and wait between them; here a
    person sees the failure at once and resumes. Of resources it would warn at every step.
    """
    pipeline = copy.deepcopy(specs[0])  # without the platform spec, which is the second document
    for name, executor in pipeline["deploymentSpec"]["executors"].items():
        step = name.removeprefix("exec-").replace("-", "_")
        code = f"local-python/reelflow:{step_code_digest(step)[:32]}"
        executor["container"]["image"] = image.digest if image else code
        executor["container"].pop("resources", None)
    for task in pipeline["root"]["dag"]["tasks"].values():
        task.pop("retryPolicy", None)
    return yaml.safe_dump(pipeline, sort_keys=False)


@contextmanager
def _signals_raise(run: Run) -> Iterator[None]:
    def raise_interrupted(number: int, frame: FrameType | None) -> None:
        raise RunInterruptedError(run, number)

    before = {number: signal.signal(number, raise_interrupted) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
