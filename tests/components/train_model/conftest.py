"""Small clips on disk, written as extract_frames writes them."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from components.contract.clips import (
    CLIP_INDEX_KEY,
    IMAGE_KEY,
    LABEL_INDEX_KEY,
    LABEL_TEXT_KEY,
    VIDEO_KEY,
    ClipGeometry,
    Clips,
    Shard,
    finish_clips,
    read_clips,
)
from components.contract.videos import SPLITS

WriteClips = Callable[..., Clips]
LABELS = ("MovesLeft", "MovesRight")


def moving_square(rng: np.random.Generator, geometry: ClipGeometry, *, rightwards: bool) -> np.ndarray:
    """RGB, uint8, shape (time, height, width, 3): a bright square that crosses noise; one frame tells nothing."""
    frames = rng.integers(0, 60, geometry.shape).astype(np.uint8)
    side = geometry.frame_height // 3
    top = rng.integers(0, geometry.frame_height - side)
    lefts = np.linspace(0, geometry.frame_width - side, geometry.n_frames).astype(int)
    for frame, left in zip(frames, lefts if rightwards else lefts[::-1], strict=True):
        frame[top : top + side, left : left + side] = 230
    return frames


def example_bytes(frames: np.ndarray, label_index: int, video: str) -> bytes:
    import tensorflow as tf

    def of_bytes(values: list[bytes]) -> "tf.train.Feature":
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=values))

    def of_int(value: int) -> "tf.train.Feature":
        return tf.train.Feature(int64_list=tf.train.Int64List(value=[value]))

    feature = {
        IMAGE_KEY: of_bytes([tf.io.encode_jpeg(frame, quality=95).numpy() for frame in frames]),
        LABEL_INDEX_KEY: of_int(label_index),
        LABEL_TEXT_KEY: of_bytes([LABELS[label_index].encode()]),
        VIDEO_KEY: of_bytes([video.encode()]),
        CLIP_INDEX_KEY: of_int(0),
    }
    return tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString()


@pytest.fixture
def write_clips() -> WriteClips:
    """Write a folder of clips of two motions and return what it holds."""

    def write(
        folder: Path, *, n_clips: int = 4, geometry: ClipGeometry | None = None, n_shards: int = 2, seed: int = 0
    ) -> Clips:
        import tensorflow as tf

        geometry = geometry or ClipGeometry(n_frames=4, frame_height=12, frame_width=20)
        rng = np.random.default_rng(seed)
        folder.mkdir(parents=True)
        shards = []
        for split in SPLITS:
            for number in range(n_shards):
                name = f"{split}-{number:05d}-of-{n_shards:05d}.tfrecord"
                indices = range(number, n_clips, n_shards)
                with tf.io.TFRecordWriter(str(folder / name)) as writer:
                    for index in indices:
                        frames = moving_square(rng, geometry, rightwards=index % 2 == 1)
                        writer.write(example_bytes(frames, index % 2, f"{split}-{index}.avi"))
                shards.append(Shard(name=name, split=split, n_clips=len(indices)))
        finish_clips(folder, geometry=geometry, preparation={"sampler": "even"}, labels=LABELS, shards=shards, rows=[])
        return read_clips(folder)

    return write


@pytest.fixture
def small_model(monkeypatch) -> str:
    """The default network with one stage in place of two: what takes time in a short training is tracing layers."""
    from components.train_model.models import MODELS
    from components.train_model.models.r2plus1d_fast import r2plus1d_fast

    monkeypatch.setitem(MODELS, "small", partial(r2plus1d_fast, widths=(4, 8)))
    return "small"
