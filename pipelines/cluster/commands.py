"""The commands that talk to a cluster; like all commands, they import what they need when they run."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipelines.cluster.connection import Connection, connected
from pipelines.messages import FAILED, told
from pipelines.options import examples, json_option, params_option, set_option

if TYPE_CHECKING:
    from pipelines.cluster.client import Api

watch_option = click.option("--watch", "watched", is_flag=True, help="Follow the run and exit with its outcome.")
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


@click.command(
    epilog=examples(
        "reelflow submit --host http://localhost:8080 --params my.yaml --watch",
        "reelflow submit --dry-run --set source=https://example.com/UCF101.zip",
    )
)
@connected
@params_option
@set_option
@click.option("--experiment", default="reelflow", show_default=True, help="KFP's group of runs; made where absent.")
@click.option("--image", default="", envvar="REELFLOW_CLUSTER_IMAGE", show_envvar=True, help="Image of every step.")
@click.option("--gpus", type=click.IntRange(min=0), help="Accelerators for training; 0 trains on processors.")
@click.option("--pipeline-root", default="", help="Where artifacts go, e.g. s3://bucket/folder.")
@click.option("--service-account", default="", help="Kubernetes service account of the pods.")
@watch_option
@click.option("--dry-run", is_flag=True, help="Check everything and print what would be sent; send nothing.")
@json_option
def submit(
    connection: Connection,
    params_file: Path | None,
    settings: tuple[str, ...],
    experiment: str,
    image: str,
    gpus: int | None,
    pipeline_root: str,
    service_account: str,
    watched: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Submit a run to a cluster.

    The compiled pipeline is uploaded only where the cluster has no version with its digest. Parameters that do not
    fit, and an image or SDK of another version, are refused before anything is sent.
    """
    from pipelines.cluster.submission import Changes, Placement, prepare
    from pipelines.parameters import from_file, from_settings, pipeline_parameters

    with told():
        given = from_file(params_file) if params_file else {}
        given |= from_settings(settings, pipeline_parameters())
        prepared = prepare(given, changes=Changes(image=image, gpus=gpus), digest_may_be_unknown=dry_run)
        placement = Placement(experiment=experiment, pipeline_root=pipeline_root, service_account=service_account)
        if dry_run:
            _show_prepared(prepared, placement, connection, as_json=as_json)
            return
        from pipelines.cluster.submission import create_run, experiment_id, reference, upload

        api = connection.api()
        uploaded = upload(api, prepared)
        run = create_run(
            api,
            reference(uploaded),
            experiment=experiment_id(api, experiment),
            parameters=prepared.parameters,
            placement=placement,
            pipeline=prepared.pipeline,
        )
        how = "uploaded" if uploaded.is_new else "is there already"
        click.echo(f"Version {prepared.version} {how}", err=True)
        _conclude(api, run, watched=watched, as_json=as_json)


def show_cluster_runs(connection: Connection, names: tuple[str, ...], *, watched: bool, as_json: bool) -> None:
    """List the newest runs of a cluster, or show or follow one."""
    from pipelines.cluster.watching import described, find_run, newest_runs, summary
    from pipelines.console import table

    with told():
        if len(names) > 1 or (watched and not names):
            raise click.UsageError("With --host, name one run to show or watch it, or none to list them.")
        api = connection.api()
        if not names:
            rows = [summary(run) for run in newest_runs(api)]
            click.echo(json.dumps(rows) if as_json else table(rows) or f"No runs at {api.host}.")
            return
        run = find_run(api, names[0])
        if watched:
            _conclude(api, run, watched=True, as_json=as_json)
        else:
            shown = described(api, run)
            click.echo(json.dumps(shown) if as_json else _run_text(shown))


@click.command(epilog=examples("reelflow terminate 8f1c --host http://localhost:8080"))
@click.argument("name", metavar="RUN")
@connected
@json_option
def terminate(name: str, connection: Connection, as_json: bool) -> None:
    """End a run of a cluster; RUN is its id, the beginning of its id, its name, or latest."""
    from pipelines.cluster.watching import FINISHED, find_run

    with told():
        api = connection.api()
        run = find_run(api, name)
        if run.get("state") in FINISHED:
            raise click.UsageError(f"Run {run['run_id']} has ended already: {run['state'].lower()}.")
        api.act(f"runs/{run['run_id']}:terminate")
    _say({"run": run["run_id"], "status": "canceling"}, f"Run {run['run_id']} is being ended.", as_json=as_json)


@click.command(epilog=examples("reelflow retry 8f1c --host http://localhost:8080 --watch"))
@click.argument("name", metavar="RUN")
@connected
@watch_option
@json_option
def retry(name: str, connection: Connection, watched: bool, as_json: bool) -> None:
    """Go on with a failed or ended run of a cluster: the steps that succeeded are not run again."""
    from pipelines.cluster.watching import find_run, retry_run

    with told():
        api = connection.api()
        run = retry_run(api, find_run(api, name))
        _conclude(api, run, watched=watched, as_json=as_json)


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
    from pipelines.cluster import schedules

    with told():
        wanted = schedules.read_schedules(path, cluster_time_zone=cluster_time_zone)
        api = connection.api()
        for each in wanted:
            how = schedules.apply(api, each)
            _say({"name": each.schedule.name, "result": how}, f"{each.schedule.name}: {how}", as_json=as_json)


@schedule.command(epilog=examples("reelflow schedule diff -f schedule.yaml --host http://localhost:8080"))
@connected
@file_option
@time_zone_option
@json_option
def diff(connection: Connection, path: Path, cluster_time_zone: str, as_json: bool) -> None:
    """Show in what the cluster differs from a file; exit with 1 where it does."""
    from dataclasses import asdict

    from pipelines.cluster import schedules
    from pipelines.console import table

    with told():
        wanted = schedules.read_schedules(path, cluster_time_zone=cluster_time_zone)
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
        _conclude(api, run, watched=watched, as_json=as_json)


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
    _say({"name": name, "result": "deleted"}, f"{name}: deleted", as_json=as_json)


def _switch(connection: Connection, name: str, *, on: bool, as_json: bool) -> None:
    from pipelines.cluster.schedules import PAUSED, RESUMED, find_live, switch

    with told():
        api = connection.api()
        for live in find_live(api, name):
            switch(api, live, on=on)
    how = RESUMED if on else PAUSED
    _say({"name": name, "result": how}, f"{name}: {how}", as_json=as_json)


def _conclude(api: "Api", run: Mapping[str, Any], *, watched: bool, as_json: bool) -> None:
    """Print a run's link; where it is watched, follow it and exit with its outcome."""
    from pipelines.cluster.watching import SUCCEEDED, Watching, described, outcome, watch
    from pipelines.console import Console

    console = Console()
    link = api.link(f"runs/details/{run['run_id']}")
    if not watched:
        _say({"run": run["run_id"], "link": link}, f"Run {run['run_id']}\n{link}", as_json=as_json)
        return
    console.say(f"Run {run['run_id']}\n{link}")
    try:
        ended = watch(api, run["run_id"], console=console, watching=Watching())
    except KeyboardInterrupt:
        console.say(f"The run goes on. `reelflow runs {run['run_id']} --watch` looks again, `terminate` ends it.")
        sys.exit(130)
    _say(described(api, ended), outcome(api, ended), as_json=as_json)
    sys.exit(0 if ended.get("state") == SUCCEEDED else FAILED)


def _show_prepared(prepared: Any, placement: Any, connection: Connection, *, as_json: bool) -> None:
    shown = {
        "host": connection.host,
        "namespace": connection.namespace,
        "experiment": placement.experiment,
        "pipeline": prepared.pipeline,
        "version": prepared.version,
        "digest": prepared.digest,
        "images": list(prepared.images),
        **({"image_digest": f"unknown: {prepared.unknown_digest}"} if prepared.unknown_digest else {}),
        "pipeline_root": placement.pipeline_root,
        "service_account": placement.service_account,
        "parameters": prepared.parameters,
    }
    lines = [f"{name:<16} {json.dumps(value)}" for name, value in shown.items() if name != "parameters"]
    lines += [f"  {name:<14} {json.dumps(value)}" for name, value in prepared.parameters.items()]
    _say(shown, "\n".join(["Nothing is sent. This would be:", *lines]), as_json=as_json)


def _run_text(shown: Mapping[str, Any]) -> str:
    from pipelines.console import table

    lines = [f"Run {shown['run']} ({shown['name']}): {shown['status']} after {shown['seconds']} s", shown["link"]]
    lines += [table(list(shown["steps"]))] if shown["steps"] else []
    lines += [f"{name}: {json.dumps(value)}" for name, value in shown["parameters"].items()]
    return "\n".join([*lines, *([f"Reason: {shown['error']}"] if shown["error"] else [])])


def _say(machine: Mapping[str, Any], person: str, *, as_json: bool) -> None:
    click.echo(json.dumps(machine) if as_json else person)
