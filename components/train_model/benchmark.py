"""How training compares with the tutorial's: a step of its model, and the reading of its videos."""

import random
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from components.contract.clip_dataset import clip_dataset
from components.contract.clips import (
    IMAGE_KEY,
    LABEL_INDEX_KEY,
    VIDEO_KEY,
    ClipGeometry,
    Clips,
    Shard,
    finish_clips,
    read_clips,
)
from components.contract.figures import Figure

_GEOMETRY = ClipGeometry(n_frames=10, frame_height=224, frame_width=224)
_FRAME_STEP = 15
_VIDEO_HEIGHT, _VIDEO_WIDTH, _N_VIDEO_FRAMES = 240, 320, 154
_N_LABELS = 10
_STEP_BATCH_SIZE, _N_STEPS = 2, 3
# An epoch of recorded clips is long enough that setting up its pipeline, done once, does not count.
_READING_BATCH_SIZE, _N_RECORDED, _N_GENERATED = 8, 400, 24
_ROUNDS = 3


def figures() -> Iterator[Figure]:
    """Measure each figure on clips and videos made for it."""
    yield Figure("time per training step, 10 frames of 224x224, batch 2", _step_ratio(), 7, "the tutorial's model")
    with tempfile.TemporaryDirectory() as name:
        ratio = _reading_ratio(Path(name))
    yield Figure(
        "CPU time per clip read in an epoch, recorded clips", ratio, 25, "from_generator decoding videos with OpenCV"
    )


def _step_ratio() -> float:
    ours, theirs = (_training_steps(name) for name in ("r2plus1d_fast", "tutorial"))
    return _ratio(theirs, ours, clock=time.perf_counter)


def _training_steps(name: str) -> Callable[[], None]:
    import keras

    from components.train_model.models import build_model

    rng = np.random.default_rng(1)
    clips = rng.integers(0, 256, (_STEP_BATCH_SIZE, *_GEOMETRY.shape), dtype=np.uint8)
    labels = rng.integers(0, _N_LABELS, _STEP_BATCH_SIZE)
    model = build_model(name, _GEOMETRY, _N_LABELS)
    # Without XLA, which is slower on a CPU for both: seven times for the tutorial's model.
    model.compile(
        optimizer=keras.optimizers.Adam(1e-4),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False,
    )

    def steps() -> None:
        for _ in range(_N_STEPS):
            model.train_on_batch(clips, labels)

    return steps


def _reading_ratio(folder: Path) -> float:
    video = _made_video(folder / "video.avi")
    clips = _recorded_clips(folder / "clips", video)

    def ours() -> None:
        _read_all(clip_dataset(folder / "clips", clips, "train"))

    def theirs() -> None:
        _read_all(_generated_clips(video))

    return _ratio(theirs, ours, clock=time.process_time) * _N_RECORDED / _N_GENERATED


def _read_all(dataset: Any) -> None:
    for _ in dataset.batch(_READING_BATCH_SIZE).prefetch(2):
        pass


def _made_video(path: Path) -> Path:
    """Write a textured picture that moves, as large and as long as a video of UCF101."""
    import cv2

    coarse = np.random.default_rng(1).integers(0, 256, (30, 40, 3), dtype=np.uint8)
    picture = cv2.resize(coarse, (2 * _VIDEO_WIDTH, 2 * _VIDEO_HEIGHT), interpolation=cv2.INTER_CUBIC)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"XVID"), 25, (_VIDEO_WIDTH, _VIDEO_HEIGHT))
    for number in range(_N_VIDEO_FRAMES):
        writer.write(np.roll(picture, (number, 2 * number), axis=(0, 1))[:_VIDEO_HEIGHT, :_VIDEO_WIDTH])
    writer.release()
    return path


def _recorded_clips(folder: Path, video: Path) -> Clips:
    """Record the clip that the tutorial's reader gives, as often as it is read."""
    import tensorflow as tf

    frames = np.round(255 * _tutorial_clip(video)).astype(np.uint8)
    jpegs = [tf.io.encode_jpeg(frame, quality=90).numpy() for frame in frames]
    feature = {
        IMAGE_KEY: tf.train.Feature(bytes_list=tf.train.BytesList(value=jpegs)),
        LABEL_INDEX_KEY: tf.train.Feature(int64_list=tf.train.Int64List(value=[0])),
        VIDEO_KEY: tf.train.Feature(bytes_list=tf.train.BytesList(value=[video.name.encode()])),
    }
    record = tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString()
    folder.mkdir()
    with tf.io.TFRecordWriter(str(folder / "train.tfrecord")) as writer:
        for _ in range(_N_RECORDED):
            writer.write(record)
    shards = [Shard("train.tfrecord", "train", _N_RECORDED)]
    finish_clips(folder, geometry=_GEOMETRY, preparation={}, labels=["label"], shards=shards, rows=[])
    return read_clips(folder)


def _generated_clips(video: Path) -> Any:
    import tensorflow as tf

    def generate() -> Iterator[tuple[Any, int]]:
        for _ in range(_N_GENERATED):
            yield _tutorial_clip(video), 0

    signature = (tf.TensorSpec(_GEOMETRY.shape, tf.float32), tf.TensorSpec((), tf.int16))
    return tf.data.Dataset.from_generator(generate, output_signature=signature)


def _tutorial_clip(path: Path) -> Any:
    """Do what the tutorial does for a clip: seek to a random start, read on, resize with TensorFlow frame by frame."""
    import cv2

    cv2.setNumThreads(-1)  # as the tutorial runs it
    capture = cv2.VideoCapture(str(path))
    needed = 1 + (_GEOMETRY.n_frames - 1) * _FRAME_STEP
    capture.set(cv2.CAP_PROP_POS_FRAMES, random.Random(0).randint(0, _N_VIDEO_FRAMES - needed))
    frames = [_tutorial_frame(capture.read()[1])]
    for _ in range(_GEOMETRY.n_frames - 1):
        for _ in range(_FRAME_STEP):
            _, frame = capture.read()
        frames.append(_tutorial_frame(frame))
    capture.release()
    return np.array(frames)[..., [2, 1, 0]]


def _tutorial_frame(frame: Any) -> Any:
    import tensorflow as tf

    size = (_GEOMETRY.frame_height, _GEOMETRY.frame_width)
    return tf.image.resize_with_pad(tf.image.convert_image_dtype(frame, tf.float32), *size)


def _ratio(theirs: Callable[[], None], ours: Callable[[], None], *, clock: Callable[[], float]) -> float:
    """Return their least time over ours, the two taking turns after one unmeasured turn each."""
    theirs()
    ours()
    turns = [(_seconds(theirs, clock), _seconds(ours, clock)) for _ in range(_ROUNDS)]
    return min(their for their, _ in turns) / min(our for _, our in turns)


def _seconds(work: Callable[[], None], clock: Callable[[], float]) -> float:
    started = clock()
    work()
    return clock() - started
