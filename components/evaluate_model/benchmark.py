"""How much of a model's own speed is left when evaluation reads, decodes and keeps books around it."""

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from components.contract.clip_dataset import read_clip_batches
from components.contract.clips import (
    IMAGE_KEY,
    LABEL_INDEX_KEY,
    VIDEO_KEY,
    ClipGeometry,
    Shard,
    finish_clips,
    read_clips,
)
from components.contract.figures import Figure
from components.contract.model import CLIPS_INPUT, PROBABILITIES_OUTPUT
from components.evaluate_model.scoring import Contender, scored_clips
from components.serving.saved_model import load_classifier

_GEOMETRY = ClipGeometry(n_frames=16, frame_height=64, frame_width=80)
_N_CLIPS, _BATCH_SIZE, _ROUNDS = 256, 32, 3


def figures() -> Iterator[Figure]:
    """Yield evaluation's rate against the bare forward pass, and against reading first and answering then.

    Decoding shares the cores with the model, so the first ratio grows with the cost of the model; the second one says
    what evaluation itself adds to the two, whatever the model.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _write_clips(folder / "clips")
        _write_model(folder / "saved_model")
        clips = read_clips(folder / "clips")
        classifier = load_classifier(folder / "saved_model")
        contenders = {"": Contender(classifier, clips.labels)}
        batch = np.random.default_rng(1).integers(0, 256, (_BATCH_SIZE, *_GEOMETRY.shape), dtype=np.uint8)
        classifier(batch)
        ours, forward, reading = [], [], []
        for _ in range(_ROUNDS):
            started = time.perf_counter()
            scored_clips(contenders, folder / "clips", clips, "test", labels=clips.labels, batch_size=_BATCH_SIZE)
            between = time.perf_counter()
            for _ in range(_N_CLIPS // _BATCH_SIZE):
                classifier(batch)
            answered = time.perf_counter()
            for _ in read_clip_batches(folder / "clips", clips, "test", batch_size=_BATCH_SIZE):
                pass
            ours.append(between - started)
            forward.append(answered - between)
            reading.append(time.perf_counter() - answered)
        yield Figure(
            figure="clips scored per second",
            ratio=min(forward) / min(ours),
            goal=0.9,
            against="the bare forward pass on batches in memory",
        )
        yield Figure(
            figure="clips read and scored per second",
            ratio=(min(reading) + min(forward)) / min(ours),
            goal=1.0,
            against="reading all clips, then the bare forward pass",
        )


def _write_clips(folder: Path) -> None:
    import tensorflow as tf

    folder.mkdir()
    rng = np.random.default_rng(1)
    with tf.io.TFRecordWriter(str(folder / "test.tfrecord")) as writer:
        for index in range(_N_CLIPS):
            coarse = rng.integers(0, 256, (_GEOMETRY.n_frames, 8, 10, 3), dtype=np.uint8)
            frames = coarse.repeat(8, axis=1).repeat(8, axis=2)
            jpegs = [tf.io.encode_jpeg(frame, quality=90).numpy() for frame in frames]
            feature = {
                IMAGE_KEY: tf.train.Feature(bytes_list=tf.train.BytesList(value=jpegs)),
                LABEL_INDEX_KEY: tf.train.Feature(int64_list=tf.train.Int64List(value=[index % 8])),
                VIDEO_KEY: tf.train.Feature(bytes_list=tf.train.BytesList(value=[f"{index}.avi".encode()])),
            }
            writer.write(tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString())
    shards = [Shard("test.tfrecord", "test", _N_CLIPS)]
    labels = [str(index) for index in range(8)]
    finish_clips(folder, geometry=_GEOMETRY, preparation={}, labels=labels, shards=shards, rows=[])


def _write_model(folder: Path) -> None:
    import keras
    import tensorflow as tf

    network = keras.Sequential(
        [
            keras.Input(_GEOMETRY.shape),
            keras.layers.Rescaling(1 / 255),
            keras.layers.Conv3D(16, (3, 7, 7), strides=(1, 2, 2), padding="same", activation="relu"),
            keras.layers.Conv3D(32, 3, strides=2, padding="same", activation="relu"),
            keras.layers.GlobalAveragePooling3D(),
            keras.layers.Dense(8, activation="softmax"),
        ]
    )

    @tf.function(input_signature=[tf.TensorSpec([None, *_GEOMETRY.shape], tf.uint8, name=CLIPS_INPUT)])  # type: ignore[untyped-decorator] # tensorflow is untyped
    def answer(clips: Any) -> dict[str, Any]:
        return {PROBABILITIES_OUTPUT: network(clips)}

    module = tf.Module()
    module.network = network
    tf.saved_model.save(module, str(folder), signatures=answer)
