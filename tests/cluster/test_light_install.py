"""What is light: without the extra `steps` one can compile, submit, watch, list and schedule."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

TOKEN = "a-token-of-the-tests"

# What a light install lacks, refused as Python refuses a package that is not there.
LACKING = """
import sys

HEAVY = {
    "tensorflow", "keras", "numpy", "pandas", "cv2", "apache_beam", "pyarrow", "av", "tensorflow_data_validation",
    "boto3", "botocore", "docker", "sklearn", "matplotlib", "jinja2", "simplejpeg", "remotezip",
}

class Lacking:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in HEAVY or name.startswith("google.cloud.storage"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return None

sys.meta_path.insert(0, Lacking())
"""


@pytest.fixture
def light(tmp_path: Path) -> Any:
    """Run a command in a process of its own, which lacks every heavy package."""
    (tmp_path / "sitecustomize.py").write_text(LACKING)
    root = Path(__file__).resolve().parents[2]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(tmp_path), str(root)]),
        "REELFLOW_KFP_TOKEN": TOKEN,
    }

    def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "pipelines.cli", *arguments]
        return subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path)

    return run


def test_light_install_compiles_submits_watches_and_lists(light: Any, fake: Any, tmp_path: Path) -> None:
    at = ("--host", fake.url)
    source = ("--set", "source=https://example.com/UCF101.zip")
    schedule = tmp_path / "schedule.yaml"
    schedule.write_text("name: nightly\ncron: 0 3 * * *\ntime_zone: UTC\nparameters: {source: a.zip}\n")

    compiled = light("compile", "--check")
    planned = light("submit", "--dry-run", *source, *at, "--json")
    sent = light("submit", *source, *at, "--json")
    run = json.loads(sent.stdout)["run"]
    shown = light("runs", run, *at, "--json")
    scheduled = light("schedule", "apply", "-f", str(schedule), *at)
    listed = light("schedule", "list", *at, "--json")

    codes = [each.returncode for each in (compiled, planned, sent, shown, scheduled, listed)]
    assert codes == [0] * 6, [each.stderr for each in (compiled, planned, sent, shown, scheduled, listed)]
    assert list(fake.runs) == [run]
    assert json.loads(shown.stdout)["scores"] == {}
    assert [row["name"] for row in json.loads(listed.stdout)] == ["nightly"]


def test_light_install_follows_a_run_to_its_end(light: Any, fake: Any) -> None:
    light("submit", "--set", "source=a.zip", "--host", fake.url)

    watched = light("runs", "latest", "--watch", "--host", fake.url)

    assert watched.returncode == 0, watched.stderr
    assert "✓ train_model" in watched.stderr


@pytest.mark.parametrize(("root", "extra"), [("s3://bucket/v2", "reelflow[s3]"), ("gs://bucket/v2", "reelflow[steps]")])
def test_light_install_names_the_extra_that_reading_a_bucket_needs(
    light: Any, fake: Any, root: str, extra: str
) -> None:
    light("submit", "--set", "source=a.zip", "--pipeline-root", root, "--host", fake.url)

    listed = light("runs", "--host", fake.url)

    assert listed.returncode == 0
    assert extra in listed.stderr
