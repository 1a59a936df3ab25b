"""What people read at the end of a command: a run, a step's record, or an error they can mend."""

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from components.contract.errors import StepError
from pipelines.console import counts, number, table
from pipelines.parameters import ParameterError
from pipelines.runs import Run
from pipelines.workspace import DEFAULT, WorkspaceError

FAILED = 1


def run_text(shown: Mapping[str, Any]) -> str:
    """Return a described run as a person reads it."""
    lines = [f"Run {shown['run']}: {shown['status']} after {shown['seconds']:.0f} s, in {shown['folder']}"]
    steps = [{key: row[key] for key in ("step", "status", "seconds", "digest")} for row in shown["steps"]]
    lines.append(table(steps))
    lines += [f"{name}: {number(value)}" for name, value in shown["scores"].items()]
    lines += [f"{name}: {path}" for name, path in shown["pages"].items()]
    return "\n".join(lines)


def show_record(record: Mapping[str, Any], out: Path, *, as_json: bool) -> None:
    """Print the record of a step that ran into `out`."""
    if as_json:
        click.echo(json.dumps(record))
        return
    click.echo(f"{record['step']} {record['status']} after {record['seconds']:.1f} s")
    click.echo(counts(record["metrics"], at_most=20))
    for name, entry in record["outputs"].items():
        digest = f"  {entry['digest'][:12]}" if entry["digest"] else ""
        click.echo(f"  {name:<12} {entry['uri']}{digest}")
    click.echo(f"  {'record':<12} {out / 'record'}")


@contextmanager
def told() -> Iterator[None]:
    """Tell a person about an error they can mend, and exit with the code that fits."""
    from pipelines.local_run import RunInterruptedError, StepFailedError

    try:
        yield
    except ParameterError as error:
        raise click.UsageError(str(error)) from error
    except WorkspaceError as error:
        raise click.UsageError(str(error)) from error
    except StepError as error:
        click.echo(f"Failed: {error.found}\nRemedy: {error.remedy}", err=True)
        sys.exit(FAILED)
    except StepFailedError as error:
        click.echo(
            f"\n{error.state.step} failed: {error.reason}\nRemedy: {error.remedy}\n"
            f"Log:    {error.run.log(error.state.step)}\n"
            f"Then:   reelflow run --resume {error.run.name}{_where(error.run)}",
            err=True,
        )
        sys.exit(FAILED)
    except RunInterruptedError as error:
        click.echo(
            f"\nInterrupted. It goes on with: reelflow run --resume {error.run.name}{_where(error.run)}", err=True
        )
        sys.exit(128 + error.signal_number)


def _where(run: Run) -> str:
    """The option that a later command needs to find the run, if any."""
    root = run.folder.parent.parent
    return "" if root == Path(DEFAULT).absolute() else f" --work-dir {root}"
