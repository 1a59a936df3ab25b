"""Videos that end, stall or bloat their decoder: real worker processes, killed for real."""

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from kfp import dsl

from components.contract.clips import ClipGeometry, read_clip_table, read_rejects
from components.contract.videos import read_manifest
from components.extract_frames import worker_pool
from components.extract_frames.clip import Extraction
from components.extract_frames.component import extract_frames
from components.extract_frames.messages import WorkerSettings
from components.extract_frames.worker_pool import VideoRejectedError, WorkerPool
from components.video.preparation import Preparation

Videos = list[tuple[Path, str, str]]
ManifestOf = Callable[[Path, Videos], tuple[Path, str]]

EXTRACTION = Extraction(ClipGeometry(4, 32, 48), Preparation("evenly_spaced", None, "crop"), jpeg_quality=90)

# The worker's own program with a decoder that does what the video's name says.
PROGRAM = """
import ctypes, os, time
from components.extract_frames import worker
extract_clips = worker.extract_clips
def decode(path, **how):
    if "segfault" in path.name:
        ctypes.string_at(0)
    if "endless" in path.name:
        time.sleep(600)
    if "bloated" in path.name:
        bytearray(4 << 30)
    if "environment" in path.name:
        raise RuntimeError(sorted(os.environ))
    if "writer" in path.name:
        path.with_suffix(".written").write_bytes(b"x")
    return extract_clips(path, **how)
worker.extract_clips = decode
worker.main()
"""


@pytest.fixture
def misbehaving(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers whose decoder obeys the videos' names."""
    monkeypatch.setattr(worker_pool, "_COMMAND", (sys.executable, "-P", "-c", PROGRAM))


@pytest.fixture
def pool(misbehaving: None) -> Iterator[WorkerPool]:
    """One such worker, half a second and half a GiB per video."""
    pool = WorkerPool(WorkerSettings(EXTRACTION, 0.5, 512 << 20), n_workers=1)
    yield pool
    pool.close()


def named(videos: Videos, name: str) -> Path:
    path = videos[0][0].with_name(name)
    path.write_bytes(videos[0][0].read_bytes())
    return path


def digest_of(path: Path) -> str:
    import hashlib

    return hashlib.sha256(path.read_bytes()).hexdigest()


def extract(pool: WorkerPool, path: Path) -> int:
    return len(pool.extract(path, digest=digest_of(path)))


def is_alive(process_id: int) -> bool:
    return Path(f"/proc/{process_id}").exists()


@pytest.mark.parametrize(
    ("name", "reason"),
    [("segfault.avi", "decoder_crashed"), ("endless.avi", "too_slow"), ("bloated.avi", "too_much_memory")],
)
def test_a_decoder_that_crashes_stalls_or_bloats_rejects_that_video_and_is_replaced(
    pool: WorkerPool, videos: Videos, name: str, reason: str
) -> None:
    extract(pool, videos[1][0])
    (before,) = pool.process_ids

    with pytest.raises(VideoRejectedError) as rejected:
        extract(pool, named(videos, name))

    assert rejected.value.reason == reason
    assert not is_alive(before)
    assert extract(pool, videos[1][0]) == 1
    assert pool.process_ids != [before]


def test_a_worker_lives_for_many_videos(pool: WorkerPool, videos: Videos) -> None:
    before = pool.process_ids

    for path, _, _ in videos:
        extract(pool, path)

    assert pool.process_ids == before


def test_a_worker_that_the_machine_kills_costs_no_video(
    tmp_path: Path, videos: Videos, manifest_of: ManifestOf
) -> None:
    pool = WorkerPool(WorkerSettings(EXTRACTION, 60, 512 << 20), n_workers=1)
    untouched = pool.extract(videos[0][0], digest=digest_of(videos[0][0]))
    os.kill(pool.process_ids[0], signal.SIGKILL)

    after = pool.extract(videos[0][0], digest=digest_of(videos[0][0]))

    assert after == untouched
    pool.close()


def test_a_worker_sees_no_environment_and_writes_no_file(
    pool: WorkerPool, videos: Videos, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOKEN_OF_SOMETHING", "secret")
    fresh = WorkerPool(WorkerSettings(EXTRACTION, 5, 512 << 20), n_workers=1)

    with pytest.raises(RuntimeError, match="PYTHONPATH") as told:
        extract(fresh, named(videos, "environment.avi"))
    with pytest.raises(RuntimeError, match="File too large"):
        extract(fresh, named(videos, "writer.avi"))

    assert "TOKEN_OF_SOMETHING" not in str(told.value)
    assert not [path for path in videos[0][0].parent.glob("*.written") if path.stat().st_size]
    fresh.close()


def test_closing_ends_a_worker_that_is_busy(misbehaving: None, videos: Videos) -> None:
    pool = WorkerPool(WorkerSettings(EXTRACTION, 600, 512 << 20), n_workers=1)
    extract(pool, videos[1][0])
    errors: list[BaseException] = []

    def ask() -> None:
        try:
            extract(pool, endless)
        except RuntimeError as error:
            errors.append(error)

    endless, (process_id,) = named(videos, "endless.avi"), pool.process_ids
    thread = threading.Thread(target=ask)
    thread.start()
    time.sleep(0.3)
    pool.close()
    thread.join(timeout=5)

    assert not thread.is_alive()
    assert not is_alive(process_id)
    assert "ended" in str(errors[0])


def test_videos_in_are_videos_with_clips_and_rejects_whatever_the_decoder_does(
    tmp_path: Path, videos: Videos, manifest_of: ManifestOf, misbehaving: None, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = ["segfault.avi", "endless.avi", "bloated.avi"]
    folder, digest = manifest_of(
        tmp_path / "videos", [*videos, *((named(videos, name), "Red", "train") for name in bad)]
    )

    extract_frames.python_func(
        videos=dsl.Dataset(uri=str(folder)), videos_digest=digest, clips=dsl.Dataset(uri=str(tmp_path / "clips")),
        rejects=dsl.Dataset(uri=str(tmp_path / "rejects")), report=dsl.Metrics(uri=str(tmp_path / "report")),
        record=dsl.Artifact(uri=str(tmp_path / "record")), store_dir="", n_frames=4, frame_height=32, frame_width=48,
        workers=2, video_time_limit_s=1.5, video_memory_mib=512, max_rejected_fraction=0.5,
    )  # fmt: skip

    rejects = {reject.video: reject for reject in read_rejects(tmp_path / "rejects")}
    assert {name: reject.reason for name, reject in rejects.items()} == {
        "segfault.avi": "decoder_crashed",
        "endless.avi": "too_slow",
        "bloated.avi": "too_much_memory",
    }
    assert "SIGSEGV" in rejects["segfault.avi"].detail
    assert rejects["segfault.avi"].uri == str(videos[0][0].with_name("segfault.avi"))
    assert read_clip_table(tmp_path / "clips").num_rows == 10 == len(read_manifest(folder).videos) - len(rejects)
    assert "13 videos = 10 with clips + 3 rejects" in capsys.readouterr().out
    assert json.loads((tmp_path / "report").read_text())["rejects_too_slow"] == 1
