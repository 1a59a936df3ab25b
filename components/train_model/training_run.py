"""One training from clips on disk to an exported model."""

from collections.abc import Callable, Sequence
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
from components.train_model.checkpoint import CheckpointFile
from components.train_model.dataset import (
    TrainingClips,
    check_trainable,
    distributed_batches,
    label_counts,
    n_steps_per_epoch,
    validation_batches,
)
from components.train_model.export import export_model
from components.train_model.hardware import Hardware, chosen_hardware, computing_in, resolved_precision
from components.train_model.history import HistoryBoard, plot_history
from components.train_model.initial import continued_labels, read_initial_model, start_from
from components.train_model.learner import Learner
from components.train_model.models import OWN_DEFAULTS, ModelOptions, build_model
from components.train_model.recipe import Recipe
from components.train_model.training import BadRecordsError, Batches, Trained, train


@dataclass(frozen=True)
class TrainingResult:
    """What a training left: the model folder's digest and the numbers to show."""

    digest: str
    metrics: dict[str, float]


@dataclass(frozen=True)
class Places:
    """Where a training runs and what it leaves outside its output.

    Attributes:
        store_dir: Folder that keeps checkpoints between tries; "" keeps none.
        accelerator: auto, cpu or gpu.
        cluster: The value of TF_CONFIG, or "" for this machine alone.
    """

    store_dir: str = ""
    accelerator: str = "auto"
    cluster: str = ""


def run_training(
    clips_folder: Path,
    model_folder: Path,
    *,
    clips_digest: str,
    model_name: str,
    recipe: Recipe,
    initial_model: str = "",
    places: Places = Places(),
    options: ModelOptions = OWN_DEFAULTS,
) -> TrainingResult:
    """Train a model of the table on the training clips and write its folder.

    On one machine with a CPU, the same clips, recipe and seed give the same digest and weights, bit by bit, whether or
    not the training was killed and went on from a checkpoint. Of several machines only the chief writes.

    Raises:
        StepError: If the clips are not what was promised, the recipe makes no sense, the loss stops being a number, or
            the hardware is not there.
    """
    recipe.check()
    clips = read_clips(clips_folder, digest=clips_digest)
    check_trainable(clips)
    # What makes a run repeat: layers are named by count from one (their names are part of the digest), first weights
    # and order come from the seed, random changes from the seed and the batch's number, and sums that threads share are
    # added in a fixed order. The last cost nothing on 2 cores (3.4 s for an epoch of 640 demo clips, without it 2.9 to
    # 4.4 s); without it the weights were others.
    keras.utils.clear_session()
    hardware = chosen_hardware(places.accelerator, cluster=places.cluster)
    keras.utils.set_random_seed(recipe.seed)
    tf.config.experimental.enable_op_determinism()
    precision = resolved_precision(recipe.precision, geometry=clips.geometry)
    says = {
        "clips": clips.digest,
        "model": model_name,
        "options": options.identity,
        "initial_model": initial_model,
        "recipe": asdict(recipe),
        "precision": precision,
    }
    checkpoints = CheckpointFile(places.store_dir, {**says, "replicas": hardware.n_replicas})
    initial = read_initial_model(initial_model) if initial_model else None
    labels = continued_labels(initial, clips.labels) if initial else clips.labels
    if hardware.is_chief:
        emptied(model_folder)

    def build() -> Any:
        model = build_model(model_name, clips.geometry, len(labels), options)
        if initial is not None:
            start_from(model, initial, model_name=model_name, geometry=clips.geometry)
        return model

    with computing_in(precision), HistoryBoard(model_folder if hardware.is_chief else None) as board:
        trained = _train(build, recipe, clips_folder, clips, labels, hardware, precision, checkpoints, board)
    metrics = _metrics(trained, clips.n_clips("train"))
    if not hardware.is_chief:
        return TrainingResult(digest="", metrics=metrics)

    # A model of its own is exported: in float32 and on one device, whatever it was trained on.
    keras.utils.clear_session()
    model = build()
    model.set_weights(trained.weights)
    plot_history(model_folder, trained.history)
    described = TrainedModel(
        model=model_name,
        geometry=clips.geometry,
        preparation=clips.preparation,
        labels=tuple(labels),
        n_parameters=model.count_params(),
        training={
            **asdict(recipe),
            "initial_model": initial_model,
            **options.identity,
            "epochs_run": len(trained.history),
            "clips_digest": clips.digest,
        },
        digest="",
    )
    finished = export_model(model_folder, model, described, trained.history)
    checkpoints.remove()
    return TrainingResult(digest=finished.digest, metrics={**metrics, "parameters": model.count_params()})


def _train(
    build: Callable[[], Any],
    recipe: Recipe,
    folder: Path,
    clips: Clips,
    labels: Sequence[str],
    hardware: Hardware,
    precision: str,
    checkpoints: CheckpointFile,
    board: HistoryBoard,
) -> Trained:
    n_clips = clips.n_clips("train")
    steps_per_epoch = n_steps_per_epoch(n_clips, batch_size=recipe.batch_size, n_replicas=hardware.n_replicas)
    learner = Learner(
        build,
        recipe,
        hardware,
        n_steps=steps_per_epoch * recipe.epochs,
        precision=precision,
        label_weights=_label_weights(folder, labels, recipe),
        flippable=_flippable(labels, recipe),
    )
    say(f"{learner.model.name} · {learner.model.count_params():,} parameters · {n_clips} training clips · {precision}")
    training_clips = TrainingClips(folder, clips, seed=recipe.seed, labels=labels)
    validation = None
    if clips.n_clips("validation"):
        validation = validation_batches(folder, clips, batch_size=recipe.batch_size, labels=labels)
    batches = Batches(
        of_epoch=lambda epoch: distributed_batches(
            hardware.strategy, training_clips.of_epoch(epoch), batch_size=recipe.batch_size
        ),
        steps_per_epoch=steps_per_epoch,
        validation=validation,
        n_clips=n_clips,
    )
    try:
        return train(
            learner,
            recipe,
            batches=batches,
            checkpoints=checkpoints,
            is_chief=hardware.is_chief,
            on_epoch=board.add,
        )
    except BadRecordsError as error:
        raise StepError(
            f"{folder} has records that are not clips of shape {clips.geometry.shape} ({error}).",
            remedy="Run extract_frames again.",
        ) from error


def _label_weights(folder: Path, labels: Sequence[str], recipe: Recipe) -> list[float]:
    """Return what a clip of each label weighs: 1 on average, the same in sum for all labels that have clips."""
    if not recipe.balance_classes:
        return [1.0] * len(labels)
    counts = label_counts(folder, labels)
    n_present = sum(count > 0 for count in counts)
    return [sum(counts) / (n_present * count) if count else 0.0 for count in counts]


def _flippable(labels: Sequence[str], recipe: Recipe) -> list[bool]:
    unknown = sorted(set(recipe.unflipped_labels) - set(labels))
    if unknown:
        raise StepError(
            f"unflipped_labels names {', '.join(unknown)}; the clips have {', '.join(labels)}.",
            remedy="Name labels of the clips.",
        )
    return [label not in recipe.unflipped_labels for label in labels]


def _metrics(trained: Trained, n_clips: int) -> dict[str, float]:
    history = trained.history
    last = history[-1]
    seconds = sum(row.seconds for row in history)
    metrics: dict[str, float] = {
        "epochs": len(history),
        "training_clips": n_clips,
        "clips_per_second": round(n_clips * len(history) / seconds, 1),
        "input_wait": round(sum(row.input_wait * row.seconds for row in history) / seconds, 4),
        "train_loss": last.loss,
        "train_accuracy": last.accuracy,
    }
    if last.val_loss is not None and last.val_accuracy is not None:
        metrics |= {"validation_loss": last.val_loss, "validation_accuracy": last.val_accuracy}
    return metrics
