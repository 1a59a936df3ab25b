"""The command of one step, made from its signature."""

from pathlib import Path
from typing import Any

import click

from pipelines.messages import show_record, told
from pipelines.parameters import Parameter, ParameterError, parse
from pipelines.single_step import Step, load_step, run_step
from pipelines.workspace import DEFAULT, ENVIRONMENT_VARIABLE, Workspace, new_name


class _Value(click.ParamType[Any]):
    """A value of a KFP parameter type."""

    def __init__(self, parameter: Parameter) -> None:
        self._parameter = parameter
        self.name = parameter.type_name

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not isinstance(value, str):
            return value
        try:
            return parse(value, self._parameter)
        except ParameterError as error:
            self.fail(str(error), param, ctx)


def step_command(name: str) -> click.Command:
    """Return the click command of a step: a path per input, an option per parameter, one folder for the outputs."""
    step = load_step(name)
    options: list[click.Parameter] = [
        click.Option(
            [_flag(each)],
            required=True,
            type=click.Path(exists=True, path_type=Path),
            help=step.meanings.get(each, ""),
        )
        for each in step.inputs
    ]
    options += [_option(parameter, step) for parameter in step.parameters.values()]
    outputs = ", ".join(step.outputs)
    options += [
        click.Option(["--out"], type=click.Path(file_okay=False, path_type=Path), help=f"Folder for {outputs}."),
        click.Option(["--work-dir"], default=DEFAULT, envvar=ENVIRONMENT_VARIABLE, help="Where --out lies by default."),
        click.Option(["--json", "as_json"], is_flag=True, help="Print the step's record as JSON."),
    ]

    def call(out: Path | None, work_dir: str, as_json: bool, **given: Any) -> None:
        with told():
            folder = out or Workspace.at(work_dir).steps / new_name(f"{name}-")
            inputs = {each: str(given[each]) for each in step.inputs}
            chosen = {each: given[each] for each in step.parameters if given[each] is not None}
            record = run_step(step, inputs=inputs, parameters=chosen, out=folder)
        show_record(record, folder, as_json=as_json)

    return click.Command(name, params=options, callback=call, help=step.meaning)


def _option(parameter: Parameter, step: Step) -> click.Option:
    from_input = parameter.name.endswith("_digest") and parameter.name.removesuffix("_digest") in step.inputs
    return click.Option(
        [_flag(parameter.name)],
        required=parameter.required and not from_input,
        default=None,
        type=_Value(parameter),
        help=parameter.meaning
        + ("  [default: read from the input]" if from_input else "")
        + ("" if parameter.required else f"  [default: {parameter.default!r}]"),
    )


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")
