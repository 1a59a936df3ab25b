"""One step by hand: any step from its signature, or one step of a recorded run again."""

import contextlib
import importlib
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_type_hints

from components.contract.files import emptied
from components.contract.finished import MARKER_NAME
from components.contract.step_record import RECORD_NAME, RECORD_OUTPUT
from pipelines.light_kfp import import_light_kfp
from pipelines.parameters import Parameter, check, declared
from pipelines.runs import PAGE_OUTPUT, Run
from pipelines.workspace import WorkspaceError

LOG_NAME = "stderr.log"
_COMPONENTS = Path(__file__).resolve().parent.parent / "components"


@dataclass(frozen=True)
class Step:
    """A step as its signature declares it.

    Attributes:
        name: Its folder's name.
        meaning: First line of its docstring.
        parameters: By name.
        inputs: Artifact classes of its inputs, by name.
        outputs: Artifact classes of its outputs, by name.
        meanings: The sentence for every argument, by name.
        function: The plain function.
    """

    name: str
    meaning: str
    parameters: dict[str, Parameter]
    inputs: dict[str, Any]
    outputs: dict[str, Any]
    meanings: dict[str, str]
    function: Callable[..., Any]


def step_names() -> list[str]:
    """Return the names of all steps, without importing one."""
    return sorted(path.parent.name for path in _COMPONENTS.glob("*/component.py"))


def load_step(name: str) -> Step:
    """Import a step's component.py and read its signature.

    Raises:
        WorkspaceError: If there is no such step.
    """
    if name not in step_names():
        raise WorkspaceError(f"There is no step {name}; there are: {', '.join(step_names())}.")

    import_light_kfp()
    component = getattr(importlib.import_module(f"components.{name}.component"), name)
    import docstring_parser
    from google.protobuf import json_format

    (spec,) = json_format.MessageToDict(component.pipeline_spec)["components"].values()
    documented = docstring_parser.parse(component.python_func.__doc__)
    hints = get_type_hints(component.python_func, include_extras=True)
    artifacts = {key: hint for key, hint in hints.items() if hasattr(hint, "__metadata__")}
    written = {key for key, hint in artifacts.items() if hint.__metadata__[0].__name__ == "OutputAnnotation"}
    parameters = declared(spec.get("inputDefinitions", {}))
    return Step(
        name=name,
        meaning=documented.short_description or "",
        parameters={key: parameters[key] for key in hints if key in parameters},  # in the signature's order
        inputs={key: hint.__origin__ for key, hint in artifacts.items() if key not in written},
        outputs={key: hint.__origin__ for key, hint in artifacts.items() if key in written},
        meanings={entry.arg_name: " ".join((entry.description or "").split()) for entry in documented.params},
        function=component.python_func,
    )


def run_step(step: Step, *, inputs: Mapping[str, str], parameters: Mapping[str, Any], out: Path) -> dict[str, Any]:
    """Run a step in this process and return its record.

    A parameter `<input>_digest` that is not given is read from the input's finished marker.

    Args:
        step: The step.
        inputs: Path of every input artifact, by name.
        parameters: Values by name; what is not given has the signature's default.
        out: Folder for the outputs, one child each; what libraries say is in its stderr.log.

    Raises:
        ParameterError: If the parameters do not fit.
        StepError: If the step cannot do its work.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    digests = {
        f"{name}_digest": _digest_of(Path(path))
        for name, path in inputs.items()
        if f"{name}_digest" in step.parameters and f"{name}_digest" not in parameters
    }
    values = {parameter.name: parameter.default for parameter in step.parameters.values() if not parameter.required}
    values |= check(step.parameters, {**digests, **parameters})
    read = {name: step.inputs[name](name=name, uri=str(Path(path).absolute())) for name, path in inputs.items()}
    emptied(out)
    written = {name: kind(name=name, uri=str(out.absolute() / name)) for name, kind in step.outputs.items()}
    with _stderr_in(out / LOG_NAME):
        step.function(**read, **written, **values)
    if PAGE_OUTPUT in written:
        shutil.copyfile(out / PAGE_OUTPUT, out / f"{PAGE_OUTPUT}.html")  # a name that a browser opens
    return read_record(out)


def recorded_inputs(run: Run, name: str) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the record of a step of a run on this machine, and the paths of its inputs.

    Raises:
        WorkspaceError: If the run has no record of that step, or an input is gone.
    """
    recorded = run.record(name)
    if recorded is None:
        raise WorkspaceError(f"Run {run.name} has no record of {name}: the step never started, or died at once.")
    inputs = {key: entry["uri"] for key, entry in recorded["inputs"].items()}
    gone = [path for path in inputs.values() if not Path(path).exists()]
    if gone:
        raise WorkspaceError(f"Inputs of {name} are gone: {', '.join(gone)}. Resume or repeat the run to make them.")
    return recorded, inputs


def read_record(out: Path) -> dict[str, Any]:
    """Read the record of a step that ran into `out`."""
    record: dict[str, Any] = json.loads((out / RECORD_OUTPUT / RECORD_NAME).read_text())
    return record


@dataclass(frozen=True)
class Comparison:
    """One output of a repeated step beside the recorded one.

    Attributes:
        output: Its name.
        recorded: Digest in the record.
        repeated: Digest of the new one; empty where there is none.
    """

    output: str
    recorded: str
    repeated: str

    @property
    def same(self) -> bool:
        """Whether both have the same content."""
        return self.recorded == self.repeated


def compared_outputs(recorded: Mapping[str, Any], repeated: Mapping[str, Any]) -> list[Comparison]:
    """Return the outputs that have a digest in the record, each beside the repeated one."""
    return [
        Comparison(name, entry["digest"], repeated["outputs"].get(name, {}).get("digest") or "")
        for name, entry in sorted(recorded["outputs"].items())
        if entry["digest"] is not None
    ]


def _digest_of(folder: Path) -> str:
    marker = folder / MARKER_NAME
    return str(json.loads(marker.read_text())["digest"]) if marker.is_file() else ""


@contextlib.contextmanager
def _stderr_in(path: Path) -> Iterator[None]:
    """Send what libraries write to standard error, from C too, to a file while the block lasts."""
    sys.stderr.flush()
    kept = os.dup(2)
    try:
        with path.open("wb") as log:
            os.dup2(log.fileno(), 2)
        yield
    finally:
        sys.stderr.flush()
        os.dup2(kept, 2)
        os.close(kept)
