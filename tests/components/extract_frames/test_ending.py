"""How a real run of the step ends when the disk or a person ends it early."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from components.contract.clips import read_clips
from components.contract.errors import StepError

Videos = list[tuple[Path, str, str]]
ManifestOf = Callable[[Path, Videos], tuple[Path, str]]

STEP = """
import resource, sys
from kfp import dsl
from components.extract_frames.component import extract_frames
manifest, digest, out, largest_file = sys.argv[1:]
if int(largest_file):
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(largest_file), int(largest_file)))
print(extract_frames.python_func(
    videos=dsl.Dataset(uri=manifest), videos_digest=digest, clips=dsl.Dataset(uri=f"{out}/clips"),
    rejects=dsl.Dataset(uri=f"{out}/rejects"), report=dsl.Metrics(uri=f"{out}/report"),
    record=dsl.Artifact(uri=f"{out}/record"), store_dir="", n_frames=16, frame_height=64, frame_width=96, workers=1,
))
"""


def started(manifest: tuple[Path, str], out: Path, *, largest_file: int = 0) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", STEP, str(manifest[0]), manifest[1], str(out), str(largest_file)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def error_in_record(out: Path) -> dict[str, str]:
    return json.loads((out / "record" / "step.json").read_text())["error"]


def test_a_disk_that_takes_no_more_is_named_and_nothing_half_written_stays(
    tmp_path: Path, videos: Videos, manifest_of: ManifestOf
) -> None:
    manifest = manifest_of(tmp_path / "videos", videos)

    # No file may grow beyond 100 kB: the write fails as on a full disk.
    process = started(manifest, tmp_path, largest_file=100_000)
    process.communicate(timeout=60)

    assert process.returncode == 1
    error = error_in_record(tmp_path)
    assert error["type"] == "StepError"
    assert f"{tmp_path / 'clips'} cannot be written (File too large)" in error["message"]
    assert "disk" in error["remedy"]
    assert list((tmp_path / "clips").iterdir()) == []


def test_a_step_told_to_end_says_so_and_a_rerun_gives_the_same_bytes(
    tmp_path: Path, videos: Videos, manifest_of: ManifestOf
) -> None:
    data = videos[0][0].read_bytes()
    for number in range(400):
        path = tmp_path / f"v_Blue_more_{number}.avi"
        path.write_bytes(data)
        videos.append((path, "Blue", "train"))
    manifest = manifest_of(tmp_path / "videos", videos)

    process = started(manifest, tmp_path / "ended")
    while not any(path.stat().st_size for path in tmp_path.glob("ended/clips/.*.part")):
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    told = time.monotonic()
    process.communicate(timeout=60)
    ended_after_s = time.monotonic() - told

    assert ended_after_s < 5
    assert process.returncode == 1
    assert error_in_record(tmp_path / "ended")["type"] == "Terminated"
    with pytest.raises(StepError, match="not finished"):
        read_clips(tmp_path / "ended" / "clips")
    digests = []
    for out in ("ended", "untouched"):
        rerun = started(manifest, tmp_path / out)
        digests.append(rerun.communicate(timeout=60)[0].splitlines()[-1])
        assert rerun.returncode == 0
    assert digests[0] == digests[1] == read_clips(tmp_path / "ended" / "clips").digest
