"""Training that goes on from a model that was trained before."""

from dataclasses import replace

import keras
import numpy as np
import pytest

from components.contract.clip_dataset import read_clip_batches
from components.contract.clips import ClipGeometry
from components.contract.errors import StepError
from components.contract.model import KERAS_NAME, SAVED_MODEL_NAME, read_model
from components.train_model.dataset import validation_batches
from components.train_model.initial import continued_labels, read_initial_model, start_from
from components.train_model.models import build_model
from components.train_model.recipe import Recipe
from components.train_model.training_run import run_training

GEOMETRY = ClipGeometry(n_frames=4, frame_height=12, frame_width=20)
RECIPE = Recipe(
    epochs=1,
    batch_size=4,
    learning_rate=1e-3,
    weight_decay=0.0,
    warmup_fraction=0.0,
    label_smoothing=0.0,
    horizontal_flip=False,
    colour_jitter=0.0,
    early_stopping_patience=0,
    seed=1,
)


@pytest.fixture
def before(tmp_path, write_clips, small_model):
    """The folder of a model of two labels, beside the clips that it was trained on."""
    write_clips(tmp_path / "clips", n_clips=8)
    run_training(tmp_path / "clips", tmp_path / "before", clips_digest="", model_name=small_model, recipe=RECIPE)
    return tmp_path / "before"


def test_old_labels_keep_their_places_and_a_new_one_comes_after_them(tmp_path, write_clips, small_model, before):
    clips = write_clips(tmp_path / "more", n_clips=8, labels=("Another", "MovesLeft", "MovesRight"))

    run_training(
        tmp_path / "more",
        tmp_path / "after",
        clips_digest="",
        model_name=small_model,
        recipe=RECIPE,
        initial_model=str(before),
    )

    labels = read_model(tmp_path / "after").labels
    assert labels == ("MovesLeft", "MovesRight", "Another")
    ((_, truth),) = validation_batches(tmp_path / "more", clips, batch_size=8, labels=labels).as_numpy_iterator()
    ((_, stored, _),) = read_clip_batches(tmp_path / "more", clips, "validation", batch_size=8)
    assert [labels[place] for place in truth.argmax(axis=1)] == [clips.labels[place] for place in stored]


def test_a_training_starts_with_the_answers_of_the_model_that_it_goes_on_from(tmp_path, before, small_model):
    clips = np.random.default_rng(1).integers(0, 256, (2, *GEOMETRY.shape), dtype=np.uint8)
    old = keras.models.load_model(before / KERAS_NAME)
    model = build_model(small_model, GEOMETRY, 3)

    start_from(model, read_initial_model(str(before / SAVED_MODEL_NAME)), model_name=small_model, geometry=GEOMETRY)

    np.testing.assert_allclose(model(clips)[:, :2], old(clips), atol=1e-5)


def test_a_model_in_a_bucket_can_be_gone_on_from(before, gcs_bucket):
    from components.contract.buckets import upload_file

    for path in sorted((before / SAVED_MODEL_NAME).rglob("*")):
        if path.is_file():
            upload_file(path, f"{gcs_bucket}/models/1/{path.relative_to(before / SAVED_MODEL_NAME)}")

    initial = read_initial_model(f"{gcs_bucket}/models/1")

    assert initial.described.labels == ("MovesLeft", "MovesRight")
    assert len(initial.weights) == len(read_initial_model(str(before)).weights)


def test_a_label_that_vanished_another_model_and_no_model_are_refused(tmp_path, before, small_model):
    initial = read_initial_model(str(before))
    larger = replace(GEOMETRY, frame_height=24)

    with pytest.raises(StepError, match="these clips lack: MovesRight"):
        continued_labels(initial, ["MovesLeft", "Other"])
    with pytest.raises(StepError, match="The initial model is small"):
        start_from(build_model(small_model, larger, 2), initial, model_name=small_model, geometry=larger)
    with pytest.raises(StepError, match="has no readable"):
        read_initial_model(str(tmp_path))
