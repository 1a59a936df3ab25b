"""`reelflow schema`: the schema of the clip table, inferred and compared, to be reviewed like code."""

import json
import sys
from pathlib import Path

import click

from pipelines.messages import FAILED, told
from pipelines.options import examples, json_option


@click.group(
    epilog=examples("reelflow schema infer CLIPS -o schema.pbtxt", "reelflow schema diff old.pbtxt schema.pbtxt")
)
def schema() -> None:
    """Infer the schema of clips, and compare two."""


@schema.command(epilog=examples("reelflow schema infer .reelflow/steps/extract/clips -o schema.pbtxt"))
@click.argument("clips", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--output", "-o", type=click.Path(dir_okay=False, path_type=Path), help="Where to; default: the console.")
@click.option("--drift-threshold", default=0.3, show_default=True, help="What drift and skew may come to, 0 to 1.")
def infer(clips: Path, output: Path | None, drift_threshold: float) -> None:
    """Write the schema of a finished folder of clips, for `schema` of validate_clips."""
    from components.contract.files import write_bytes
    from components.validate_clips.reviewed_schema import inferred_text

    with told():
        text = inferred_text(clips, drift_threshold=drift_threshold)
        if output:
            write_bytes(output, text.encode())
    click.echo(f"Wrote {output}" if output else text)


@schema.command(epilog=examples("reelflow schema diff schema.pbtxt inferred.pbtxt"))
@click.argument("before")
@click.argument("after")
@json_option
def diff(before: str, after: str, as_json: bool) -> None:
    """Say where two schemas differ; exit with 1 if they do."""
    from components.validate_clips.reviewed_schema import read_schema, schema_changes
    from pipelines.console import table

    with told():
        changes = schema_changes(read_schema(before), read_schema(after))
    click.echo(json.dumps(changes) if as_json else table([dict(row) for row in changes]) or "No difference.")
    sys.exit(FAILED if changes else 0)
