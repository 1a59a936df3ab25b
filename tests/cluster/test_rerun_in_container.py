"""A step of a cluster's run again, in a container of the image that the run used."""

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from components.image import IMAGE
from pipelines.containers import find_image
from pipelines.runs import Run
from pipelines.workspace import WorkspaceError
from tests.cluster.backend_layout import Recorded

Call = Callable[..., Result]


@pytest.fixture
def image() -> str:
    """The steps' image on this machine, built from the code that is here."""
    if not shutil.which("docker") or subprocess.run(["docker", "version"], capture_output=True).returncode:
        pytest.skip("no Docker daemon answers; start one, or set DOCKER_HOST to where it listens")
    try:
        found = find_image(IMAGE)
    except WorkspaceError as error:
        pytest.skip(str(error))
    if not found.is_of_this_code:
        pytest.skip(f"{IMAGE} was built from other code; `make images` builds it anew")
    return found.name


@pytest.mark.containers
def test_rerun_in_the_recorded_image_gives_the_same_digests(
    in_gcs: Recorded, image: str, call: Call, done: Run
) -> None:
    work = ("--work-dir", str(done.folder.parent.parent))  # a container sees the videos of its own workspace

    again = call(
        "rerun", in_gcs.run_id, "extract_frames", "--host", in_gcs.url, "--docker", "--verify", "--json", *work
    )

    assert again.exit_code == 0, again.output
    record = json.loads(again.stdout.splitlines()[-1])
    assert record["image"].startswith(f"{image}@sha256:")


@pytest.mark.containers
def test_step_that_fails_in_its_container_tells_its_own_reason(
    in_gcs: Recorded, image: str, call: Call, tmp_path: Path
) -> None:
    work = ("--work-dir", str(tmp_path / "here"))

    failed = call(
        "rerun", in_gcs.run_id, "extract_frames", "--host", in_gcs.url, "--docker", "--set", "frame_width=-1", *work
    )

    assert failed.exit_code == 1
    assert "frame_width" in failed.stderr
    assert "Remedy: " in failed.stderr
