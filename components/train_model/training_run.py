"""One training from clips on disk to an exported model."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import keras  # noqa: TID253 - only training imports this module
import tensorflow as tf  # noqa: TID253

from components.contract.clips import Clips, read_clips
from components.contract.errors import StepError
from components.contract.files import emptied
from components.contract.model import TrainedModel
from components.contract.progress import say
from components.train_model.dataset import check_trainable, training_batches, validation_batches
from components.train_model.export import export_model
from components.train_model.models import build_model
from components.train_model.training import EpochRow, Recipe, train


@dataclass(frozen=True)
class TrainingResult:
    """What a training left: the model folder's digest and the numbers to show."""

    digest: str
    metrics: dict[str, float]


def run_training(
    clips_folder: Path, model_folder: Path, *, clips_digest: str, model_name: str, recipe: Recipe
) -> TrainingResult:
    """Train a model of the table on the training clips and write its folder.

    On one machine with a CPU, the same clips, recipe and seed give the same digest and weights, bit by bit.

    Raises:
        StepError: If the clips are not what was promised, the recipe makes no sense, or the loss stops being a number.
    """
    recipe.check()
    clips = read_clips(clips_folder, digest=clips_digest)
    check_trainable(clips)
    emptied(model_folder)
    # What makes a run repeat: layers are named by count from one (their names are part of the digest), first weights
    # and order come from the seed, random changes from the seed and the batch's number, and sums that threads share are
    # added in a fixed order. The last cost nothing on 2 cores (3.4 s for an epoch of 640 demo clips, without it 2.9 to
    # 4.4 s); without it the weights were others.
    keras.utils.clear_session()
    keras.utils.set_random_seed(recipe.seed)
    tf.config.experimental.enable_op_determinism()
    model = build_model(model_name, clips.geometry, len(clips.labels))
    say(f"{model_name} · {model.count_params():,} parameters · {clips.n_clips('train')} training clips")
    history = _train(model, recipe, clips_folder, clips)
    trained = TrainedModel(
        model=model_name,
        geometry=clips.geometry,
        preparation=clips.preparation,
        labels=clips.labels,
        n_parameters=model.count_params(),
        training={**asdict(recipe), "epochs_run": len(history), "clips_digest": clips.digest},
        digest="",
    )
    finished = export_model(model_folder, model, trained, history)
    return TrainingResult(digest=finished.digest, metrics=_metrics(history, trained, clips.n_clips("train")))


def _train(model: Any, recipe: Recipe, folder: Path, clips: Clips) -> list[EpochRow]:
    batches = training_batches(
        folder,
        clips,
        batch_size=recipe.batch_size,
        epochs=recipe.epochs,
        horizontal_flip=recipe.horizontal_flip,
        colour_jitter=recipe.colour_jitter,
        seed=recipe.seed,
    )
    validation = None
    if clips.n_clips("validation"):
        validation = validation_batches(folder, clips, batch_size=recipe.batch_size)
    try:
        return train(model, recipe, batches=batches, validation=validation, n_clips=clips.n_clips("train"))
    except (tf.errors.InvalidArgumentError, tf.errors.DataLossError) as error:
        raise StepError(
            f"{folder} has records that are not clips of shape {clips.geometry.shape} ({error.message}).",
            remedy="Run extract_frames again.",
        ) from error


def _metrics(history: Sequence[EpochRow], trained: TrainedModel, n_clips: int) -> dict[str, float]:
    last = history[-1]
    seconds = sum(row.seconds for row in history)
    metrics: dict[str, float] = {
        "epochs": len(history),
        "training_clips": n_clips,
        "clips_per_second": round(n_clips * len(history) / seconds, 1),
        "parameters": trained.n_parameters,
        "train_loss": last.loss,
        "train_accuracy": last.accuracy,
    }
    if last.val_loss is not None and last.val_accuracy is not None:
        metrics |= {"validation_loss": last.val_loss, "validation_accuracy": last.val_accuracy}
    return metrics
