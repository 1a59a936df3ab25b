from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from components.contract.accepted import Accepted, finish_baseline
from components.contract.clips import (
    IMAGE_KEY,
    LABEL_INDEX_KEY,
    VIDEO_KEY,
    ClipGeometry,
    ClipRow,
    Shard,
    finish_clips,
    finish_rejects,
    read_clips,
)
from components.contract.files import write_bytes, write_json
from components.contract.model import (
    CLIPS_INPUT,
    HISTORY_NAME,
    KERAS_NAME,
    LABEL_OUTPUT,
    LABELS_NAME,
    MODEL_SUMMARY_NAME,
    PROBABILITIES_OUTPUT,
    SAVED_MODEL_NAME,
    TrainedModel,
    finish_model,
    read_model,
)
from components.contract.videos import SPLITS

GEOMETRY = ClipGeometry(n_frames=3, frame_height=16, frame_width=24)
PREPARATION = {"sampler": "evenly_spaced", "resize": "pad"}
LABELS = ("Bow", "Clap", "Dive", "Jump", "Run", "Wave")
HISTORY = [
    {"loss": 2.1, "accuracy": 0.2, "val_loss": 2.0, "val_accuracy": 0.25, "learning_rate": 0.003, "seconds": 1.5},
    {"loss": 0.5, "accuracy": 0.9, "val_loss": 0.8, "val_accuracy": 0.85, "learning_rate": 0.001, "seconds": 1.4},
]
LAYERS = [
    {"name": "clips", "kind": "InputLayer", "output_shape": [1, 3, 16, 24, 3], "n_parameters": 0, "flops": 0},
    {"name": "<b>reader</b>", "kind": "GreyReader", "output_shape": [1, 6], "n_parameters": 1234567, "flops": None},
]
STEP = 30  # between the greys that stand for two classes


def grey_of(label_index):
    return 20 + STEP * label_index


@dataclass(frozen=True)
class Lab:
    """Makes the inputs of the step: clips whose grey is their class, and models that read it."""

    root: Path
    tf: object

    def clips(self, name="clips", *, labels=LABELS, n_groups=4, n_clips=2, geometry=GEOMETRY):
        """Every class has, in every split, one video of each of its groups."""
        folder = self.root / name
        folder.mkdir()
        shards, rows = [], []
        for split in SPLITS:
            shard = f"{split}-00000-of-00001.tfrecord"
            videos = [(index, group) for group in range(n_groups) for index in range(len(labels))]
            places = [(index, group, clip) for index, group in videos for clip in range(n_clips)]
            with self.tf.io.TFRecordWriter(str(folder / shard)) as writer:
                for position, (index, group, clip) in enumerate(places):
                    video = f"v_{index}_{split}_g{group:02}.avi"
                    writer.write(self._record(index, video, geometry))
                    rows.append(_row(video, clip, labels[index], index, f"{split}/g{group:02}", split, shard, position))
            shards.append(Shard(shard, split, len(places)))
        finish_clips(folder, geometry=geometry, preparation=PREPARATION, labels=labels, shards=shards, rows=rows)
        return folder, read_clips(folder).digest

    def rejects(self, name="rejects", *, rejects=()):
        """A finished folder of rejects."""
        folder = self.root / name
        if not folder.exists():
            folder.mkdir()
            finish_rejects(folder, rejects=rejects)
        return folder

    def model(self, name="model", *, answers=None, labels=LABELS, geometry=GEOMETRY, factor=1.0, n_outputs=None):
        """A finished model; `answers[k]` is what it says of a clip of class k; the truth where None."""
        folder = self.root / name
        self.saved_model(
            folder / SAVED_MODEL_NAME,
            answers=answers or range(len(labels)),
            n_outputs=n_outputs or len(labels),
            geometry=geometry,
            factor=factor,
        )
        write_bytes(folder / KERAS_NAME, b"keras")
        write_bytes(folder / LABELS_NAME, "\n".join(labels).encode())
        write_json(folder / HISTORY_NAME, HISTORY)
        write_json(folder / MODEL_SUMMARY_NAME, {"layers": LAYERS})
        trained = TrainedModel(
            model="grey_reader",
            geometry=geometry,
            preparation=PREPARATION,
            labels=tuple(labels),
            n_parameters=1234567,
            training={"epochs": 3, "learning_rate": 0.003, "seed": 1},
            digest="",
        )
        finish_model(folder, trained, weights_sha256=f"{name}")
        return folder, read_model(folder).digest

    def baseline(self, name="baseline", *, version=None, answers=None, labels=LABELS, geometry=GEOMETRY, factor=1.0):
        """A finished baseline; nothing in it where `version` is None."""
        folder = self.root / name
        folder.mkdir()
        if version is None:
            return folder, finish_baseline(folder, None).digest
        self.saved_model(
            folder / SAVED_MODEL_NAME,
            answers=answers or range(len(labels)),
            n_outputs=len(labels),
            geometry=geometry,
            factor=factor,
        )
        accepted = Accepted(
            version=version,
            model="grey_reader",
            model_digest="0" * 64,
            clips_digest="1" * 64,
            statistics_digest="2" * 64,
            labels=tuple(labels),
            geometry=geometry,
            preparation=PREPARATION,
            verdict={},
            run_fingerprint="3" * 64,
            baseline_version=None,
            pushed_at="2026-01-01T00:00:00+00:00",
        )
        return folder, finish_baseline(folder, accepted).digest

    def saved_model(self, folder, *, answers, n_outputs, geometry, factor):
        tf = self.tf
        table = tf.constant(list(answers), tf.int32)

        class GreyReader(tf.Module):
            def __init__(self):
                super().__init__()
                self.factor = tf.Variable(factor)

            @tf.function(input_signature=[tf.TensorSpec([None, *geometry.shape], tf.uint8, name=CLIPS_INPUT)])
            def answer(self, clips):
                grey = tf.reduce_mean(tf.cast(clips, tf.float32), axis=[1, 2, 3, 4])
                index = tf.gather(table, tf.cast(tf.round((grey - 20) / STEP), tf.int32))
                probabilities = self.factor * (0.9 * tf.one_hot(index, n_outputs) + 0.1 / n_outputs)
                return {PROBABILITIES_OUTPUT: probabilities, LABEL_OUTPUT: tf.strings.as_string(index)}

        reader = GreyReader()
        tf.saved_model.save(reader, str(folder), signatures=reader.answer)

    def _record(self, index, video, geometry):
        tf = self.tf
        _, height, width, _ = geometry.shape
        frame = tf.io.encode_jpeg(np.full((height, width, 3), grey_of(index), np.uint8), quality=95).numpy()
        feature = {
            IMAGE_KEY: tf.train.Feature(bytes_list=tf.train.BytesList(value=[frame] * geometry.n_frames)),
            LABEL_INDEX_KEY: tf.train.Feature(int64_list=tf.train.Int64List(value=[index])),
            VIDEO_KEY: tf.train.Feature(bytes_list=tf.train.BytesList(value=[video.encode()])),
        }
        return tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString()


def _row(video, clip, label, index, group, split, shard, position):
    return ClipRow(
        video=video, video_digest="0" * 64, clip_index=clip, label=label, label_index=index, group=group, split=split,
        shard=shard, position=position, fps=25.0, duration_s=3.0, n_video_frames=75, video_height=240,
        video_width=320, codec="XVID", video_bytes=1000, luma=float(grey_of(index)), contrast=0.0, sharpness=0.0,
        motion=0.0,
        cut_rate=0.0,
        frame_hashes="0000000000000000000000000000000000000000000000000000000000000000",
        source="",
    )  # fmt: skip


@pytest.fixture
def lab(tmp_path):
    return Lab(root=tmp_path, tf=pytest.importorskip("tensorflow"))
