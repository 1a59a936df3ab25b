import json
import struct
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog

from components.contract.clips import ClipGeometry
from components.contract.model import (
    FRAMES_INPUT,
    JPEG_SIGNATURE,
    LABEL_OUTPUT,
    PROBABILITIES_OUTPUT,
    SIGNATURE,
    ServedModel,
    read_served_description,
)
from components.train_model.export import save_for_serving
from components.train_model.jpeg_frames import clips_from_jpeg
from components.train_model.models import build_model
from components.train_model.warmup import WARMUP_NAME
from components.video.resize import cropped, padded

GEOMETRY = ClipGeometry(n_frames=3, frame_height=16, frame_width=24)
LABELS = ("MovesLeft", "MovesRight")
CLIPS = np.random.default_rng(0).integers(0, 255, (2, *GEOMETRY.shape), np.uint8)


@pytest.fixture(scope="module")
def served(tmp_path_factory) -> Path:
    keras.utils.set_random_seed(1)
    folder = tmp_path_factory.mktemp("export") / "saved_model"
    model = build_model("tutorial", GEOMETRY, len(LABELS))
    save_for_serving(folder, model, ServedModel("tutorial", GEOMETRY, {"resize": "crop"}, LABELS))
    return folder


def jpegs(clips: np.ndarray) -> list[list[bytes]]:
    return [[tf.io.encode_jpeg(frame, quality=95).numpy() for frame in clip] for clip in clips]


def waves(height: int, width: int) -> np.ndarray:
    """RGB, uint8: a smooth picture, which resizing by other filters changes little."""
    rows, columns = np.mgrid[0:height, 0:width]
    channels = [np.sin(rows / height * 5 + phase) + np.cos(columns / width * 7 - phase) for phase in (0, 1, 2)]
    return np.uint8(np.stack(channels, axis=-1) * 60 + 127)


def test_jpeg_frames_get_the_answer_of_the_clips_that_they_decode_to(served):
    frames = jpegs(CLIPS)
    decoded = np.stack([[tf.io.decode_jpeg(jpeg).numpy() for jpeg in clip] for clip in frames])
    signatures = tf.saved_model.load(str(served)).signatures

    from_frames = signatures[JPEG_SIGNATURE](**{FRAMES_INPUT: tf.constant(frames)})

    from_clips = signatures[SIGNATURE](clips=tf.constant(decoded))
    np.testing.assert_allclose(from_frames[PROBABILITIES_OUTPUT], from_clips[PROBABILITIES_OUTPUT], atol=1e-6)
    assert from_frames[LABEL_OUTPUT].numpy().tolist() == from_clips[LABEL_OUTPUT].numpy().tolist()


@pytest.mark.parametrize("size", [(16, 24), (48, 72), (30, 90), (90, 30), (9, 11), (33, 24)])
@pytest.mark.parametrize(("resize", "expected"), [("crop", cropped), ("pad", padded)])
def test_jpeg_frames_of_other_sizes_become_what_extraction_makes_of_them(size, resize, expected):
    jpeg = tf.io.encode_jpeg(waves(*size), quality=100).numpy()
    frame = tf.io.decode_jpeg(jpeg).numpy()

    clips = clips_from_jpeg(tf.constant([[jpeg] * 3] * 2), GEOMETRY, resize=resize).numpy()

    wanted = expected(frame, height=16, width=24)
    assert (clips.shape, clips.dtype) == ((2, *GEOMETRY.shape), np.uint8)
    assert np.abs(clips.astype(int) - wanted).mean() < 4


def test_a_grey_jpeg_is_taken(served):
    grey = tf.io.encode_jpeg(np.full((20, 20, 1), 90, np.uint8)).numpy()
    serve = tf.saved_model.load(str(served)).signatures[JPEG_SIGNATURE]

    answer = serve(**{FRAMES_INPUT: tf.constant([[grey] * 3])})

    assert answer[PROBABILITIES_OUTPUT].shape == (1, 2)


def test_each_signature_has_a_warm_up_record_that_can_be_answered(served):
    signatures = tf.saved_model.load(str(served)).signatures

    records = [PredictionLog.FromString(raw.numpy()) for raw in tf.data.TFRecordDataset(str(served / WARMUP_NAME))]

    requests = [record.predict_log.request for record in records]
    assert [request.model_spec.signature_name for request in requests] == [SIGNATURE, JPEG_SIGNATURE]
    for request in requests:
        inputs = {name: tf.constant(tf.make_ndarray(value)) for name, value in request.inputs.items()}
        answer = signatures[request.model_spec.signature_name](**inputs)
        assert answer[PROBABILITIES_OUTPUT].shape == (1, len(LABELS))


def test_warm_up_records_are_few_and_the_same_bytes_each_time(served, tmp_path):
    model = build_model("tutorial", GEOMETRY, len(LABELS))
    save_for_serving(tmp_path / "again", model, ServedModel("tutorial", GEOMETRY, {"resize": "crop"}, LABELS))

    data = (served / WARMUP_NAME).read_bytes()

    (first_length,) = struct.unpack("<Q", data[:8])
    assert first_length < len(data) < 10_000
    assert (tmp_path / "again" / WARMUP_NAME).read_bytes() == data


def test_the_saved_model_says_its_labels_geometry_and_preparation(served):
    description = read_served_description(served)

    assert (description.labels, description.geometry) == (LABELS, GEOMETRY)
    assert description.preparation == {"resize": "crop"}


def test_both_signatures_answer_in_a_clean_process_without_this_code(served, tmp_path):
    for number, jpeg in enumerate(jpegs(CLIPS)[0]):
        (tmp_path / f"{number}.jpg").write_bytes(jpeg)
    np.save(tmp_path / "clips.npy", CLIPS[:1])
    program = (
        "import json, sys, numpy, pathlib, tensorflow as tf\n"
        "signatures = tf.saved_model.load(sys.argv[1]).signatures\n"
        "frames = [[pathlib.Path(f'{n}.jpg').read_bytes() for n in range(3)]]\n"
        "of_clips = signatures['serving_default'](clips=tf.constant(numpy.load('clips.npy')))\n"
        "of_frames = signatures['serving_jpeg'](frames=tf.constant(frames))\n"
        "assert 'components' not in sys.modules\n"
        "print(json.dumps([a['probabilities'].numpy().tolist() for a in (of_clips, of_frames)]))"
    )

    command = [sys.executable, "-c", program, str(served)]
    clean = subprocess.run(command, cwd=tmp_path, env={"TF_CPP_MIN_LOG_LEVEL": "3"}, capture_output=True, check=True)

    of_clips, of_frames = json.loads(clean.stdout)
    np.testing.assert_allclose(of_clips, of_frames, atol=0.05)
