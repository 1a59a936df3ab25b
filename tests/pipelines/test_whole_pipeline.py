"""The real pipeline through the command line: a small demo zip over HTTP, run, repeated, grown, refused, rerun."""

import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipelines.demo.range_server import serve_folder
from pipelines.demo.videos import write_demo_zip

SMALL = ["n_frames=4", "frame_height=32", "frame_width=40", "epochs=2", "classes=RaiseArms,LowerArms,SitUp,LieBack"]


class Machine:
    """A folder to run in, and the address of a zip to run on."""

    def __init__(self, folder: Path, source: str) -> None:
        self.folder, self.source = folder, source

    def reelflow(self, *arguments: str, expect: int = 0) -> Any:
        command = [sys.executable, "-m", "pipelines.cli", *arguments, "--work-dir", str(self.folder / "work"), "--json"]
        ran = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "COLUMNS": "200"})
        assert ran.returncode == expect, ran.stderr
        return json.loads(ran.stdout.splitlines()[-1])

    def run(self, *settings: str, expect: int = 0) -> Any:
        given = [f"source={self.source}", *SMALL, *settings]
        return self.reelflow("run", *(part for setting in given for part in ("--set", setting)), expect=expect)


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    folder = tmp_path_factory.mktemp("machine")
    write_demo_zip(folder / "zip" / "UCF101.zip", groups_per_class=4, clips_per_group=2)
    with serve_folder(folder / "zip") as server:
        yield Machine(folder, f"{server.url}/UCF101.zip")


@pytest.fixture(scope="module")
def first(machine: Machine) -> Any:
    return machine.run()


def statuses(run: Any) -> dict[str, str]:
    return {step["step"]: step["status"] for step in run["steps"]}


def test_run_ends_with_a_served_version_and_two_pages(machine: Machine, first: Any) -> None:
    assert set(statuses(first).values()) == {"succeeded"}
    assert first["scores"]["n_test_videos"] > 0
    assert (machine.folder / "work" / "serving" / "video_classifier" / "1" / "saved_model.pb").is_file()
    assert set(first["pages"]) == {"validate_clips", "evaluate_model"}
    assert all("<html" in Path(page).read_text() for page in first["pages"].values())


def test_same_run_again_runs_only_what_looks_at_the_world_and_pushes_nothing(machine: Machine, first: Any) -> None:
    again = machine.run()

    ran = {step for step, status in statuses(again).items() if status == "succeeded"}
    assert ran == {"ingest_videos", "find_baseline", "push_model"}
    assert set(statuses(again).values()) == {"succeeded", "cached"}
    versions = machine.folder / "work" / "serving" / "video_classifier"
    assert [path.name for path in versions.iterdir()] == ["1"]


def test_step_of_a_recorded_run_runs_again_with_the_same_digests(machine: Machine, first: Any) -> None:
    record = machine.reelflow("rerun", first["run"], "evaluate_model")

    before = next(step for step in first["steps"] if step["step"] == "evaluate_model")
    assert record["status"] == "succeeded"
    assert record["outputs"]["evaluation"]["digest"].startswith(before["digest"])


def test_step_runs_by_hand_on_another_steps_output(machine: Machine, first: Any, tmp_path: Path) -> None:
    videos = next(step for step in first["steps"] if step["step"] == "ingest_videos")["outputs"]["videos"]

    record = machine.reelflow(
        "step", "extract_frames", "--videos", videos, "--store-dir", "", "--n-frames", "3", "--frame-height", "24",
        "--out", str(tmp_path),
    )  # fmt: skip

    assert record["metrics"]["clips"] == record["metrics"]["videos"] > 0
    assert record["parameters"]["frame_width"] == 112


def test_model_that_is_not_better_is_refused_and_the_run_exits_with_3(machine: Machine, first: Any) -> None:
    refused = machine.run("epochs=1", "learning_rate=1e-9", expect=3)

    assert statuses(refused)["extract_frames"] == "cached"
    assert statuses(refused)["train_model"] == "succeeded"
    assert statuses(refused)["push_model"] == "succeeded"
    versions = machine.folder / "work" / "serving" / "video_classifier"
    assert [path.name for path in versions.iterdir()] == ["1"]


def test_one_more_video_fetches_only_it_and_runs_what_depends_on_it(machine: Machine, first: Any) -> None:
    with zipfile.ZipFile(machine.folder / "zip" / "UCF101.zip", "a") as archive:
        another_take = archive.read("UCF101/v_SitUp_g01_c01.avi") + b"\0"
        archive.writestr("UCF101/v_SitUp_g01_c09.avi", another_take)

    grown = machine.run("epochs=1", "fail_on=never", "min_accuracy=1", expect=3)

    ingested = next(step for step in grown["steps"] if step["step"] == "ingest_videos")
    metrics = json.loads(Path(ingested["outputs"]["report"]).read_text())
    assert metrics["fetched"] == 1
    assert set(statuses(grown).values()) == {"succeeded"}
