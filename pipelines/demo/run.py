"""The demo: draw the videos, serve their zip over HTTP, run the pipeline from its URL, and add the controls."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from components.contract.accepted import accepted_root
from components.contract.code_digest import all_code_digest
from components.contract.files import sha256_of_json
from components.contract.progress import PREFIX
from components.contract.verdict import SCORES_NAME
from pipelines.console import Console
from pipelines.containers import RUN_LABEL, STEP_LABEL, containers_for, find_image, run_container
from pipelines.demo.range_server import serve_folder
from pipelines.demo.videos import write_demo_zip
from pipelines.local_run import start
from pipelines.parameters import from_file
from pipelines.runs import Run, StepState
from pipelines.workspace import Workspace

PARAMETERS = Path(__file__).with_name("parameters.yaml")
ZIP_NAME = "UCF101.zip"
CONTROLS = "controls"


def run_demo(workspace: Workspace, *, fresh: bool, console: Console, image: str | None = None) -> dict[str, Any]:
    """Run the demo and return its scores, where its report is, and how long the pipeline took.

    Args:
        workspace: The demo's store and serving directory are in a folder of their own below it.
        fresh: Forget what earlier demo runs fetched, cached and served.
        console: Where the lines go.
        image: Name of the image whose containers run the steps and the controls, or None for processes.
    """
    folder = workspace.root / "demo"
    demo = replace(workspace, store=folder / "store", serving=folder / "serving" / "actions")
    if fresh:
        for kept in (demo.store, demo.serving, accepted_root(str(demo.serving))):
            shutil.rmtree(kept, ignore_errors=True)
    zip_path = folder / "videos" / ZIP_NAME
    drawing = StepState(step="draw videos")
    drawn = write_demo_zip(
        zip_path, progress=lambda done, total: console.progress(drawing, f"{done}/{total} videos drawn")
    )
    console.say(f"{drawn.n_videos} demo videos in {zip_path} ({drawn.n_bytes / 1e6:.0f} MB)")
    with serve_folder(zip_path.parent) as server:
        parameters = {**from_file(PARAMETERS), "source": f"{server.url}/{ZIP_NAME}"}
        run = start(demo, parameters, console=console, image=image)
    controls = _controls(demo, run, console)
    evaluation = run.step("evaluate_model")
    scores_folder = evaluation.output_path("evaluation")
    assert scores_folder is not None
    scores = json.loads((scores_folder / SCORES_NAME).read_text())
    return {
        "test_accuracy": scores["test"]["accuracy"],
        "reversed_accuracy": controls["reversed_accuracy"],
        "still_trained_accuracy": controls["still_trained_accuracy"],
        "test_videos": scores["test"]["n_videos"],
        "seconds": round(run.seconds, 1),
        "cached_steps": sum(state.status == "cached" for state in run.steps),
        "report": str(run.page("evaluate_model")),
        "run": run.name,
    }


def _controls(workspace: Workspace, run: Run, console: Console) -> dict[str, float]:
    """Run the controls in a process of their own, or read what they found for the same model and clips before."""
    key = sha256_of_json(
        {
            "clips": run.step("extract_frames").outputs["Output"],
            "model": run.step("train_model").outputs["Output"],
            "code": [all_code_digest(), Path(__file__).with_name("controls.py").read_text()],
        }
    )
    found = workspace.store / CONTROLS / f"{key}.json"
    if not found.is_file():
        state = StepState(step=CONTROLS)
        log_path = run.log(CONTROLS)
        with log_path.open("w") as log:

            def follow(line: str) -> None:
                log.write(line)
                if line.startswith(PREFIX):
                    console.progress(state, line.removeprefix(PREFIX).rstrip())

            arguments = ["-m", "pipelines.demo.controls", str(run.folder), str(found)]
            code = (_in_container if run.image else _in_process)(workspace, run, arguments, follow)
        if code != 0:
            raise RuntimeError(f"The demo's controls failed; see {log_path}")
    controls: dict[str, float] = json.loads(found.read_text())
    return controls


def _in_process(workspace: Workspace, run: Run, arguments: list[str], on_line: Callable[[str], None]) -> int:
    packages = str(Path(__file__).resolve().parents[2])
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONPATH": packages}
    with subprocess.Popen(
        [sys.executable, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            on_line(line)
    return process.returncode


def _in_container(workspace: Workspace, run: Run, arguments: list[str], on_line: Callable[[str], None]) -> int:
    import docker

    assert run.image is not None
    containers = containers_for(workspace, run.parameters, find_image(run.image))
    root = str(workspace.root)
    with contextlib.closing(docker.from_env()) as client:
        return run_container(
            client,
            containers=containers,
            command=["python3", *arguments],
            volumes={root: {"bind": root, "mode": "rw"}},
            environment={},
            labels={RUN_LABEL: run.name, STEP_LABEL: CONTROLS},
            on_line=on_line,
        )
