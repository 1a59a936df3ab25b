"""The pipeline's parameters, taken from the steps' signatures: each default and each description is written once."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import docstring_parser
from kfp import dsl

Step = Callable[..., Any]


class Settings:
    """The values of the pipeline's parameters while the DAG is drawn: KFP channels, by name."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = dict(values)

    def of(self, step: Step) -> dict[str, Any]:
        """The parameters that a step takes from the pipeline."""
        return {name: self._values[name] for name in _parameters(step) if name in self._values}

    def beyond(self, step: Step) -> str:
        """All parameters but those of `step`, as one text that KFP fills in when the run starts."""
        ours = _parameters(step)
        return ", ".join(f"{name}={value}" for name, value in sorted(self._values.items()) if name not in ours)


def pipeline(*, name: str, steps: Sequence[Step], wired: Sequence[str]) -> Callable[[Callable[[Settings], None]], Any]:
    """Make a KFP pipeline of a function that draws the DAG.

    Every parameter of the steps becomes one of the pipeline's, with the step's default and description. Two steps that
    share a name share the parameter. What the DAG itself connects is left out: artifacts, names that end in `_digest`,
    and `wired`.

    Args:
        name: The pipeline's name in KFP.
        steps: The components whose parameters become the pipeline's, in the order people read them.
        wired: Further parameters that come from other steps.

    Raises:
        ValueError: If two steps disagree about the default of a name that they share.
    """
    shared: dict[str, inspect.Parameter] = {}
    meanings: dict[str, str] = {}
    for step in steps:
        for parameter in _parameters(step).values():
            if parameter.name.endswith("_digest") or parameter.name in wired:
                continue
            known = shared.setdefault(parameter.name, parameter)
            if known.default != parameter.default:
                raise ValueError(f"Two steps give {parameter.name} different defaults; rename one of the two.")
            meanings.setdefault(parameter.name, _meanings(step)[parameter.name])
    required_first = sorted(shared.values(), key=lambda parameter: parameter.default is not inspect.Parameter.empty)

    def decorate(draw: Callable[[Settings], None]) -> Any:
        def drawn(*values: Any) -> None:
            draw(Settings({parameter.name: value for parameter, value in zip(required_first, values, strict=True)}))

        drawn.__name__ = draw.__name__
        drawn.__signature__ = inspect.Signature(required_first)  # type: ignore[attr-defined] # what KFP reads
        lines = [f"    {parameter.name}: {meanings[parameter.name]}" for parameter in required_first]
        drawn.__doc__ = "\n".join([inspect.getdoc(draw) or "", "", "Args:", *lines])
        return dsl.pipeline(drawn, name=name)

    return decorate


def _parameters(step: Step) -> dict[str, inspect.Parameter]:
    function = getattr(step, "python_func", step)
    signature = inspect.signature(function)
    return {
        name: parameter.replace(kind=inspect.Parameter.POSITIONAL_OR_KEYWORD)
        for name, parameter in signature.parameters.items()
        if not hasattr(parameter.annotation, "__metadata__")  # Input[…] and Output[…] are artifacts
    }


def _meanings(step: Step) -> dict[str, str]:
    docstring = docstring_parser.parse(inspect.getdoc(getattr(step, "python_func", step)) or "")
    return {entry.arg_name: " ".join((entry.description or "").split()) for entry in docstring.params}
