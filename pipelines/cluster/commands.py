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


root_option = click.option(
    "--pipeline-root",
    default="",
    help="Where the runs left their artifacts, if KFP does not tell, e.g. gs://bucket/v2.",
)


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
            expected = _expected_hits(connection, prepared, pipeline_root)
            _show_prepared(prepared, placement, connection, expected, as_json=as_json)
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
        conclude(api, run, watched=watched, as_json=as_json)


def show_cluster_runs(
    connection: Connection, names: tuple[str, ...], *, pipeline_root: str, watched: bool, as_json: bool
) -> None:
    """List the newest runs of a cluster with their scores, or show or follow one."""
    from pipelines.cluster.run_scores import scores_of
    from pipelines.cluster.watching import described, find_run, newest_runs, summary
    from pipelines.console import counts, table

    with told():
        if len(names) > 1 or (watched and not names):
            raise click.UsageError("With --host, name one run to show or watch it, or none to list them.")
        api = connection.api()
        runs = [find_run(api, name) for name in names] or newest_runs(api)
        if watched:
            conclude(api, runs[0], watched=True, as_json=as_json)
            return
        scores, fault = scores_of(api, runs, pipeline_root=pipeline_root)
        if fault:
            click.echo(f"Scores are left out where they cannot be read: {fault}", err=True)
        if names:
            shown = {**described(api, runs[0]), "scores": scores[0]}
            click.echo(json.dumps(shown) if as_json else _run_text(shown))
        elif as_json:
            click.echo(json.dumps([{**summary(run), "scores": each} for run, each in zip(runs, scores, strict=True)]))
        else:
            rows = [{**summary(run), "scores": counts(each, at_most=3)} for run, each in zip(runs, scores, strict=True)]
            click.echo(table(rows) or f"No runs at {api.host}.")


@click.command(epilog=examples("reelflow logs 8f1c train_model --host http://localhost:8080"))
@click.argument("name", metavar="RUN")
@click.argument("step", metavar="STEP")
@connected
@root_option
def logs(name: str, step: str, connection: Connection, pipeline_root: str) -> None:
    """Print the log of a step of a cluster's run, where the cluster still has it."""
    from pipelines.cluster.logs import step_log
    from pipelines.cluster.recorded_steps import ClusterRun
    from pipelines.cluster.watching import find_run
    from pipelines.single_step import step_names

    with told():
        if step not in step_names():
            raise click.UsageError(f"There is no step {step}; there are: {', '.join(step_names())}.")
        api = connection.api()
        run = ClusterRun(api, find_run(api, name), pipeline_root=pipeline_root)
        click.echo(step_log(api, run, step), nl=False)


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
    say({"run": run["run_id"], "status": "canceling"}, f"Run {run['run_id']} is being ended.", as_json=as_json)


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
        conclude(api, run, watched=watched, as_json=as_json)


def conclude(api: "Api", run: Mapping[str, Any], *, watched: bool, as_json: bool) -> None:
    """Print a run's link; where it is watched, follow it and exit with its outcome."""
    from pipelines.cluster.watching import SUCCEEDED, Watching, described, outcome, watch
    from pipelines.console import Console

    console = Console()
    link = api.link(f"runs/details/{run['run_id']}")
    if not watched:
        say({"run": run["run_id"], "link": link}, f"Run {run['run_id']}\n{link}", as_json=as_json)
        return
    console.say(f"Run {run['run_id']}\n{link}")
    try:
        ended = watch(api, run["run_id"], console=console, watching=Watching())
    except KeyboardInterrupt:
        console.say(f"The run goes on. `reelflow runs {run['run_id']} --watch` looks again, `terminate` ends it.")
        sys.exit(130)
    say(described(api, ended), outcome(api, ended), as_json=as_json)
    sys.exit(0 if ended.get("state") == SUCCEEDED else FAILED)


def _expected_hits(connection: Connection, prepared: Any, pipeline_root: str) -> list[Any]:
    """Ask the cluster, where one is named, what it will take from its cache; a dry run does not fail without it."""
    from pipelines.cluster.connection import default_host
    from pipelines.cluster.forecasts import forecasts, unknown_forecasts

    if not (connection.host or default_host()):
        return unknown_forecasts(prepared, "--host names no cluster")
    return forecasts(connection.api, prepared, pipeline_root=pipeline_root)


def _show_prepared(
    prepared: Any, placement: Any, connection: Connection, expected: list[Any], *, as_json: bool
) -> None:
    from dataclasses import asdict

    from pipelines.console import table

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
        "steps": [asdict(each) for each in expected],
    }
    lines = [f"{name:<16} {json.dumps(value)}" for name, value in shown.items() if name not in ("parameters", "steps")]
    lines += [f"  {name:<14} {json.dumps(value)}" for name, value in prepared.parameters.items()]
    lines += ["Expected of the cache:", table([asdict(each) for each in expected])]
    say(shown, "\n".join(["Nothing is sent. This would be:", *lines]), as_json=as_json)


def _run_text(shown: Mapping[str, Any]) -> str:
    from pipelines.console import number, table

    lines = [f"Run {shown['run']} ({shown['name']}): {shown['status']} after {shown['seconds']} s", shown["link"]]
    lines += [table(list(shown["steps"]))] if shown["steps"] else []
    lines += [f"{name}: {number(value)}" for name, value in shown["scores"].items()]
    lines += [f"{name}: {json.dumps(value)}" for name, value in shown["parameters"].items()]
    return "\n".join([*lines, *([f"Reason: {shown['error']}"] if shown["error"] else [])])


def say(machine: Mapping[str, Any], person: str, *, as_json: bool) -> None:
    """Print a result, for a machine or for a person."""
    click.echo(json.dumps(machine) if as_json else person)
