from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from components.contract.clip_dataset import clip_dataset, read_clip_batches
from components.contract.clips import ClipGeometry
from components.contract.errors import StepError


def test_clips_are_read_in_stored_order_and_the_last_batch_is_smaller(tmp_path, write_clips):
    clips = write_clips(tmp_path / "clips", n_clips=5)

    batches = list(read_clip_batches(tmp_path / "clips", clips, "test", batch_size=3))

    assert [frames.shape for frames, _, _ in batches] == [(3, 4, 12, 20, 3), (2, 4, 12, 20, 3)]
    assert {frames.dtype for frames, _, _ in batches} == {np.dtype(np.uint8)}
    assert np.concatenate([labels for _, labels, _ in batches]).tolist() == [0, 0, 0, 1, 1]
    assert [video for _, _, videos in batches for video in videos] == [f"test-{i}.avi" for i in (0, 2, 4, 1, 3)]


def test_frames_come_back_nearly_as_they_were_drawn(tmp_path, write_clips):
    clips = write_clips(tmp_path / "clips", n_clips=2)

    ((frames, labels, _),) = read_clip_batches(tmp_path / "clips", clips, "train", batch_size=2)

    brightest_column = frames.mean(axis=(2, 4)).argmax(axis=2)
    assert labels.tolist() == [0, 1]
    assert brightest_column[0][0] > brightest_column[0][-1]
    assert brightest_column[1][0] < brightest_column[1][-1]


def test_a_shard_cut_between_records_is_an_error_and_not_an_end(tmp_path, write_clips):
    clips = write_clips(tmp_path / "clips", n_clips=4)
    shard = clips.paths(tmp_path / "clips", "train")[0]
    data = shard.read_bytes()
    first_record_ends = 8 + 4 + int.from_bytes(data[:8], "little") + 4
    shard.write_bytes(data[:first_record_ends])

    with pytest.raises(StepError, match="holds 1 whole records; its marker says 2"):
        clip_dataset(tmp_path / "clips", clips, "train")


def test_an_empty_shard_is_an_error(tmp_path, write_clips):
    clips = write_clips(tmp_path / "clips", n_clips=4)
    clips.paths(tmp_path / "clips", "test")[1].write_bytes(b"")

    with pytest.raises(StepError, match="holds 0 whole records; its marker says 2"):
        list(read_clip_batches(tmp_path / "clips", clips, "test", batch_size=2))


def test_a_split_without_shards_is_empty(tmp_path, write_clips):
    clips = write_clips(tmp_path / "clips", n_clips=2)
    without_validation = replace(clips, shards=tuple(s for s in clips.shards if s.split != "validation"))

    assert list(read_clip_batches(tmp_path / "clips", without_validation, "validation", batch_size=2)) == []


@pytest.mark.parametrize("wrong", [ClipGeometry(5, 12, 20), ClipGeometry(4, 20, 12)])
def test_clips_of_another_shape_than_promised_are_an_error(tmp_path, write_clips, wrong):
    clips = replace(write_clips(tmp_path / "clips", n_clips=2), geometry=wrong)

    with pytest.raises(StepError, match="not clips of shape"):
        list(read_clip_batches(tmp_path / "clips", clips, "train", batch_size=2))


def test_a_rotten_record_is_an_error(tmp_path: Path, write_clips):
    clips = write_clips(tmp_path / "clips", n_clips=2)
    shard = clips.paths(tmp_path / "clips", "train")[0]
    data = bytearray(shard.read_bytes())
    data[len(data) // 2] ^= 255
    shard.write_bytes(bytes(data))

    with pytest.raises(StepError, match="Run extract_frames again"):
        list(read_clip_batches(tmp_path / "clips", clips, "train", batch_size=2))
