"""A pipeline's parameters: what the compiled file declares, and whether given values fit."""

import difflib
import graphlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

COMPILED = Path(__file__).with_name("video_classification.yaml")

# KFP's parameter types: what people call them, and what a JSON or YAML value must be.
_KINDS: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "STRING": ("text", lambda value: isinstance(value, str)),
    "NUMBER_INTEGER": ("whole number", lambda value: isinstance(value, int) and not isinstance(value, bool)),
    "NUMBER_DOUBLE": ("number", lambda value: isinstance(value, (int, float)) and not isinstance(value, bool)),
    "BOOLEAN": ("true or false", lambda value: isinstance(value, bool)),
    "LIST": ("list", lambda value: isinstance(value, list)),
    "STRUCT": ("mapping", lambda value: isinstance(value, dict)),
}


class ParameterError(Exception):
    """A parameter is unknown, missing, or of the wrong type."""


@dataclass(frozen=True)
class Parameter:
    """One parameter of a pipeline or a step, as its compiled file declares it.

    Attributes:
        name: Its name.
        kind: KFP's type: STRING, NUMBER_INTEGER, NUMBER_DOUBLE, BOOLEAN, LIST or STRUCT.
        required: Whether a value must be given.
        default: The value when none is given.
        meaning: The sentence that people see.
    """

    name: str
    kind: str
    required: bool
    default: Any
    meaning: str

    @property
    def type_name(self) -> str:
        """The type in plain words."""
        return _KINDS[self.kind][0]


def read_specs(compiled: Path = COMPILED) -> list[dict[str, Any]]:
    """Read the documents of a compiled pipeline: the pipeline spec and, where there is one, the platform spec."""
    return list(yaml.load_all(compiled.read_text(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)))


def declared(input_definitions: Mapping[str, Any]) -> dict[str, Parameter]:
    """Return the parameters that a compiled pipeline or component declares, by name, the required ones first."""
    parameters = [
        Parameter(
            name=name,
            kind=definition["parameterType"],
            required=not (definition.get("isOptional") or "defaultValue" in definition),
            default=_as_kind(definition["parameterType"], definition.get("defaultValue")),
            meaning=definition.get("description", ""),
        )
        for name, definition in input_definitions.get("parameters", {}).items()
    ]
    return {parameter.name: parameter for parameter in sorted(parameters, key=lambda each: not each.required)}


def pipeline_parameters(compiled: Path = COMPILED) -> dict[str, Parameter]:
    """Return the parameters of a compiled pipeline, by name."""
    return declared(read_specs(compiled)[0]["root"].get("inputDefinitions", {}))


def by_step(compiled: Path = COMPILED) -> dict[str, list[Parameter]]:
    """Return the parameters of a compiled pipeline under the first step that takes them, in the order steps run."""
    spec = read_specs(compiled)[0]
    tasks = spec["root"]["dag"]["tasks"]
    order = graphlib.TopologicalSorter({name: sorted(task.get("dependentTasks", [])) for name, task in tasks.items()})
    left, found = declared(spec["root"].get("inputDefinitions", {})), {}
    for name in order.static_order():
        component = spec["components"][tasks[name]["componentRef"]["name"]]
        taken = [left.pop(each) for each in list(left) if each in component["inputDefinitions"].get("parameters", {})]
        found[name.replace("-", "_")] = taken
    return found


def check(parameters: Mapping[str, Parameter], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the given values, checked, each number of the kind that KFP wants.

    Raises:
        ParameterError: Naming every unknown, missing or ill-typed parameter, each with the remedy.
    """
    faults = [_unknown(name, parameters) for name in given if name not in parameters]
    faults += [
        f"{parameter.name} is missing: {parameter.meaning}"
        for parameter in parameters.values()
        if parameter.required and parameter.name not in given
    ]
    checked: dict[str, Any] = {}
    for name in sorted(set(given) & set(parameters)):
        value = _as_kind(parameters[name].kind, given[name])
        type_name, fits = _KINDS[parameters[name].kind]
        if fits(value) and "{{" in json.dumps(value):
            faults.append(f"{name} contains {{{{, which KFP would take for a placeholder: {value!r}.")
        elif fits(value):
            checked[name] = value
        else:
            faults.append(f"{name} must be a {type_name}, not {value!r}.")
    if faults:
        raise ParameterError("\n".join(faults))
    return checked


def from_file(path: Path) -> dict[str, Any]:
    """Read a flat YAML file of parameters.

    Raises:
        ParameterError: If it cannot be read or is not a flat mapping.
    """
    try:
        values = yaml.safe_load(path.read_text())
    except (OSError, yaml.YAMLError) as error:
        raise ParameterError(f"{path} cannot be read as YAML: {error}") from error
    if not isinstance(values, dict) or not all(isinstance(name, str) for name in values):
        raise ParameterError(f"{path} must hold `name: value` lines.")
    return values


def from_settings(settings: Iterable[str], parameters: Mapping[str, Parameter]) -> dict[str, Any]:
    """Parse `name=value` texts by the types of the parameters that they name.

    Raises:
        ParameterError: If one is not `name=value`, names no parameter, or does not parse.
    """
    values: dict[str, Any] = {}
    for setting in settings:
        name, equals, text = setting.partition("=")
        if not equals:
            raise ParameterError(f"{setting!r} is not name=value.")
        if name not in parameters:
            raise ParameterError(_unknown(name, parameters))
        values[name] = parse(text, parameters[name])
    return values


def parse(text: str, parameter: Parameter) -> Any:
    """Parse a value from the command line.

    Raises:
        ParameterError: If the text is no value of the parameter's type.
    """
    if parameter.kind == "STRING":
        return text
    if parameter.kind == "LIST" and not text.lstrip().startswith("["):
        return [part.strip() for part in text.split(",") if part.strip()]
    try:
        return json.loads(text.lower() if parameter.kind == "BOOLEAN" else text)
    except ValueError:
        raise ParameterError(f"{parameter.name} must be a {parameter.type_name}, not {text!r}.") from None


def _unknown(name: str, parameters: Mapping[str, Parameter]) -> str:
    near = difflib.get_close_matches(name, parameters, n=1)
    hint = f"Did you mean {near[0]}?" if near else "`reelflow params` lists them."
    return f"There is no parameter {name}. {hint}"


def _as_kind(kind: str, value: Any) -> Any:
    """Return a number as KFP wants it: protobuf gives a whole number back as 3.0, and kfp takes no 1 for 1.0."""
    if kind == "NUMBER_INTEGER" and isinstance(value, float) and value.is_integer():
        return int(value)
    if kind == "NUMBER_DOUBLE" and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    return value
