"""What people and machines are shown of recorded runs."""

import json
from typing import Any

from pipelines.runs import Run


def described(run: Run) -> dict[str, Any]:
    """Return all that is known of a run, as JSON values."""
    return {
        **run.summary(),
        "folder": str(run.folder),
        "pipeline": run.pipeline,
        "image": run.image,
        "parameters": run.parameters,
        "steps": [
            {
                "step": state.step,
                "status": state.status,
                "seconds": round(state.seconds, 1),
                "digest": str(state.outputs.get("Output", ""))[:12],
                "outputs": {name: str(state.output_path(name)) for name in state.outputs if state.output_path(name)},
                "log": str(run.log(state.step)),
            }
            for state in run.steps
        ],
        "pages": {state.step: str(run.page(state.step)) for state in run.steps if run.page(state.step).is_file()},
    }


def compared(run: Run, other: Run) -> list[dict[str, str]]:
    """Return one row for each parameter and score in which two runs differ."""
    rows = []
    for what, ours, theirs in (
        ("parameter", run.parameters, other.parameters),
        ("score", run.scores(), other.scores()),
    ):
        for name in sorted(set(ours) | set(theirs)):
            if ours.get(name) != theirs.get(name):
                row = {run.name: json.dumps(ours.get(name)), other.name: json.dumps(theirs.get(name))}
                rows.append({"what": what, "name": name, **row})
    return rows
