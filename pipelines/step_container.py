"""One step in a container of the steps' image, as `reelflow step` runs it there."""

import contextlib
import json
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from components.contract.errors import StepError
from pipelines.containers import STEP_LABEL, containers_for, find_image, run_container
from pipelines.local_run import local_parameters
from pipelines.single_step import read_record
from pipelines.workspace import Workspace

_LAST_LINES = 20


def run_step_in_container(
    step: str,
    *,
    inputs: Mapping[str, str],
    parameters: Mapping[str, Any],
    out: Path,
    image: str,
    workspace: Workspace,
) -> dict[str, Any]:
    """Run a step in a container and return its record.

    Args:
        step: Its name.
        inputs: Path of every input artifact, by name.
        parameters: Values by name, checked.
        out: Folder for the outputs, below the workspace, which the container sees at the same path.
        image: Name of the image, which this machine's Docker has.
        workspace: What the container may write to.

    Raises:
        WorkspaceError: If there is no such image, or Docker cannot start it.
        StepError: If the step failed.
    """
    import docker

    found = find_image(image)
    seen = {**inputs, **local_parameters(workspace, {name: value for name, value in parameters.items() if value})}
    last_lines: deque[str] = deque(maxlen=_LAST_LINES)
    with contextlib.closing(docker.from_env()) as client:
        code = run_container(
            client,
            containers=containers_for(workspace, seen, found),
            command=["python3", "-m", "pipelines.cli", "step", step, *_options(inputs, parameters), f"--out={out}"],
            volumes={str(workspace.root): {"bind": str(workspace.root), "mode": "rw"}},
            environment={},
            labels={STEP_LABEL: step},
            on_line=last_lines.append,
        )
    if code:
        raise _failure(step, out, "".join(last_lines), code)
    return read_record(out)


def _options(inputs: Mapping[str, str], parameters: Mapping[str, Any]) -> list[str]:
    texts = {name: value if isinstance(value, str) else json.dumps(value) for name, value in parameters.items()}
    return [f"--{name.replace('_', '-')}={text}" for name, text in {**inputs, **texts}.items()]


def _failure(step: str, out: Path, last_lines: str, code: int) -> StepError:
    try:
        error = read_record(out)["error"]
    except (OSError, ValueError, KeyError):
        return StepError(
            f"{step} ended with {code} in its container:\n{last_lines}", remedy="Its last lines tell more."
        )
    return StepError(error["message"], remedy=error["remedy"] or f"The log is in {out}.")
