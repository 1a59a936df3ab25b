"""How training compares with the tutorial's: a step of its model, and the reading of its videos."""

import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import keras  # noqa: TID253 - only `reelflow bench` imports this module
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
from components.train_model.device_speed import (
    compiled,
    multiplies_bfloat16,
    precision_of,
    speed_figures,
    training_step,
)
from components.train_model.models.r2plus1d_18 import network, r2plus1d_18
from components.train_model.models.r2plus1d_fast import r2plus1d_fast
from components.train_model.models.tutorial import tutorial
from components.video.tutorial_reader import tutorial_clip

_GEOMETRY = ClipGeometry(n_frames=10, frame_height=224, frame_width=224)
_VIDEO_HEIGHT, _VIDEO_WIDTH, _N_VIDEO_FRAMES = 240, 320, 154
_N_LABELS = 10
_PAPERS = ClipGeometry(n_frames=8, frame_height=112, frame_width=112)
_STEP_BATCH_SIZE, _N_STEPS = 2, 3
_N_UNTIMED, _N_TIMED = 4, 20
# An epoch of recorded clips is long enough that setting up its pipeline, done once, does not count.
_READING_BATCH_SIZE, _N_RECORDED, _N_GENERATED = 8, 400, 24
_ROUNDS = 3


def figures() -> Iterator[Figure]:
    """Measure each figure on clips and videos made for it."""
    yield from _step_figures()
    with tempfile.TemporaryDirectory() as name:
        video = _made_video(Path(name) / "video.avi")
        clips = _recorded_clips(Path(name) / "clips", video)
        yield Figure(
            "CPU time per clip read in an epoch, recorded clips",
            _reading_ratio(Path(name) / "clips", clips, video),
            25,
            "from_generator decoding videos with OpenCV",
        )
        kept = 1 - _input_wait(Path(name) / "clips", clips)
        yield Figure("share of a training step that is not waiting for its input", kept, 0.98, "the whole step")
    yield from speed_figures()


def _step_figures() -> Iterator[Figure]:
    """Compare training steps; bfloat16 is the precision of choice only where the CPU multiplies it."""
    batch = f"10 frames of 224x224, batch {_STEP_BATCH_SIZE}"
    plain_tutorial = partial(tutorial, merged=False)
    theirs = training_step(plain_tutorial(_GEOMETRY, _N_LABELS), _STEP_BATCH_SIZE)
    ours = training_step(r2plus1d_fast(_GEOMETRY, _N_LABELS), _STEP_BATCH_SIZE)
    yield Figure(f"time per training step, {batch}", _step_ratio(theirs, ours), 7, "the tutorial's model")
    peer = "the tutorial's model, the same weights"
    _check_same_outputs()
    merged = training_step(tutorial(_GEOMETRY, _N_LABELS), _STEP_BATCH_SIZE)
    yield Figure(f"merged convolutions, float32, {batch}", _step_ratio(theirs, merged), 1.0, peer)
    precision = "mixed_bfloat16" if multiplies_bfloat16() else "float32"
    with precision_of(precision):
        fast = training_step(tutorial(_GEOMETRY, _N_LABELS), _STEP_BATCH_SIZE)
    note = "" if precision != "float32" else " (not applicable: this device has no bfloat16; float32)"
    goal = None if note else 1.4
    yield Figure(f"merged convolutions, bfloat16{note}, {batch}", _step_ratio(theirs, fast), goal, peer)
    del theirs, ours, merged, fast
    plain = training_step(network(_PAPERS, _N_LABELS, convolve=_conv3d), _STEP_BATCH_SIZE)
    with precision_of(precision):
        papers = training_step(r2plus1d_18(_PAPERS, _N_LABELS), _STEP_BATCH_SIZE)
    what = f"r2plus1d_18, {precision.removeprefix('mixed_')}, 8 frames of 112x112, batch {_STEP_BATCH_SIZE}"
    yield Figure(what, _step_ratio(plain, papers), 1.8, "the same network of Conv3D in float32")


def _step_ratio(theirs: Callable[[], None], ours: Callable[[], None]) -> float:
    return _ratio(partial(_repeated, theirs), partial(_repeated, ours), clock=time.perf_counter)


def _repeated(step: Callable[[], None]) -> None:
    for _ in range(_N_STEPS):
        step()


def _check_same_outputs() -> None:
    """Refuse to compare models that are not the same mathematics."""
    clips = np.random.default_rng(1).integers(0, 256, (1, *_GEOMETRY.shape), dtype=np.uint8)
    merged, plain = tutorial(_GEOMETRY, _N_LABELS), tutorial(_GEOMETRY, _N_LABELS, merged=False)
    merged.set_weights(plain.get_weights())
    difference = float(np.abs(merged(clips) - plain(clips)).max())
    if not difference <= 1e-4:
        raise AssertionError(f"Merged convolutions differ from the tutorial's by {difference}.")


def _conv3d(
    values: Any, filters: int, *, kernel: tuple[int, int, int], strides: tuple[int, int, int] = (1, 1, 1)
) -> Any:
    """Convolve and normalize as one writes it down first."""
    values = keras.layers.Conv3D(filters, kernel, strides=strides, padding="same", use_bias=False)(values)
    return keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5)(values)


def _input_wait(folder: Path, clips: Clips) -> float:
    """Return the share of the time of training steps, read from disk, that goes by before the batch is there."""
    batches = iter(clip_dataset(folder, clips, "train").repeat().batch(_READING_BATCH_SIZE).prefetch(2))
    model = compiled(r2plus1d_fast(_GEOMETRY, _N_LABELS))
    waited = 0.0
    for number in range(_N_UNTIMED + _N_TIMED):
        if number == _N_UNTIMED:
            started, waited = time.perf_counter(), 0.0
        before = time.perf_counter()
        frames, labels, _ = next(batches)
        waited += time.perf_counter() - before
        model.train_on_batch(frames, labels)
    return waited / (time.perf_counter() - started)


def _reading_ratio(folder: Path, clips: Clips, video: Path) -> float:
    def ours() -> None:
        _read_all(clip_dataset(folder, clips, "train"))

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

    frames = np.round(255 * tutorial_clip(video, _GEOMETRY)).astype(np.uint8)
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
            yield tutorial_clip(video, _GEOMETRY), 0

    signature = (tf.TensorSpec(_GEOMETRY.shape, tf.float32), tf.TensorSpec((), tf.int16))
    return tf.data.Dataset.from_generator(generate, output_signature=signature)


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
