"""Options that several commands share."""

from pathlib import Path

import click

from pipelines.workspace import DEFAULT, ENVIRONMENT_VARIABLE


def examples(*lines: str) -> str:
    """Return an epilog that shows how a command is used."""
    return "\b\nExample:\n" + "\n".join(f"  {line}" for line in lines)


work_dir_option = click.option(
    "--work-dir",
    default=DEFAULT,
    envvar=ENVIRONMENT_VARIABLE,
    show_default=True,
    show_envvar=True,
    help="Folder of runs, store and serving directory.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for machines.")
set_option = click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="One parameter; repeatable.")
params_option = click.option(
    "--params", "params_file", type=click.Path(dir_okay=False, path_type=Path), help="YAML file of `name: value` lines."
)
