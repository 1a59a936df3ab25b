"""`reelflow rerun`: one step of a recorded run again, of a run on this machine or of a cluster's."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipelines.cluster.connection import Connection, asks_cluster, connected
from pipelines.messages import FAILED, show_record, told
from pipelines.options import examples, json_option, set_option, work_dir_option
from pipelines.workspace import Workspace, new_name

if TYPE_CHECKING:
    from pipelines.single_step import Comparison


@dataclass(frozen=True)
class _Recorded:
    """What a step was given, and what it left.

    Attributes:
        record: Its record.
        inputs: Paths of its inputs on this machine.
        parameters: As recorded, folders as they are on this machine.
        image: The image that it ran in, or empty.
    """

    record: Mapping[str, Any]
    inputs: Mapping[str, str]
    parameters: Mapping[str, Any]
    image: str


@click.command(
    epilog=examples(
        "reelflow rerun latest evaluate_model",
        "reelflow rerun latest train_model --set seed=2",
        "reelflow rerun 8f1c evaluate_model --host http://localhost:8080 --verify",
    )
)
@click.argument("run_name", metavar="RUN")
@click.argument("step_name", metavar="STEP")
@set_option
@click.option("--verify", is_flag=True, help="Exit with 1 where an output differs from the recorded one.")
@click.option("--docker", "in_container", is_flag=True, help="Run it in a container of the image that the run used.")
@click.option("--any-code", is_flag=True, help="Take the code that is here, also where a cluster's run used other.")
@click.option("--pipeline-root", default="", help="Where the cluster's run left its artifacts, if KFP does not tell.")
@work_dir_option
@connected
@json_option
def rerun(
    run_name: str,
    step_name: str,
    settings: tuple[str, ...],
    verify: bool,
    in_container: bool,
    any_code: bool,
    pipeline_root: str,
    work_dir: str,
    connection: Connection,
    as_json: bool,
) -> None:
    """Run one step of a recorded run again, from its recorded inputs.

    The run stays as it is; the outputs go to a folder of their own. With --host: a step of a cluster's run, on this
    machine; its record and inputs are fetched from the pipeline root into the store.
    """
    from pipelines.parameters import from_settings
    from pipelines.single_step import compared_outputs, load_step, run_step

    with told():
        workspace = Workspace.at(work_dir)
        step = load_step(step_name)
        changes = from_settings(settings, step.parameters)
        if asks_cluster():
            check_code = not (any_code or in_container)
            recorded = _of_cluster(connection, run_name, step_name, workspace, pipeline_root, check_code=check_code)
        else:
            recorded = _of_this_machine(run_name, step_name, workspace)
        if verify and recorded.record["status"] != "succeeded":
            raise click.UsageError(f"{step_name} {recorded.record['status']} in run {run_name}: nothing to verify by.")
        parameters = {**recorded.parameters, **changes}
        out = workspace.steps / new_name(f"{step_name}-")
        if in_container:
            from pipelines.parameters import check
            from pipelines.step_container import run_step_in_container

            record = run_step_in_container(
                step_name,
                inputs=recorded.inputs,
                parameters=check(step.parameters, parameters),
                out=out,
                image=recorded.image,
                workspace=workspace,
            )
        else:
            record = run_step(step, inputs=recorded.inputs, parameters=parameters, out=out)
    show_record(record, out, as_json=as_json)
    comparisons = compared_outputs(recorded.record, record)
    _show_comparisons(comparisons, out, verify=verify, as_json=as_json)
    sys.exit(FAILED if verify and not all(each.same for each in comparisons) else 0)


def _of_this_machine(run_name: str, step_name: str, workspace: Workspace) -> _Recorded:
    from pipelines.light_kfp import import_light_kfp
    from pipelines.runs import find_run
    from pipelines.single_step import recorded_inputs

    run = find_run(workspace, run_name)
    record, inputs = recorded_inputs(run, step_name)
    import_light_kfp()
    from components.image import IMAGE

    return _Recorded(record=record, inputs=inputs, parameters=record["parameters"], image=run.image or IMAGE)


def _of_cluster(
    connection: Connection,
    run_name: str,
    step_name: str,
    workspace: Workspace,
    pipeline_root: str,
    *,
    check_code: bool,
) -> _Recorded:
    from pipelines.cluster.recorded_steps import ClusterRun
    from pipelines.cluster.rerunning import fetch_inputs, parameters_here, refuse_other_code
    from pipelines.cluster.watching import find_run

    api = connection.api()
    run = ClusterRun(api, find_run(api, run_name), pipeline_root=pipeline_root)
    found = run.step(step_name)
    if check_code:
        refuse_other_code(found.record)
    click.echo(f"Record {found.uri}", err=True)
    return _Recorded(
        record=found.record,
        inputs=fetch_inputs(found, workspace.store),
        parameters=parameters_here(found.record, workspace),
        image=found.record.get("image") or run.image(step_name),
    )


def _show_comparisons(comparisons: Sequence["Comparison"], out: Path, *, verify: bool, as_json: bool) -> None:
    from pipelines.console import table

    changed = [each.output for each in comparisons if not each.same]
    if verify and changed:
        rows = [
            {
                "output": each.output,
                "recorded": each.recorded[:12],
                "here": each.repeated[:12],
                "": "same" if each.same else "differs",
            }
            for each in comparisons
        ]
        click.echo(table(rows), err=True)
    elif not as_json:
        click.echo(f"Differs from the recorded run: {', '.join(changed)}" if changed else "Same digests as recorded.")
