import functools
import hashlib
import http.server
import json
import subprocess
import threading
import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from kfp import dsl

from components.contract.buckets import upload_file
from components.contract.clips import ClipGeometry
from components.contract.errors import StepError
from components.contract.files import sha256_of_file
from components.contract.finished import read_finished
from components.contract.model import (
    CLIPS_INPUT,
    KERAS_NAME,
    MODEL_DIAGRAM_NAME,
    MODEL_SUMMARY_NAME,
    PROBABILITIES_OUTPUT,
    SAVED_MODEL_NAME,
    SIGNATURE,
    ServedModel,
    read_model,
)
from components.train_model.component import train_model
from components.train_model.export import save_for_serving
from components.train_model.models import ModelOptions, build_model
from components.train_model.models.pretrained import Pretrained
from components.train_model.pretrained_files import fetched_model, folder_sha256
from components.train_model.warmup import WARMUP_NAME

GEOMETRY = ClipGeometry(n_frames=3, frame_height=12, frame_width=20)
CLIPS = np.random.default_rng(0).integers(0, 255, (3, *GEOMETRY.shape), np.uint8)


def model_of_images() -> keras.Model:
    inputs = keras.Input((12, 20, 3))
    values = layers.BatchNormalization()(layers.Conv2D(5, 3)(inputs))
    return keras.Model(inputs, layers.Dense(7, "softmax")(layers.GlobalAveragePooling2D()(values)))


def model_of_clips() -> keras.Model:
    return build_model("r2plus1d_fast", GEOMETRY, 7, ModelOptions(widths=(4, 8)))


def saved(folder: Path, model: keras.Model) -> Path:
    model.save(folder / "backbone.keras")
    return folder / "backbone.keras"


def exported(folder: Path) -> Path:
    model = model_of_clips()
    save_for_serving(folder / "backbone", model, ServedModel("fast", GEOMETRY, {}, tuple("abcdefg")))
    return folder / "backbone"


def built(path: Path, *, fine_tune: bool = False) -> keras.Model:
    return build_model("pretrained", GEOMETRY, 4, ModelOptions(backbone=Pretrained(path, fine_tune)))


def trained_a_step(model: keras.Model) -> None:
    loss = keras.losses.CategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.1), loss=loss, jit_compile=False)
    model.train_on_batch(CLIPS, np.eye(4)[:3])


@pytest.fixture
def address(tmp_path):
    """Address of an HTTP server of `tmp_path`."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=tmp_path)) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("backbone", [model_of_images, model_of_clips])
@pytest.mark.parametrize("fine_tune", [False, True])
def test_only_what_is_fine_tuned_changes_in_training(tmp_path, backbone, fine_tune):
    model = built(saved(tmp_path, backbone()), fine_tune=fine_tune)
    body = model.get_layer("backbone")
    before, head = [np.copy(weight) for weight in body.get_weights()], np.copy(model.get_layer("logits").kernel)

    trained_a_step(model)

    changed = [not np.array_equal(a, b) for a, b in zip(before, body.get_weights(), strict=True)]
    assert any(changed) == fine_tune
    assert not np.array_equal(head, model.get_layer("logits").kernel)


def test_the_head_of_a_classifier_is_left_out(tmp_path):
    backbone = model_of_images()

    model = built(saved(tmp_path, backbone))

    features = keras.Model(backbone.inputs[0], backbone.layers[-2].output)(CLIPS[:, 0] / np.float32(255))
    given = model.get_layer("backbone")(CLIPS[:, 0] / np.float32(255))
    np.testing.assert_allclose(given, features, atol=1e-6)
    assert model.output_shape == (None, 4)


@pytest.mark.parametrize(
    "make", [lambda f: saved(f, model_of_images()), lambda f: saved(f, model_of_clips()), exported]
)
def test_a_model_on_a_pretrained_one_answers_alike_saved_loaded_and_served(tmp_path, make):
    model = built(make(tmp_path))
    expected = model(CLIPS).numpy()
    model.save(tmp_path / "model.keras")
    save_for_serving(tmp_path / "served", model, ServedModel("pretrained", GEOMETRY, {}, tuple("abcd")))

    again = keras.models.load_model(tmp_path / "model.keras")
    serve = tf.saved_model.load(str(tmp_path / "served")).signatures[SIGNATURE]

    assert np.ptp(expected, axis=0).max() > 0
    np.testing.assert_array_equal(again(CLIPS), expected)
    probabilities = serve(**{CLIPS_INPUT: tf.constant(CLIPS)})[PROBABILITIES_OUTPUT]
    np.testing.assert_allclose(probabilities, keras.ops.softmax(expected), atol=1e-5)


def test_a_saved_model_is_asked_frozen_and_gives_its_probabilities_as_features(tmp_path):
    folder = exported(tmp_path)
    model = built(folder)

    trained_a_step(model)

    serve = tf.saved_model.load(str(folder)).signatures[SIGNATURE]
    features = keras.Model(model.inputs[0], model.get_layer("backbone").output)(CLIPS)
    np.testing.assert_allclose(features, serve(clips=tf.constant(CLIPS))[PROBABILITIES_OUTPUT], atol=1e-6)
    with pytest.raises(StepError, match="only be used frozen"):
        built(folder, fine_tune=True)


def test_a_saved_model_changed_inside_the_keras_file_is_refused(tmp_path):
    folder = exported(tmp_path)
    layer = built(folder).get_layer("backbone")
    (folder / "assets.extra" / "reelflow.json").write_text("{}")

    with pytest.raises(StepError, match="is not the SavedModel"):
        layer.load_assets(str(folder))


def test_clips_of_another_size_are_refused(tmp_path):
    path = saved(tmp_path, model_of_clips())

    with pytest.raises(StepError, match=r"takes \(3, 12, 20, 3\); the clips are \(3, 20, 12, 3\)"):
        build_model("pretrained", ClipGeometry(3, 20, 12), 2, ModelOptions(backbone=Pretrained(path, False)))


def test_nothing_to_build_on_is_refused():
    with pytest.raises(StepError, match="was given none"):
        build_model("pretrained", GEOMETRY, 2)


def test_the_same_file_comes_by_path_by_address_and_from_a_bucket(tmp_path, address, gcs_bucket):
    path = saved(tmp_path, model_of_images())
    upload_file(path, f"{gcs_bucket}/models/backbone.keras")
    sha256 = sha256_of_file(path)

    for uri in (str(path), f"{address}/backbone.keras?signature=secret", f"{gcs_bucket}/models/backbone.keras"):
        assert sha256_of_file(fetched_model(uri, tmp_path / "fetched", sha256=sha256)) == sha256


def test_the_same_saved_model_comes_by_path_as_a_zip_and_from_a_bucket(tmp_path, address, gcs_bucket):
    folder = exported(tmp_path)
    sha256 = folder_sha256(folder)
    with zipfile.ZipFile(tmp_path / "backbone.zip", "w") as archive:
        for file in sorted(folder.rglob("*")):
            archive.write(file, f"some/where/{file.relative_to(folder)}")
            if file.is_file():
                upload_file(file, f"{gcs_bucket}/backbone/{file.relative_to(folder)}")

    by_path = fetched_model(str(folder), tmp_path / "by_path", sha256=sha256)
    by_bucket = fetched_model(f"{gcs_bucket}/backbone", tmp_path / "by_bucket", sha256=sha256)
    zipped = fetched_model(
        f"{address}/backbone.zip", tmp_path / "zipped", sha256=sha256_of_file(tmp_path / "backbone.zip")
    )

    assert {folder_sha256(found) for found in (by_path, by_bucket, zipped)} == {sha256}


def test_a_folders_digest_is_the_one_that_the_remedys_command_prints(tmp_path):
    for name in ("b.txt", "a/c.txt", "a/B.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    command = "find . -type f | cut -c3- | LC_ALL=C sort | xargs sha256sum | sha256sum"

    printed = subprocess.run(["sh", "-c", command], cwd=tmp_path, capture_output=True, text=True, check=True)

    assert printed.stdout.split()[0] == folder_sha256(tmp_path)


def test_another_digest_is_refused_and_no_secret_is_told(tmp_path, address):
    saved(tmp_path, model_of_images())

    with pytest.raises(StepError, match="not the promised 0000") as refused:
        fetched_model(f"{address}/backbone.keras?signature=secret", tmp_path / "fetched", sha256="0" * 64)
    with pytest.raises(StepError, match=r"cannot be fetched .404") as missing:
        fetched_model(f"{address}/nothing.keras?signature=secret", tmp_path / "fetched", sha256="0" * 64)

    assert "secret" not in f"{refused.value}{missing.value}"


@pytest.mark.parametrize("sha256", ["", "abc", "0" * 63 + "G"])
def test_a_model_without_a_digest_is_not_even_fetched(tmp_path, sha256):
    with pytest.raises(StepError, match="no SHA-256"):
        fetched_model("http://nowhere.invalid/m.keras", tmp_path / "fetched", sha256=sha256)


@pytest.mark.parametrize("uri", ["nothing.keras", "ftp://host/m.keras", "file:///m.keras", "..", "a\nb.keras"])
def test_what_names_no_model_is_refused(tmp_path, uri):
    with pytest.raises(StepError):
        fetched_model(uri, tmp_path / "fetched", sha256="0" * 64)


@pytest.mark.parametrize("name", ["model.h5", "model.pkl", "model.keras", "model.zip"])
def test_what_is_no_keras_file_and_no_saved_model_is_refused(tmp_path, name):
    (tmp_path / name).write_bytes(b"cos\nsystem\n(S'true'\ntR.")

    with pytest.raises(StepError, match=r"is no \.keras file|cannot be unpacked"):
        fetched_model(str(tmp_path / name), tmp_path / "fetched", sha256=sha256_of_file(tmp_path / name))


def test_a_lambda_is_refused(tmp_path):
    inputs = keras.Input((12, 20, 3))
    path = saved(tmp_path, keras.Model(inputs, layers.Lambda(lambda values: values * 2)(inputs)))

    with pytest.raises(StepError, match="it could run code of its own"):
        fetched_model(str(path), tmp_path / "fetched", sha256=sha256_of_file(path))


@pytest.mark.parametrize(
    "entry",
    [
        {"class_name": "function", "module": "os", "config": "system", "registered_name": "system"},
        {"class_name": "TFSMLayer", "module": "keras.layers", "config": {"filepath": "/etc"}},
        {"class_name": "__lambda__", "config": {"value": []}},
        {"class_name": "Evil", "module": "evil", "registered_name": "evil>Evil"},
    ],
)
def test_a_config_that_names_foreign_code_is_refused(tmp_path, entry):
    path = tmp_path / "model.keras"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("metadata.json", "{}")
        archive.writestr("model.weights.h5", b"")
        archive.writestr("config.json", json.dumps({"class_name": "Functional", "config": {"layers": [[entry]]}}))

    with pytest.raises(StepError, match="it could run code of its own"):
        fetched_model(str(path), tmp_path / "fetched", sha256=sha256_of_file(path))


@pytest.mark.parametrize("member", ["../outside", "/outside", "a/../../outside", "a\\..\\outside"])
@pytest.mark.parametrize("suffix", ["zip", "keras"])
def test_a_member_that_leads_out_of_its_archive_is_refused_and_nothing_is_written(tmp_path, member, suffix):
    path = tmp_path / f"model.{suffix}"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(member, b"x")

    with pytest.raises(StepError, match="leads out of it"):
        fetched_model(str(path), tmp_path / "fetched", sha256=hashlib.sha256(path.read_bytes()).hexdigest())

    assert not (tmp_path / "outside").exists()


def test_a_step_trains_a_head_on_a_pretrained_model_that_its_parameters_name(tmp_path, write_clips):
    clips = write_clips(tmp_path / "clips", n_clips=4, geometry=GEOMETRY)
    path = saved(tmp_path, model_of_clips())

    digest = train_model.python_func(
        clips=dsl.Dataset(uri=str(tmp_path / "clips")),
        clips_digest=clips.digest,
        store_dir="",
        model=dsl.Model(uri=str(tmp_path / "model")),
        report=dsl.Metrics(uri=str(tmp_path / "report")),
        record=dsl.Artifact(uri=str(tmp_path / "record")),
        model_name="pretrained",
        pretrained_model=str(path),
        pretrained_sha256=sha256_of_file(path),
        epochs=1,
        batch_size=4,
    )

    trained = read_model(tmp_path / "model", digest=digest)
    listed = read_finished(tmp_path / "model", kind="model").files
    assert {MODEL_SUMMARY_NAME, MODEL_DIAGRAM_NAME, f"{SAVED_MODEL_NAME}/{WARMUP_NAME}"} <= set(listed)
    again = keras.models.load_model(tmp_path / "model" / KERAS_NAME)
    kept = keras.models.load_model(path).get_weights()[:-2]
    assert trained.training["backbone"] == {"sha256": sha256_of_file(path), "fine_tune": False}
    for weight, before in zip(again.get_layer("backbone").get_weights(), kept, strict=True):
        np.testing.assert_array_equal(weight, before)
