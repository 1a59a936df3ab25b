"""How a real run of the step ends when the disk or a person ends it early."""

import contextlib
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from components.contract.clips import read_clips
from components.contract.errors import StepError

Videos = list[tuple[Path, str, str]]
ManifestOf = Callable[[Path, Videos], tuple[Path, str]]

STEP = """
import resource, sys
from kfp import dsl
from components.extract_frames.component import extract_frames
manifest, digest, out, largest_file, store = sys.argv[1:]
if int(largest_file):
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(largest_file), int(largest_file)))
print(extract_frames.python_func(
    videos=dsl.Dataset(uri=manifest), videos_digest=digest, clips=dsl.Dataset(uri=f"{out}/clips"),
    rejects=dsl.Dataset(uri=f"{out}/rejects"), report=dsl.Metrics(uri=f"{out}/report"),
    record=dsl.Artifact(uri=f"{out}/record"), store_dir=store, n_frames=16, frame_height=64, frame_width=96, workers=1,
))
"""


def started(
    manifest: tuple[Path, str], out: Path, *, largest_file: int = 0, store: Path | str = ""
) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", STEP, str(manifest[0]), manifest[1], str(out), str(largest_file), str(store)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def kill_tree(process: subprocess.Popen[str]) -> None:
    """End the step without a word; its decoding processes see that nobody asks any more."""
    process.kill()
    process.communicate(timeout=60)


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


@pytest.mark.faults
def test_a_step_killed_ten_times_at_random_points_then_gives_the_same_bytes(
    tmp_path: Path, videos: Videos, manifest_of: ManifestOf
) -> None:
    data = videos[0][0].read_bytes()
    for number in range(600):
        path = tmp_path / f"v_Blue_more_{number}.avi"
        path.write_bytes(data + bytes([number % 256, number // 256]))
        videos.append((path, "Blue", "train"))
    manifest = manifest_of(tmp_path / "videos", videos)
    untouched = started(manifest, tmp_path / "untouched", store=tmp_path / "another store")
    began = time.monotonic()
    expected = untouched.communicate(timeout=120)[0].splitlines()[-1]
    whole_s = time.monotonic() - began
    random = Random(4)
    n_kept: list[int] = []
    n_unfinished = 0

    for attempt in range(10):
        # Without the store, too: what it keeps makes a run short.
        process = started(manifest, tmp_path / "killed", store=tmp_path / "store" if attempt % 2 else "")
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=random.uniform(0.2, 1.0) * whole_s)
        kill_tree(process)
        n_kept.append(len(list((tmp_path / "store").glob("clips/??/*"))))
        try:
            assert read_clips(tmp_path / "killed" / "clips").digest == expected  # killed when all was done
        except StepError:
            n_unfinished += 1
    rerun = started(manifest, tmp_path / "killed", store=tmp_path / "store")

    assert rerun.communicate(timeout=120)[0].splitlines()[-1] == expected
    assert read_clips(tmp_path / "killed" / "clips").digest == expected
    assert not list((tmp_path / "killed").rglob("*.part"))
    assert n_kept == sorted(n_kept)
    assert n_unfinished >= 5


def test_a_full_disk_is_named_and_nothing_half_written_stays(
    tmp_path: Path, videos: Videos, manifest_of: ManifestOf
) -> None:
    manifest, disk = manifest_of(tmp_path / "videos", videos), tmp_path / "disk"
    disk.mkdir()
    # A disk of 128 KiB in a mount namespace of its own: the clips take more.
    mounted = (
        f"mount -t tmpfs -o size=128k tmpfs {disk} && mkdir {disk}/record && "
        f'"$@"; code=$?; ls -A {disk}/clips > {tmp_path}/left; cp {disk}/record/step.json {tmp_path}; exit $code'
    )
    if subprocess.run(
        ["unshare", "--mount", "mount", "-t", "tmpfs", "tmpfs", str(disk)], capture_output=True
    ).returncode:
        pytest.skip("a disk of its own needs the right to mount: run as root")

    command = [sys.executable, "-c", STEP, str(manifest[0]), manifest[1], str(disk), "0", ""]
    ended = subprocess.run(
        ["unshare", "--mount", "sh", "-c", mounted, "sh", *command], capture_output=True, text=True, timeout=60
    )

    assert ended.returncode == 1, ended.stderr
    error = json.loads((tmp_path / "step.json").read_text())["error"]
    assert error["type"] == "StepError"
    assert f"{disk}/clips cannot be written (No space left on device)" in error["message"]
    assert (tmp_path / "left").read_text() == ""
