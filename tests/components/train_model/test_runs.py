"""What outlives a killed training, what stops one, and what it tells while it runs."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from components.contract.clips import ClipGeometry
from components.contract.errors import StepError
from components.contract.finished import MARKER_NAME
from components.contract.model import HISTORY_NAME, HISTORY_PLOT_NAME, KERAS_NAME, TENSORBOARD_NAME, read_model
from components.train_model.checkpoint import Checkpoint, CheckpointFile
from components.train_model.learner import Learner
from components.train_model.recipe import Recipe
from components.train_model.training_run import Places, run_training

GEOMETRY = ClipGeometry(n_frames=4, frame_height=12, frame_width=20)
RECIPE = Recipe(
    epochs=4,
    batch_size=8,
    learning_rate=3e-3,
    weight_decay=1e-2,
    warmup_fraction=0.1,
    label_smoothing=0.1,
    horizontal_flip=True,
    colour_jitter=0.25,
    early_stopping_patience=0,
    seed=1,
    ema_momentum=0.9,
)
# Its own process; with a third argument it dies of SIGKILL when its second epoch is told, after its checkpoint.
PROGRAM = """
import os, signal, sys
from functools import partial
from pathlib import Path
from components.train_model import history
from components.train_model.models import MODELS
from components.train_model.models.r2plus1d_fast import r2plus1d_fast
from components.train_model.training_run import Places, run_training
from components.train_model.recipe import Recipe
RECIPE = eval(sys.stdin.read())
MODELS["small"] = partial(r2plus1d_fast, widths=(4, 8))
folder, killed = Path(sys.argv[1]), len(sys.argv) > 3
tell = history.HistoryBoard.add
def told(self, number, row):
    tell(self, number, row)
    if killed and number == 2:
        os.kill(os.getpid(), signal.SIGKILL)
history.HistoryBoard.add = told
result = run_training(folder / "clips", folder / sys.argv[2], clips_digest="", model_name="small", recipe=RECIPE,
                      places=Places(store_dir=str(folder / "store")))
print("digest", result.digest)
"""


def run(folder: Path, name: str, *killed: str) -> subprocess.CompletedProcess[str]:
    root = Path(__file__).parents[3]
    command = [sys.executable, "-c", PROGRAM, str(folder), name, *killed]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    return subprocess.run(command, env=environment, input=repr(RECIPE), capture_output=True, text=True)


def checkpoints(folder: Path) -> list[Path]:
    return sorted((folder / "store").rglob("checkpoint.npz"))


def trained(folder: Path, recipe: Recipe, model_name: str) -> dict[str, float]:
    places = Places(store_dir=str(folder / "store"))
    return run_training(
        folder / "clips", folder / "model", clips_digest="", model_name=model_name, recipe=recipe, places=places
    ).metrics


def test_a_training_killed_by_sigkill_goes_on_and_ends_with_the_weights_of_one_that_was_not(
    tmp_path, write_clips, small_model
):
    write_clips(tmp_path / "clips", n_clips=20)

    killed = run(tmp_path, "resumed", "killed")
    left = checkpoints(tmp_path)
    resumed = run(tmp_path, "resumed")
    trained(tmp_path, RECIPE, small_model)

    assert killed.returncode == -signal.SIGKILL
    assert len(left) == 1
    assert "goes on after epoch 2" in resumed.stdout
    assert resumed.stdout.split()[-1] == read_model(tmp_path / "model").digest
    histories = [json.loads((tmp_path / name / HISTORY_NAME).read_text()) for name in ("resumed", "model")]
    assert [len(history) for history in histories] == [4, 4]
    models = [keras.models.load_model(tmp_path / name / KERAS_NAME) for name in ("resumed", "model")]
    for ours, theirs in zip(*(model.get_weights() for model in models), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert checkpoints(tmp_path) == []


def test_a_loss_that_is_no_number_keeps_the_last_good_checkpoint_and_yields_no_model(
    tmp_path, write_clips, small_model, monkeypatch
):
    write_clips(tmp_path / "clips", n_clips=16)
    learn, steps = Learner.learn, iter(range(100))
    nan_at_step_5 = lambda self, batch: learn(self, batch) * (float("nan") if next(steps) == 5 else 1)  # noqa: E731
    monkeypatch.setattr(Learner, "learn", nan_at_step_5)

    with pytest.raises(StepError, match="loss became nan in epoch 3, step 2"):
        trained(tmp_path, RECIPE, small_model)

    (checkpoint,) = checkpoints(tmp_path)
    with np.load(checkpoint) as stored:
        assert len(json.loads(stored["progress"].tobytes())) == 2
        assert all(np.isfinite(stored[name]).all() for name in stored.files)
    assert not (tmp_path / "model" / MARKER_NAME).exists()
    assert not (tmp_path / "model" / KERAS_NAME).exists()


def test_an_update_that_breaks_the_weights_is_found_though_no_loss_shows_it(
    tmp_path, write_clips, small_model, monkeypatch
):
    write_clips(tmp_path / "clips", n_clips=16)
    learn, steps = Learner.learn, iter(range(100))

    def broken_by_the_last_update(self, batch):
        sums = learn(self, batch)
        if next(steps) == 1:
            self.model.variables[0].assign(self.model.variables[0] * float("inf"))
        return sums

    monkeypatch.setattr(Learner, "learn", broken_by_the_last_update)

    with pytest.raises(StepError, match="Weights became infinite or NaN in epoch 1"):
        trained(tmp_path, replace(RECIPE, ema_momentum=0.0), small_model)

    assert checkpoints(tmp_path) == []
    assert not (tmp_path / "model" / MARKER_NAME).exists()


def test_a_fault_of_the_model_is_not_blamed_on_the_records(tmp_path, write_clips, small_model, monkeypatch):
    write_clips(tmp_path / "clips", n_clips=16)

    def at_fault(self, batch):
        raise tf.errors.InvalidArgumentError(None, None, "shapes do not match")

    monkeypatch.setattr(Learner, "learn", at_fault)

    with pytest.raises(tf.errors.InvalidArgumentError, match="shapes do not match"):
        trained(tmp_path, RECIPE, small_model)


@pytest.mark.parametrize("damage", [b"", b"no zip", b"PK\x03\x04 cut"])
def test_a_damaged_checkpoint_is_passed_over(tmp_path, damage):
    file = CheckpointFile(str(tmp_path / "store"), {"model": "small"})
    file.write(Checkpoint(state=[np.ones(3)], best=[], rows=[{"loss": 1.0}]))
    checkpoints(tmp_path)[0].write_bytes(damage)

    assert file.read() is None


def test_a_checkpoint_is_of_one_training_only(tmp_path):
    CheckpointFile(str(tmp_path), {"seed": 1}).write(Checkpoint(state=[np.ones(3)], best=[], rows=[]))

    assert CheckpointFile(str(tmp_path), {"seed": 2}).read() is None
    assert CheckpointFile(str(tmp_path), {"seed": 1}).read() is not None
    assert CheckpointFile("", {"seed": 1}).read() is None


def test_a_batch_that_does_not_fit_is_an_error_that_names_one_that_does(
    tmp_path, write_clips, small_model, monkeypatch
):
    write_clips(tmp_path / "clips", n_clips=16)
    learn = Learner.learn

    def learn_small(self, batch):
        if len(batch[0]) > 2:
            raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor")
        return learn(self, batch)

    monkeypatch.setattr(Learner, "learn", learn_small)

    with pytest.raises(StepError, match=r"8 clips does not fit .* Set batch_size=2"):
        trained(tmp_path, RECIPE, small_model)


def test_each_epoch_is_told_with_its_rate_and_the_time_left_and_kept_for_tensorboard_and_as_a_plot(
    tmp_path, write_clips, small_model, capsys
):
    write_clips(tmp_path / "clips", n_clips=8)

    metrics = trained(tmp_path, replace(RECIPE, epochs=2), small_model)

    told = [line for line in capsys.readouterr().out.splitlines() if "epochs ·" in line]
    assert "1/2 epochs" in told[0]
    assert "clips/s" in told[0]
    assert "s left" in told[0]
    (log,) = (tmp_path / "model" / TENSORBOARD_NAME).iterdir()
    events = [tf.compat.v1.Event.FromString(bytes(data.numpy())) for data in tf.data.TFRecordDataset(str(log))]
    losses = {
        event.step: float(tf.make_ndarray(value.tensor))
        for event in events
        for value in event.summary.value
        if value.tag == "loss"
    }
    rows = json.loads((tmp_path / "model" / HISTORY_NAME).read_text())
    assert losses == pytest.approx({1: rows[0]["loss"], 2: rows[1]["loss"]})
    assert (tmp_path / "model" / HISTORY_PLOT_NAME).read_bytes().startswith(b"\x89PNG")
    assert 0 <= metrics["input_wait"] < 1
