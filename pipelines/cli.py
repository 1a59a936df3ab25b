"""The command line. Each command imports what it needs when it runs, so that help costs nothing."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from components import __version__
from pipelines import rerun_command
from pipelines.cluster import commands, schedule_commands
from pipelines.cluster.connection import Connection, asks_cluster, connected
from pipelines.messages import FAILED, run_text, told
from pipelines.options import examples, json_option, params_option, set_option, work_dir_option
from pipelines.schema_commands import schema
from pipelines.serving_commands import models, predict, rollback
from pipelines.workspace import Workspace

GATE_SAID_NO = 3


@click.group(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog=examples("reelflow demo", "reelflow run --set source=UCF101.zip --set epochs=10", "reelflow runs")
    + "\n\nExit codes: 0 done, 1 failed, 2 wrong usage, 3 the gate said no.",
)
@click.version_option(__version__, prog_name="reelflow")
def main() -> None:
    """Turn labelled videos into a served video classifier: run, inspect and rerun the pipeline."""


@main.command(
    epilog=examples(
        "reelflow run --params my.yaml --set epochs=10", "reelflow run --docker", "reelflow run --resume latest"
    )
)
@params_option
@set_option
@click.option("--resume", "resumed", metavar="RUN", help="Go on with a failed or interrupted run.")
@click.option("--no-cache", is_flag=True, help="Run every step, even where nothing is new.")
@click.option("--docker", "in_containers", is_flag=True, help="Run each step in a container of the steps' image.")
@work_dir_option
@json_option
def run(
    params_file: Path | None,
    settings: tuple[str, ...],
    resumed: str | None,
    no_cache: bool,
    in_containers: bool,
    work_dir: str,
    as_json: bool,
) -> None:
    """Run the compiled pipeline on this machine, one line per step."""
    from pipelines.console import Console
    from pipelines.local_run import resume, start
    from pipelines.parameters import from_file, from_settings, pipeline_parameters
    from pipelines.runs import find_run

    console = Console()
    with told():
        workspace = Workspace.at(work_dir)
        if resumed:
            if params_file or settings or no_cache or in_containers:
                raise click.UsageError(
                    "--resume takes the run's own parameters and image: leave out the other options of a run."
                )
            done = resume(workspace, find_run(workspace, resumed), console=console)
        else:
            given = from_file(params_file) if params_file else {}
            given |= from_settings(settings, pipeline_parameters())
            image = _steps_image() if in_containers else None
            done = start(workspace, given, console=console, use_cache=not no_cache, image=image)
    sys.exit(_conclude(done, console.say, as_json=as_json))


@main.command(epilog=examples("reelflow demo", "reelflow demo --fresh --json", "reelflow demo --docker"))
@click.option("--fresh", is_flag=True, help="Forget earlier demo runs: fetch, train and decide anew.")
@click.option("--docker", "in_containers", is_flag=True, help="Run each step in a container of the steps' image.")
@work_dir_option
@json_option
def demo(fresh: bool, in_containers: bool, work_dir: str, as_json: bool) -> None:
    """Draw the demo videos, serve their zip over HTTP, and run the whole pipeline on it."""
    from pipelines.console import Console
    from pipelines.demo.run import run_demo

    console = Console()
    with told():
        image = _steps_image() if in_containers else None
        result = run_demo(Workspace.at(work_dir), fresh=fresh, console=console, image=image)
    if as_json:
        click.echo(json.dumps(result))
        return
    click.echo(
        f"\nTest accuracy           {result['test_accuracy']:.3f}  on {result['test_videos']} videos of unseen groups\n"
        f"Reversed in time        {result['reversed_accuracy']:.3f}  against the other label of each pair\n"
        f"Trained on still frames {result['still_trained_accuracy']:.3f}  (0.5 is chance: a frame cannot tell a pair)\n"
        f"Report                  {result['report']}\n"
        f"Run                     {result['run']}  ({result['seconds']:.0f} s, {result['cached_steps']} steps cached)"
    )


@main.command(
    name="runs",
    epilog=examples(
        "reelflow runs",
        "reelflow runs latest",
        "reelflow runs 20260301-14 latest",
        "reelflow runs latest --watch --host http://localhost:8080",
    ),
)
@click.argument("names", nargs=-1, metavar="[RUN [OTHER_RUN]]")
@work_dir_option
@connected
@commands.root_option
@commands.watch_option
@json_option
def show_runs(
    names: tuple[str, ...], work_dir: str, connection: Connection, pipeline_root: str, watched: bool, as_json: bool
) -> None:
    """List the runs; show one; or compare the parameters and scores of two.

    With --host: those of a cluster, where one can be watched too.
    """
    if asks_cluster():
        commands.show_cluster_runs(connection, names, pipeline_root=pipeline_root, watched=watched, as_json=as_json)
        return
    if watched:
        raise click.UsageError("--watch follows a run of a cluster: name the cluster with --host.")
    from pipelines.console import counts, table
    from pipelines.run_views import compared, described
    from pipelines.runs import all_runs, find_run

    with told():
        workspace = Workspace.at(work_dir)
        if len(names) > 2:
            raise click.UsageError("Name one run to show it, or two to compare them.")
        if not names:
            rows = [each.summary() for each in all_runs(workspace)]
            if as_json:
                click.echo(json.dumps(rows))
            else:
                shown = [{**row, "scores": counts(row["scores"], at_most=3)} for row in rows]
                click.echo(table(shown) or f"No runs in {workspace.runs}. `reelflow demo` makes one.")
        elif len(names) == 1:
            found = find_run(workspace, names[0])
            click.echo(json.dumps(described(found)) if as_json else run_text(described(found)))
        else:
            differences = compared(*(find_run(workspace, name) for name in names))
            click.echo(json.dumps(differences) if as_json else table(differences) or "No difference.")


class _Steps(click.Group):
    """One command per step, its options read from the step's signature."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        from pipelines.single_step import step_names

        return step_names()

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        from pipelines.single_step import step_names
        from pipelines.step_command import step_command

        return step_command(cmd_name) if cmd_name in step_names() else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Steps"):
            formatter.write_text(", ".join(self.list_commands(ctx)))


@main.command(cls=_Steps, epilog=examples("reelflow step extract_frames --help"))
def step() -> None:
    """Run one step by hand; its options are its signature's."""


@main.command(epilog=examples("reelflow params", "reelflow params --json"))
@json_option
def params(as_json: bool) -> None:
    """Print every parameter of the pipeline, under the first step that takes it, with type, default and meaning."""
    from dataclasses import asdict

    from pipelines.parameters import by_step, pipeline_parameters

    if as_json:
        click.echo(json.dumps([asdict(parameter) for parameter in pipeline_parameters().values()]))
        return
    for step_name, parameters in by_step().items():
        click.secho(f"{step_name}", bold=True)
        for parameter in parameters:
            default = "required" if parameter.required else f"default {json.dumps(parameter.default)}"
            click.echo(f"  {parameter.name}  ({parameter.type_name}, {default})")
            click.echo(f"      {parameter.meaning}")


@main.command(name="compile", epilog=examples("reelflow compile", "reelflow compile --check"))
@click.option("--output", "-o", type=click.Path(dir_okay=False, path_type=Path), help="Where to; default: the package.")
@click.option("--check", "only_check", is_flag=True, help="Write nothing; fail when the compiled file is stale.")
def compile_(output: Path | None, only_check: bool) -> None:
    """Compile the pipeline to KFP's YAML."""
    from pipelines.compiling import compile_pipeline
    from pipelines.parameters import COMPILED

    path = output or COMPILED
    text = compile_pipeline()
    if not only_check:
        path.write_text(text)
        click.echo(f"Compiled to {path}")
    elif not path.is_file() or path.read_text() != text:
        click.echo(f"{path} is stale. Run `reelflow compile`.", err=True)
        sys.exit(FAILED)


@main.command(epilog=examples("reelflow doctor"))
@work_dir_option
@json_option
def doctor(work_dir: str, as_json: bool) -> None:
    """Say what is missing on this machine and how to get it."""
    from dataclasses import asdict

    from pipelines.doctor import examine

    checks = examine(Path(work_dir).absolute())
    if as_json:
        click.echo(json.dumps([asdict(check) for check in checks]))
    else:
        marks = {"ok": "✓", "missing": "✗", "optional": "-"}
        for check in checks:
            click.echo(f"{marks[check.state]} {check.name:<28} {check.found}" + f"  {check.remedy}".rstrip())
    sys.exit(FAILED if any(check.state == "missing" for check in checks) else 0)


@main.command(epilog=examples("reelflow gc --dry-run", "reelflow gc --keep 3"))
@click.option("--keep", default=10, show_default=True, type=click.IntRange(min=0), help="Newest runs that stay.")
@click.option("--dry-run", is_flag=True, help="Only say what would go.")
@work_dir_option
@json_option
def gc(keep: int, dry_run: bool, work_dir: str, as_json: bool) -> None:
    """Remove old runs, and store entries that no run needs."""
    from pipelines.garbage import find_garbage, remove

    with told():
        garbage = find_garbage(Workspace.at(work_dir), keep=keep)
    if not dry_run:
        remove(garbage)
    if as_json:
        click.echo(json.dumps([{"path": str(each.path), "bytes": each.bytes, "why": each.why} for each in garbage]))
        return
    for each in garbage:
        click.echo(f"{each.bytes / 1e6:9.1f} MB  {each.path}  ({each.why})")
    verb = "would go" if dry_run else "removed"
    click.echo(f"{len(garbage)} entries, {sum(each.bytes for each in garbage) / 1e6:.1f} MB {verb}.")


@main.command(epilog=examples("reelflow bench extract", "reelflow bench --json"))
@click.argument("names", nargs=-1, metavar="[NAME]...")
@json_option
def bench(names: tuple[str, ...], as_json: bool) -> None:
    """Run benchmarks and print one line per figure; a ratio above its goal is good."""
    from pipelines.bench import benchmarks, measure

    known = benchmarks()
    unknown = [name for name in names if name not in known]
    if unknown:
        raise click.UsageError(f"There is no benchmark {unknown[0]}; there are: {', '.join(known)}.")
    with told():
        for name in names or tuple(known):
            for figure in measure(name):
                if as_json:
                    click.echo(json.dumps(figure))
                else:
                    goal = figure["goal"]
                    met = "·" if goal is None else "✓" if figure["ratio"] >= goal else "✗"
                    ratio = f"{figure['ratio']:8.2f}x  ({'to choose by' if goal is None else f'goal {goal}x'})"
                    click.echo(f"{met} {name:<9} {ratio}  {figure['figure']}, against {figure['against']}")


def _steps_image() -> str:
    from pipelines.light_kfp import import_light_kfp

    import_light_kfp()
    from components.image import IMAGE

    return IMAGE


def _conclude(done: Any, say: Callable[[str], None], *, as_json: bool) -> int:
    """Say how a run ended and return the exit code."""
    from pipelines.local_run import verdict_of
    from pipelines.run_views import described

    verdict = verdict_of(done)
    if as_json:
        click.echo(json.dumps(described(done)))
    else:
        click.echo(run_text(described(done)))
    if verdict is not None and not verdict.may_push:
        for rule in verdict.rules:
            if not rule.passed:
                say(f"The gate said no: {rule.sentence}")
        return GATE_SAID_NO
    return 0


for command in (
    commands.submit,
    commands.terminate,
    commands.retry,
    commands.logs,
    schedule_commands.schedule,
    rerun_command.rerun,
    schema,
    models,
    rollback,
    predict,
):
    main.add_command(command)


if __name__ == "__main__":
    main()
