import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from kfp import dsl

from components.contract.clip_dataset import read_clip_batches
from components.contract.clips import ClipGeometry
from components.contract.errors import StepError
from components.contract.finished import MARKER_NAME
from components.contract.model import (
    CLIPS_INPUT,
    HISTORY_NAME,
    KERAS_NAME,
    LABEL_OUTPUT,
    LABELS_NAME,
    PROBABILITIES_OUTPUT,
    SAVED_MODEL_NAME,
    SIGNATURE,
    read_model,
)
from components.train_model.component import train_model
from components.train_model.dataset import TrainingClips, distributed_batches, validation_batches
from components.train_model.recipe import Recipe
from components.train_model.training_run import run_training

GEOMETRY = ClipGeometry(n_frames=6, frame_height=16, frame_width=24)
RECIPE = Recipe(
    epochs=2,
    batch_size=8,
    learning_rate=3e-3,
    weight_decay=1e-2,
    warmup_fraction=0.1,
    label_smoothing=0.1,
    horizontal_flip=False,
    colour_jitter=0.0,
    early_stopping_patience=0,
    seed=1,
)


def trained(tmp_path: Path, name: str = "model", recipe: Recipe = RECIPE, model_name: str = "r2plus1d_fast"):
    return run_training(tmp_path / "clips", tmp_path / name, clips_digest="", model_name=model_name, recipe=recipe)


def test_left_is_learned_from_right_and_the_saved_model_says_so_in_a_clean_process(tmp_path, write_clips):
    clips = write_clips(tmp_path / "clips", n_clips=64, geometry=GEOMETRY)
    ((frames, labels, _),) = read_clip_batches(tmp_path / "clips", clips, "test", batch_size=64)
    np.save(tmp_path / "frames.npy", frames)
    program = (
        "import sys, json, numpy, tensorflow as tf\n"
        "serve = tf.saved_model.load(sys.argv[1]).signatures['serving_default']\n"
        "answer = serve(clips=tf.constant(numpy.load(sys.argv[2])))\n"
        "print(json.dumps([answer['probabilities'].numpy().tolist(), [t.decode() for t in answer['label'].numpy()]]))"
    )

    trained(tmp_path, recipe=replace(RECIPE, epochs=15))

    command = [sys.executable, "-c", program, str(tmp_path / "model" / SAVED_MODEL_NAME), str(tmp_path / "frames.npy")]
    clean = subprocess.run(command, cwd=tmp_path, env={"TF_CPP_MIN_LOG_LEVEL": "3"}, capture_output=True, check=True)
    probabilities, said = json.loads(clean.stdout)
    model = keras.models.load_model(tmp_path / "model" / KERAS_NAME)
    np.testing.assert_allclose(probabilities, keras.ops.softmax(model(frames)), atol=1e-5)
    assert said == [clips.labels[index] for index in np.argmax(probabilities, axis=1)]
    assert np.mean(np.argmax(probabilities, axis=1) == labels) >= 0.9
    reversed_in_time = np.argmax(model(frames[:, ::-1]), axis=1)
    assert np.mean(reversed_in_time == 1 - labels) >= 0.9


def test_two_runs_of_one_seed_have_one_digest(tmp_path, write_clips, small_model):
    write_clips(tmp_path / "clips", n_clips=12)
    changing = replace(RECIPE, horizontal_flip=True, colour_jitter=0.25)

    first, again = (trained(tmp_path, name, changing, small_model).digest for name in ("first", "again"))

    assert first == again


def test_the_tutorials_model_is_trained_and_answers_alike_from_both_of_its_files(tmp_path, write_clips):
    clips = write_clips(tmp_path / "clips", n_clips=6)
    ((frames, _, _),) = read_clip_batches(tmp_path / "clips", clips, "test", batch_size=6)

    as_in_the_tutorial = replace(RECIPE, epochs=1, batch_size=4, learning_rate=1e-4)
    digest = trained(tmp_path, recipe=as_in_the_tutorial, model_name="tutorial").digest

    found = read_model(tmp_path / "model", digest=digest)
    assert (found.model, found.geometry, found.training["epochs_run"]) == ("tutorial", clips.geometry, 1)
    model = keras.models.load_model(tmp_path / "model" / KERAS_NAME)
    serve = tf.saved_model.load(str(tmp_path / "model" / SAVED_MODEL_NAME)).signatures[SIGNATURE]
    answer = serve(**{CLIPS_INPUT: tf.constant(frames)})
    expected = keras.ops.softmax(model(frames)).numpy()
    np.testing.assert_allclose(answer[PROBABILITIES_OUTPUT], expected, atol=1e-5)
    assert np.ptp(expected, axis=0).max() > 1e-4
    assert [label.decode() for label in answer[LABEL_OUTPUT].numpy()] == [
        clips.labels[index] for index in expected.argmax(axis=1)
    ]


def test_a_loss_that_is_no_number_stops_the_step_and_leaves_no_finished_model(tmp_path, write_clips, small_model):
    write_clips(tmp_path / "clips", n_clips=16, geometry=GEOMETRY)

    with pytest.raises(StepError, match="loss became"):
        trained(tmp_path, recipe=replace(RECIPE, learning_rate=1e38, warmup_fraction=0.0), model_name=small_model)

    assert not (tmp_path / "model" / MARKER_NAME).exists()


def test_early_stopping_ends_before_the_last_epoch_and_keeps_the_best_weights(tmp_path, write_clips, small_model):
    clips = write_clips(tmp_path / "clips", n_clips=8)
    unsteady = replace(RECIPE, epochs=12, batch_size=4, learning_rate=0.3, early_stopping_patience=2)

    trained(tmp_path, recipe=unsteady, model_name=small_model)

    losses = [row["val_loss"] for row in json.loads((tmp_path / "model" / HISTORY_NAME).read_text())]
    model = keras.models.load_model(tmp_path / "model" / KERAS_NAME)
    ((frames, labels),) = validation_batches(tmp_path / "clips", clips, batch_size=8)
    smoothed = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=unsteady.label_smoothing)
    loss = float(smoothed(labels, model(frames)))
    assert read_model(tmp_path / "model").training["epochs_run"] == len(losses) < 12
    assert len(losses) - 1 - np.argmin(losses) == 2
    assert loss == pytest.approx(min(losses), rel=1e-4)


@pytest.mark.parametrize("name", ["epochs", "batch_size", "learning_rate", "warmup_fraction"])
def test_a_recipe_out_of_range_is_refused(tmp_path, name):
    with pytest.raises(StepError, match=name):
        trained(tmp_path, recipe=replace(RECIPE, **{name: -1}))


def test_clips_of_one_label_are_refused(tmp_path, write_clips):
    write_clips(tmp_path / "clips", n_clips=0, geometry=GEOMETRY)

    with pytest.raises(StepError, match="0 training clips"):
        trained(tmp_path)


@pytest.mark.parametrize("cache_limit_bytes", [0, 1 << 30])
def test_every_epoch_has_every_clip_once_in_an_order_of_the_seed(tmp_path, write_clips, cache_limit_bytes):
    clips = write_clips(tmp_path / "clips", n_clips=10, geometry=GEOMETRY)

    def batches(seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
        source = TrainingClips(tmp_path / "clips", clips, seed=seed, cache_limit_bytes=cache_limit_bytes)
        one_device = tf.distribute.get_strategy()
        epochs = [distributed_batches(one_device, source.of_epoch(epoch), batch_size=4) for epoch in range(2)]
        return [batch for epoch in epochs for batch in epoch.as_numpy_iterator()]

    first, again, other = batches(1), batches(1), batches(2)
    assert [len(frames) for frames, _ in first] == [4, 4, 2, 4, 4, 2]
    assert [sum(labels[:, 1].sum() for _, labels in first[i : i + 3]) for i in (0, 3)] == [5, 5]
    for (frames, labels), (frames_again, labels_again) in zip(first, again, strict=True):
        np.testing.assert_array_equal(frames, frames_again)
        np.testing.assert_array_equal(labels, labels_again)
    assert any((a[0] != b[0]).any() for a, b in zip(first, other, strict=True))
    assert any((a[0] != b[0]).any() for a, b in zip(first[:3], first[3:], strict=True))


def test_validation_clips_are_not_changed(tmp_path, write_clips):
    clips = write_clips(tmp_path / "clips", n_clips=5, geometry=GEOMETRY)
    ((stored, _, _),) = read_clip_batches(tmp_path / "clips", clips, "validation", batch_size=8)

    ((frames, labels),) = validation_batches(tmp_path / "clips", clips, batch_size=8).as_numpy_iterator()

    np.testing.assert_array_equal(frames, stored)
    assert labels.shape == (5, 2)


def test_the_component_leaves_a_finished_model_its_metrics_and_its_record(tmp_path, write_clips):
    clips = write_clips(tmp_path / "clips", n_clips=8, geometry=GEOMETRY)
    model = dsl.Model(uri=str(tmp_path / "model"))
    report = dsl.Metrics(uri=str(tmp_path / "report"))

    digest = train_model.python_func(
        clips=dsl.Dataset(uri=str(tmp_path / "clips")),
        clips_digest=clips.digest,
        store_dir=str(tmp_path / "store"),
        model=model,
        report=report,
        record=dsl.Artifact(uri=str(tmp_path / "record")),
        epochs=1,
        batch_size=4,
    )

    found = read_model(tmp_path / "model", digest=digest)
    assert (found.model, found.labels, found.geometry) == ("r2plus1d_fast", clips.labels, GEOMETRY)
    assert found.preparation == {"sampler": "even"}
    assert (tmp_path / "model" / LABELS_NAME).read_text() == "MovesLeft\nMovesRight\n"
    assert set(json.loads((tmp_path / "model" / HISTORY_NAME).read_text())[0]) == {
        "loss", "accuracy", "val_loss", "val_accuracy", "learning_rate", "seconds", "input_wait",
    }  # fmt: skip
    assert json.loads((tmp_path / "report").read_text())["epochs"] == 1
    record = json.loads((tmp_path / "record" / "step.json").read_text())
    assert (record["status"], record["outputs"]["model"]["digest"]) == ("succeeded", digest)
    assert (record["parameters"]["seed"], record["inputs"]["clips"]["digest"]) == (1, clips.digest)
