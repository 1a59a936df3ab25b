"""Which engine runs the Beam job, and with which options: checked before anything starts."""

import argparse
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, cast, get_args

from components.contract.errors import StepError

Engine = Literal["FnApiRunner", "PrismRunner", "FlinkRunner", "SparkRunner", "DataflowRunner", "PortableRunner"]
IN_PROCESS: Engine = "FnApiRunner"

# Options that would run code that is not ours, choose another engine than beam_runner does, or pickle this process.
_REFUSED = {
    "--runner": "beam_runner names it",
    "--save_main_session": "the workers import the same package",
    "--setup_file": "the workers' image holds the code",
    "--requirements_file": "the workers' image holds the packages",
    "--requirements_cache": "the workers' image holds the packages",
    "--extra_package": "the workers' image holds the packages",
    "--files_to_stage": "the workers' image holds the code",
    "--help": "it is no option of a job",
    "-h": "it is no option of a job",
}
_ENVIRONMENTS = ("DOCKER", "EXTERNAL", "LOOPBACK")
_LOCAL_PROGRAMS = ("--flink_job_server_jar", "--spark_job_server_jar", "--prism_location")


def checked_engine(beam_runner: str) -> Engine:
    """Return the engine that a person named.

    Raises:
        StepError: If it is not one of those known.
    """
    if beam_runner not in get_args(Engine):
        raise StepError(f"beam_runner is {beam_runner!r}.", remedy=f"Give one of {', '.join(get_args(Engine))}.")
    return cast(Engine, beam_runner)


def checked_flags(beam_options: str) -> list[str]:
    """Return the flags of Beam's options that a person gave.

    Args:
        beam_options: Flags as in a shell: `--name=value --other="with spaces"`.

    Raises:
        StepError: If one is not an option of Beam, is refused, or has a wrong value.
    """
    try:
        flags = shlex.split(beam_options)
    except ValueError as error:
        raise _refusal(f"cannot be read ({error})") from None
    known = _known_options()
    for flag in flags:
        name, has_value, value = flag.partition("=")
        if name in _REFUSED:
            raise _refusal(f"has {name}, which is not taken: {_REFUSED[name]}")
        if not flag.isprintable() or name not in known:
            raise _refusal(f"has {flag!r}, which is no option of Beam in the form --name=value")
        if name == "--environment_type" and value not in _ENVIRONMENTS:
            raise _refusal(f"has the environment {value!r}; known are {', '.join(_ENVIRONMENTS)}")
        if name in _LOCAL_PROGRAMS and not Path(value).is_file():
            raise _refusal(f"has {name}={value}, which is no file here")
        if not has_value and known[name]:
            raise _refusal(f"gives {name} no value in the form {name}=value")
    _check_values(flags)
    return flags


def runner_of(engine: Engine) -> Any:
    """Return what `beam.Pipeline` takes as its runner."""
    if engine == "FnApiRunner":
        # By name: a plain DirectRunner first looks for a Go binary on the internet.
        from apache_beam.runners.portability.fn_api_runner import FnApiRunner

        return FnApiRunner()
    return engine


def _refusal(what: str) -> StepError:
    return StepError(
        f"beam_options {what}.", remedy='Give flags of Beam\'s pipeline options, as in "--name=value --other=value".'
    )


def _parser() -> argparse.ArgumentParser:
    from apache_beam.options.pipeline_options import PipelineOptions, _BeamArgumentParser

    parser: argparse.ArgumentParser = _BeamArgumentParser(allow_abbrev=False)
    for options in {each.__name__: each for each in PipelineOptions.__subclasses__()}.values():
        if options.__module__ == PipelineOptions.__module__:
            options._add_argparse_args(parser)
    return parser


def _known_options() -> dict[str, bool]:
    """Return the options of Beam by name, and whether each wants a value."""
    return {
        name: action.nargs != 0
        for action in _parser()._actions
        for name in action.option_strings
        if name.startswith("--")
    }


def _check_values(flags: Sequence[str]) -> None:
    parser = _parser()

    def refuse(message: str) -> None:
        raise _refusal(f"is not taken by Beam ({message})")

    parser.error = refuse  # type: ignore[method-assign,assignment] # argparse would end the process
    parser.parse_args(list(flags))
