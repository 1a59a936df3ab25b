import hashlib
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from components.contract import buckets
from components.contract.clips import ClipGeometry
from components.contract.videos import SPLITS, Video, read_manifest
from components.extract_frames.beam_pipeline import run
from components.extract_frames.clip import Extraction
from components.extract_frames.messages import WorkerSettings
from components.extract_frames.shard_writing import ShardWriting, Written
from components.extract_frames.shards import planned_shards
from components.video.preparation import Preparation

GEOMETRY = ClipGeometry(n_frames=4, frame_height=32, frame_width=48)
PREPARATION = Preparation(sampling="evenly_spaced", frame_step=None, resize="crop")
SETTINGS = WorkerSettings(Extraction(GEOMETRY, PREPARATION, jpeg_quality=90), 60.0, 1 << 30)


def many_videos(n: int) -> list[Video]:
    return [
        Video(
            f"{number:03d}.avi", f"/nowhere/{number}.avi", "Red", f"g{number}", SPLITS[number % 3], 1, f"{number:064d}"
        )
        for number in range(n)
    ]


def bytes_of(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


def test_every_video_is_in_one_shard_of_its_split() -> None:
    videos = many_videos(100)

    plans = planned_shards(videos, geometry=GEOMETRY, target_bytes=20_000)

    assert sorted(video.name for plan in plans for video in plan.videos) == [video.name for video in videos]
    assert all(video.split == plan.split for plan in plans for video in plan.videos)
    assert len({plan.name for plan in plans}) == len(plans) > 3 * 3
    sizes = [len(plan.videos) for plan in plans if plan.split == "train"]
    assert max(sizes) - min(sizes) <= 1
    assert max(sizes) * 4 * 32 * 48 * 0.4 <= 20_000


def test_the_order_is_a_stable_hash_and_not_that_of_the_manifest() -> None:
    videos = many_videos(60)

    plans = planned_shards(videos, geometry=GEOMETRY)

    assert plans == planned_shards(videos[::-1], geometry=GEOMETRY)
    names = [video.name for video in plans[0].videos]
    assert names[:4] == ["015.avi", "033.avi", "030.avi", "021.avi"]
    assert names != sorted(names)


def test_several_shards_have_the_same_bytes_for_any_number_of_workers(
    tmp_path: Path,
    videos: list[tuple[Path, str, str]],
    manifest_of: Callable[[Path, list[tuple[Path, str, str]]], tuple[Path, str]],
) -> None:
    (tmp_path / "broken.avi").write_bytes(b"")
    folder, _ = manifest_of(tmp_path / "videos", [*videos, (tmp_path / "broken.avi", "Red", "test")])
    manifest = read_manifest(folder)
    plans = planned_shards(manifest.videos, geometry=GEOMETRY, target_bytes=5_000)

    written: list[tuple[dict[str, str], Written]] = []
    for workers in (1, 3):
        shards = tmp_path / f"shards_{workers}"
        shards.mkdir()
        writing = ShardWriting(str(shards), manifest.labels, SETTINGS, workers, shard_bytes=1 << 20, store=None)
        outcome = run(plans, writing=writing)
        shutil.rmtree(shards / "_outcomes")
        written.append((bytes_of(shards), outcome))

    assert written[0] == written[1]
    shards, (rows, rejects) = written[0][0], (written[0][1].rows, written[0][1].rejects)
    assert len([name for name in shards if name.startswith("train-")]) == 3
    assert (len(rows), [reject.reason for reject in rejects]) == (10, ["empty"])
    for name in shards:
        places = sorted(row.position for row in rows if row.shard == name)
        assert places == list(range(len(places)))


def test_a_shard_that_would_grow_too_large_goes_on_in_another_file(
    tmp_path: Path,
    videos: list[tuple[Path, str, str]],
    manifest_of: Callable[[Path, list[tuple[Path, str, str]]], tuple[Path, str]],
) -> None:
    manifest = read_manifest(manifest_of(tmp_path / "videos", videos)[0])
    shards = tmp_path / "shards"
    shards.mkdir()
    writing = ShardWriting(str(shards), manifest.labels, SETTINGS, 2, shard_bytes=6_000, store=None)

    written = run(planned_shards(manifest.videos, geometry=GEOMETRY), writing=writing)

    files = {path.name: path.stat().st_size for path in shards.glob("train*")}
    listed = [shard for shard in written.shards if shard.split == "train"]
    assert [shard.name for shard in listed] == sorted(files)
    assert len(files) > 1
    assert max(files.values()) <= 6_000
    assert sum(shard.n_clips for shard in listed) == 6
    for shard in listed:
        assert [row.position for row in written.rows if row.shard == shard.name] == list(range(shard.n_clips))


def test_shards_and_videos_in_a_bucket_have_the_bytes_of_local_ones(
    tmp_path: Path,
    gcs_bucket: str,
    videos: list[tuple[Path, str, str]],
    manifest_of: Callable[[Path, list[tuple[Path, str, str]]], tuple[Path, str]],
) -> None:
    manifest = read_manifest(manifest_of(tmp_path / "videos", videos)[0])
    local = tmp_path / "local"
    local.mkdir()
    remote = [replace(video, uri=f"{gcs_bucket}/videos/{video.name}") for video in manifest.videos]
    for path, _, _ in videos:
        buckets.upload_file(path, f"{gcs_bucket}/videos/{path.name}")
    gone = replace(remote[0], name="gone.avi", uri=f"{gcs_bucket}/videos/gone.avi", split="test")
    writing = ShardWriting(str(local), manifest.labels, SETTINGS, 2, shard_bytes=1 << 20, store=None)
    run(planned_shards(manifest.videos, geometry=GEOMETRY), writing=writing)

    for _ in range(2):  # an engine may do the work twice
        there = run(
            planned_shards([*remote, gone], geometry=GEOMETRY),
            writing=replace(writing, destination=f"{gcs_bucket}/clips"),
        )

    for shard in there.shards:
        assert buckets.read_bytes(f"{gcs_bucket}/clips/{shard.name}") == (local / shard.name).read_bytes()
    assert [(reject.video, reject.reason) for reject in there.rejects] == [("gone.avi", "missing")]
    assert len(there.shards) == 3
