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
import yaml

from components.contract.model import read_model
from components.contract.verdict import VERDICT_NAME
from pipelines.cluster.schedule_file import read_schedules
from pipelines.demo.range_server import serve_folder
from pipelines.demo.videos import write_demo_zip

# two epochs teach nothing, so that the loop's gate is open to any model: it must be better by more than -1
SMALL: dict[str, Any] = {
    "n_frames": 4,
    "frame_height": 32,
    "frame_width": 40,
    "epochs": 2,
    "classes": ["RaiseArms", "LowerArms", "SitUp", "LieBack"],
    "min_improvement": -1.0,
    "initial_model": "champion",
}
GROUPS_AT_FIRST, GROUPS_LATER, CLIPS_PER_GROUP = 4, 6, 2


class Machine:
    """A folder to run in, and the address of a zip to run on."""

    def __init__(self, folder: Path, source: str) -> None:
        self.folder, self.source = folder, source

    @property
    def versions(self) -> list[str]:
        return sorted(path.name for path in (self.folder / "work" / "serving" / "video_classifier").iterdir())

    def publish(self, *, n_groups: int) -> None:
        """Let the zip hold the videos of the first groups."""
        with (
            zipfile.ZipFile(self.folder / "all.zip") as drawn,
            zipfile.ZipFile(self.folder / "zip" / "UCF101.zip", "w") as published,
        ):
            for name in drawn.namelist():
                if int(name.rpartition("_g")[2][:2]) <= n_groups:
                    published.writestr(drawn.getinfo(name), drawn.read(name))

    def reelflow(self, *arguments: str, expect: int = 0) -> Any:
        command = [sys.executable, "-m", "pipelines.cli", *arguments, "--work-dir", str(self.folder / "work"), "--json"]
        ran = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "COLUMNS": "200"})
        assert ran.returncode == expect, ran.stderr
        return json.loads(ran.stdout.splitlines()[-1])

    def run(self, *settings: str, expect: int = 0) -> Any:
        small = [f"{name}={','.join(value) if isinstance(value, list) else value}" for name, value in SMALL.items()]
        given = [f"source={self.source}", *small, *settings]
        return self.reelflow("run", *(part for setting in given for part in ("--set", setting)), expect=expect)


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    folder = tmp_path_factory.mktemp("machine")
    write_demo_zip(folder / "all.zip", groups_per_class=GROUPS_LATER, clips_per_group=CLIPS_PER_GROUP)
    (folder / "zip").mkdir()
    with serve_folder(folder / "zip") as server:
        machine = Machine(folder, f"{server.url}/UCF101.zip")
        machine.publish(n_groups=GROUPS_AT_FIRST)
        yield machine


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
    refused = machine.run("epochs=1", "learning_rate=1e-9", "min_improvement=1", expect=3)

    assert statuses(refused)["extract_frames"] == "cached"
    assert statuses(refused)["train_model"] == "succeeded"
    assert statuses(refused)["push_model"] == "succeeded"
    assert machine.versions == ["1"]


def test_scheduled_runs_cost_only_the_listing_until_new_videos_come_which_are_trained_on_judged_and_pushed(
    machine: Machine, first: Any, tmp_path: Path
) -> None:
    schedule = {
        "name": "nightly",
        "cron": "0 3 * * *",
        "time_zone": "UTC",
        "parameters": {"source": machine.source, **SMALL},
    }
    (tmp_path / "schedule.yaml").write_text(yaml.safe_dump(schedule))
    (nightly,) = read_schedules(tmp_path / "schedule.yaml")
    (tmp_path / "parameters.yaml").write_text(yaml.safe_dump(nightly.schedule.parameters))
    tick = ("run", "--params", str(tmp_path / "parameters.yaml"))

    nothing_new = machine.reelflow(*tick)
    versions_before = machine.versions
    machine.publish(n_groups=GROUPS_LATER)
    grown = machine.reelflow(*tick)
    nothing_new_again = machine.reelflow(*tick)

    cached = {"extract_frames", "validate_clips", "train_model", "evaluate_model"}
    for quiet in (nothing_new, nothing_new_again):
        assert {step for step, status in statuses(quiet).items() if status == "cached"} == cached
        assert metrics_of(quiet, "ingest_videos")["fetched"] == 0
        assert metrics_of(quiet, "push_model")["pushed"] == 0
    assert versions_before == ["1"]
    assert set(statuses(grown).values()) == {"succeeded"}
    n_new = 4 * (GROUPS_LATER - GROUPS_AT_FIRST) * CLIPS_PER_GROUP
    assert metrics_of(grown, "ingest_videos")["fetched"] == n_new
    evaluation = next(step for step in grown["steps"] if step["step"] == "evaluate_model")["outputs"]["evaluation"]
    verdict = json.loads((Path(evaluation) / VERDICT_NAME).read_text())
    assert (verdict["baseline_version"], verdict["may_push"]) == (1, True)
    trained = next(step for step in grown["steps"] if step["step"] == "train_model")["outputs"]["model"]
    champion = machine.folder / "work" / "serving" / "video_classifier" / "1"
    assert read_model(Path(trained)).training["initial_model"] == str(champion)
    assert metrics_of(grown, "push_model") == {"pushed": 1, "version": 2}
    assert machine.versions == ["1", "2"]


def metrics_of(run: Any, step: str) -> Any:
    outputs = next(each for each in run["steps"] if each["step"] == step)["outputs"]
    return json.loads(Path(outputs["report"]).read_text())
