"""`reelflow schedule`: what starts runs by the clock; like all commands, they import what they need when they run."""

import json
import sys
from pathlib import Path

import click

from pipelines.cluster.commands import conclude, say, watch_option
from pipelines.cluster.connection import Connection, connected
from pipelines.messages import FAILED, told
from pipelines.options import examples, json_option

file_option = click.option(
    "-f",
    "--file",
    "path",
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="YAML file, one document per schedule.",
)
time_zone_option = click.option(
    "--cluster-time-zone",
    default="UTC",
    envvar="REELFLOW_CLUSTER_TIME_ZONE",
    show_default=True,
    show_envvar=True,
    help="The zone in which the cluster reads every cron.",
)
schedule_name = click.argument("name", metavar="SCHEDULE")


@click.group(
    epilog=examples("reelflow schedule apply -f schedule.yaml --host http://localhost:8080", "reelflow schedule list")
)
def schedule() -> None:
    """Start runs by the clock: schedules in a file, and what the cluster has."""


@schedule.command(
    epilog="\b\nExample:\n  reelflow schedule apply -f schedule.yaml --host http://localhost:8080\n\n\b\n"
    "schedule.yaml:\n  name: nightly\n  cron: 0 3 * * *\n  time_zone: UTC\n  parameters:\n"
    "    source: https://example.com/UCF101.zip\n  concurrency: 1\n  catch_up: false\n  enabled: true"
)
@connected
@file_option
@time_zone_option
@json_option
def apply(connection: Connection, path: Path, cluster_time_zone: str, as_json: bool) -> None:
    """Make the cluster's schedules agree with a file; a second time changes nothing."""
    from pipelines.cluster import schedule_file, schedules

    with told():
        wanted = schedule_file.read_schedules(path, cluster_time_zone=cluster_time_zone)
        api = connection.api()
        for each in wanted:
            how = schedules.apply(api, each)
            say({"name": each.schedule.name, "result": how}, f"{each.schedule.name}: {how}", as_json=as_json)


@schedule.command(epilog=examples("reelflow schedule diff -f schedule.yaml --host http://localhost:8080"))
@connected
@file_option
@time_zone_option
@json_option
def diff(connection: Connection, path: Path, cluster_time_zone: str, as_json: bool) -> None:
    """Show in what the cluster differs from a file; exit with 1 where it does."""
    from dataclasses import asdict

    from pipelines.cluster import schedule_file, schedules
    from pipelines.console import table

    with told():
        wanted = schedule_file.read_schedules(path, cluster_time_zone=cluster_time_zone)
        api = connection.api()
        rows = [
            {"schedule": each.schedule.name, **asdict(difference)}
            for each in wanted
            for difference in schedules.differences(api, each)
        ]
    click.echo(json.dumps(rows) if as_json else table(rows) or "No difference.")
    sys.exit(FAILED if rows else 0)


@schedule.command(name="list", epilog=examples("reelflow schedule list --host http://localhost:8080"))
@connected
@json_option
def list_(connection: Connection, as_json: bool) -> None:
    """List the cluster's schedules."""
    from pipelines.cluster.schedules import live_schedules, shown
    from pipelines.console import table

    with told():
        api = connection.api()
        rows = [shown(each) for each in live_schedules(api)]
        click.echo(json.dumps(rows) if as_json else table(rows) or f"No schedules at {api.host}.")


@schedule.command(epilog=examples("reelflow schedule pause nightly --host http://localhost:8080"))
@schedule_name
@connected
@json_option
def pause(name: str, connection: Connection, as_json: bool) -> None:
    """Let a schedule start no more runs; the file should say `enabled: false` too."""
    _switch(connection, name, on=False, as_json=as_json)


@schedule.command(epilog=examples("reelflow schedule resume nightly --host http://localhost:8080"))
@schedule_name
@connected
@json_option
def resume(name: str, connection: Connection, as_json: bool) -> None:
    """Let a paused schedule start runs again."""
    _switch(connection, name, on=True, as_json=as_json)


@schedule.command(name="run-now", epilog=examples("reelflow schedule run-now nightly --host http://localhost:8080"))
@schedule_name
@connected
@watch_option
@json_option
def run_now(name: str, connection: Connection, watched: bool, as_json: bool) -> None:
    """Start a run with a schedule's version and parameters, now."""
    from pipelines.cluster.schedules import find_live, run_of

    with told():
        api = connection.api()
        run = run_of(api, find_live(api, name)[0])
        conclude(api, run, watched=watched, as_json=as_json)


@schedule.command(epilog=examples("reelflow schedule delete nightly --host http://localhost:8080"))
@schedule_name
@connected
@json_option
def delete(name: str, connection: Connection, as_json: bool) -> None:
    """Delete a schedule; its runs stay."""
    from pipelines.cluster.schedules import find_live

    with told():
        api = connection.api()
        for live in find_live(api, name):
            api.delete(f"recurringruns/{live['recurring_run_id']}")
    say({"name": name, "result": "deleted"}, f"{name}: deleted", as_json=as_json)


def _switch(connection: Connection, name: str, *, on: bool, as_json: bool) -> None:
    from pipelines.cluster.schedules import PAUSED, RESUMED, find_live, switch

    with told():
        api = connection.api()
        for live in find_live(api, name):
            switch(api, live, on=on)
    how = RESUMED if on else PAUSED
    say({"name": name, "result": how}, f"{name}: {how}", as_json=as_json)
