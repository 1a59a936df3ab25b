from pathlib import Path

import numpy as np
import pytest
import simplejpeg

from components.contract.clip_dataset import read_clip_batches
from components.contract.clip_record import ClipRecord, encoded, framed
from components.contract.clips import ClipGeometry, Shard, finish_clips, read_clips
from pipelines.demo.controls import write_still_clips

GEOMETRY = ClipGeometry(n_frames=5, frame_height=16, frame_width=24)
LABELS = ("LowerArms", "RaiseArms")
N_CLIPS = 12


@pytest.fixture
def clips_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "clips"
    folder.mkdir()
    shard = Shard(name="test-00000.tfrecord", split="test", n_clips=N_CLIPS)
    (folder / shard.name).write_bytes(b"".join(framed(encoded(brightening(number))) for number in range(N_CLIPS)))
    finish_clips(folder, geometry=GEOMETRY, preparation={}, labels=LABELS, shards=[shard], rows=[])
    return folder


def brightening(number: int) -> ClipRecord:
    """A clip whose frames tell their place by their brightness: 0, 50, 100 …"""
    frames = [np.full(GEOMETRY.shape[1:], 50 * place, np.uint8) for place in range(GEOMETRY.n_frames)]
    return ClipRecord(
        frames=[simplejpeg.encode_jpeg(frame, quality=95) for frame in frames],
        label_index=number % 2,
        label=LABELS[number % 2],
        group=f"g{number}",
        split="test",
        video=f"v{number}.avi",
        video_digest="ab",
        clip_index=0,
        timestamps_s=[0.0] * GEOMETRY.n_frames,
    )


def test_still_clip_repeats_one_frame_of_its_own_and_keeps_its_label(clips_folder: Path, tmp_path: Path) -> None:
    write_still_clips(clips_folder, tmp_path / "still")

    still = read_clips(tmp_path / "still")
    batches = read_clip_batches(tmp_path / "still", still, "test", batch_size=N_CLIPS)
    ((frames, label_index, videos),) = batches
    places = np.round(frames.mean(axis=(2, 3, 4)) / 50).astype(int)
    assert list(label_index) == [number % 2 for number in range(N_CLIPS)]
    assert videos == [f"v{number}.avi" for number in range(N_CLIPS)]
    assert (places == places[:, :1]).all()
    assert len(set(places[:, 0])) > 2  # not the same place of every clip: it would tell a pair apart


def test_still_clips_are_the_same_every_time(clips_folder: Path, tmp_path: Path) -> None:
    write_still_clips(clips_folder, tmp_path / "one")
    write_still_clips(clips_folder, tmp_path / "two")

    assert read_clips(tmp_path / "one").digest == read_clips(tmp_path / "two").digest
