"""Training: epochs, their progress, what stops them, and what is kept."""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import tensorflow as tf  # noqa: TID253 - only training imports this module

from components.contract.errors import StepError
from components.contract.progress import say
from components.train_model.checkpoint import Arrays, Checkpoint, CheckpointFile
from components.train_model.learner import Learner
from components.train_model.recipe import Recipe

OnEpoch = Callable[[int, "EpochRow"], None]


class BadRecordsError(Exception):
    """What is read gives no clips; the same error out of the model would be a fault of the model."""


@dataclass(frozen=True)
class EpochRow:
    """One line of the history.

    Attributes:
        loss: Mean over the training clips, with label smoothing.
        accuracy: On the training clips as the model saw them while it learned.
        val_loss: On the validation clips; None where there are none.
        val_accuracy: On the validation clips; None where there are none.
        learning_rate: At the end of the epoch.
        seconds: Of the epoch, validation included.
        input_wait: Share of the training's time in which it waited for clips, 0 to 1.
    """

    loss: float
    accuracy: float
    val_loss: float | None
    val_accuracy: float | None
    learning_rate: float
    seconds: float
    input_wait: float


@dataclass(frozen=True)
class Batches:
    """What a training reads.

    Attributes:
        of_epoch: Gives the distributed dataset of an epoch, counted from 0.
        steps_per_epoch: Batches in each.
        validation: A tf.data.Dataset of the validation batches, or None.
        n_clips: Training clips in an epoch.
    """

    of_epoch: Callable[[int], Any]
    steps_per_epoch: int
    validation: Any | None
    n_clips: int


@dataclass(frozen=True)
class Trained:
    """What came of a training.

    Attributes:
        weights: Of the model's variables: the last, averaged or best ones, as the recipe says.
        history: One row per epoch.
    """

    weights: Arrays
    history: list[EpochRow]


def train(
    learner: Learner,
    recipe: Recipe,
    *,
    batches: Batches,
    checkpoints: CheckpointFile,
    is_chief: bool,
    on_epoch: OnEpoch,
) -> Trained:
    """Train from the last checkpoint on, or from the start.

    An epoch's order and random changes follow from the seed and its number alone, so a training that goes on after
    an epoch is, bit by bit on a CPU, the one that was never stopped.

    Args:
        learner: The model and its optimizer.
        recipe: How.
        batches: What is read.
        checkpoints: Where a killed training left off; replaced after each epoch.
        is_chief: Whether this process writes checkpoints.
        on_epoch: Is given the number, from 1, and the row of every epoch, those before the checkpoint too.

    Raises:
        StepError: If the loss or a weight stops being a number, or if a batch does not fit into memory.
        BadRecordsError: If a batch cannot be read.
    """
    history, best = _restored(learner, checkpoints)
    for number, row in enumerate(history, start=1):
        on_epoch(number, row)
    while len(history) < recipe.epochs and not _is_stale(history, recipe):
        row = _epoch(learner, recipe, batches, len(history))
        history.append(row)
        if recipe.early_stopping_patience and _best_epoch(history) == len(history) - 1:
            best = learner.weights()
        # All machines gather the state, which may need all of them; one writes it.
        checkpoint = Checkpoint(learner.state(), best, [asdict(past) for past in history])
        if is_chief:
            checkpoints.write(checkpoint)
        say(_line(history, recipe.epochs, batches.n_clips))
        on_epoch(len(history), row)
    return Trained(weights=best or learner.weights(), history=history)


def _restored(learner: Learner, checkpoints: CheckpointFile) -> tuple[list[EpochRow], Arrays]:
    found = checkpoints.read()
    if found is None:
        return [], []
    learner.restore(found.state)
    say(f"goes on after epoch {len(found.rows)}, from its checkpoint")
    return [EpochRow(**row) for row in found.rows], found.best


def _epoch(learner: Learner, recipe: Recipe, batches: Batches, epoch: int) -> EpochRow:
    started = time.monotonic()
    sums, waited = _learned(learner, recipe, batches, epoch)
    learner.agree()
    trained = time.monotonic() - started
    loss, accuracy = _means(sums)
    val_loss, val_accuracy = (None, None) if batches.validation is None else _validated(learner, batches.validation)
    if val_loss is not None and not math.isfinite(val_loss):
        raise _diverged(f"The loss became {val_loss}", f"on the validation clips after epoch {epoch + 1}")
    return EpochRow(
        loss=loss,
        accuracy=accuracy,
        val_loss=val_loss,
        val_accuracy=val_accuracy,
        learning_rate=learner.learning_rate,
        seconds=round(time.monotonic() - started, 3),
        input_wait=round(waited / trained, 4),
    )


def _learned(learner: Learner, recipe: Recipe, batches: Batches, epoch: int) -> tuple[list[Any], float]:
    """Learn from each batch of an epoch; return the sums of all and the seconds in which none was ready."""
    sums: list[Any] = []
    waited, iterator = 0.0, _read(batches.of_epoch(epoch))
    for step in range(batches.steps_per_epoch):
        asked = time.monotonic()
        batch = next(iterator)
        waited += time.monotonic() - asked
        try:
            sums.append(learner.learn(batch))
            # The step before: a GPU works on this one meanwhile.
            _check_finite(sums[-2:-1], epoch, step - 1)
        except tf.errors.ResourceExhaustedError as error:
            raise _too_large(learner, recipe.batch_size, batch) from error
    _check_finite(sums[-1:], epoch, batches.steps_per_epoch - 1)
    if not all(np.isfinite(weights).all() for weights in learner.weights()):  # the last update has no loss of its own
        raise _diverged("Weights became infinite or NaN", f"in epoch {epoch + 1}")
    return sums, waited


def _read(dataset: Any) -> Iterator[Any]:
    iterator = iter(dataset)
    while True:
        try:
            batch = next(iterator)
        except StopIteration:
            return
        except (tf.errors.InvalidArgumentError, tf.errors.DataLossError) as error:
            raise BadRecordsError(error.message) from error
        yield batch


def _check_finite(sums: Sequence[Any], epoch: int, step: int) -> None:
    for loss in (float(found[0]) for found in sums):
        if not math.isfinite(loss):
            raise _diverged(f"The loss became {loss}", f"in epoch {epoch + 1}, step {step + 1}")


def _diverged(what: str, where: str) -> StepError:
    return StepError(f"{what} {where}.", remedy="Lower learning_rate, or lengthen the warm-up.")


def _too_large(learner: Learner, batch_size: int, batch: Any) -> StepError:
    fits = next((size for size in _halves(batch_size) if _fits(learner, batch, size)), None)
    remedy = f"Set batch_size={fits}, which fits" if fits else "No batch fits: make frames smaller or fewer"
    return StepError(f"A batch of {batch_size} clips does not fit into the memory of the device.", remedy=f"{remedy}.")


def _halves(size: int) -> Iterator[int]:
    while size > 1:
        size //= 2
        yield size


def _fits(learner: Learner, batch: Any, size: int) -> bool:
    try:
        learner.learn(tf.nest.map_structure(lambda values: values[:size], batch))
    except (tf.errors.ResourceExhaustedError, TypeError):  # the share of one replica among many cannot be cut
        return False
    return True


def _validated(learner: Learner, validation: Any) -> tuple[float, float]:
    learning = learner.set_weights(learner.weights())
    means = _means([learner.score(frames, labels) for frames, labels in _read(validation)])
    learner.set_weights(learning)
    return means


def _means(sums: Sequence[Any]) -> tuple[float, float]:
    loss, right, n_clips = (sum(float(found[place]) for found in sums) for place in range(3))
    return loss / n_clips, right / n_clips


def _is_stale(history: Sequence[EpochRow], recipe: Recipe) -> bool:
    patience = recipe.early_stopping_patience
    if not patience or not history or history[-1].val_loss is None:
        return False
    return len(history) - 1 - _best_epoch(history) >= patience


def _best_epoch(history: Sequence[EpochRow]) -> int:
    """Return the place of the lowest validation loss; the last place where nothing is validated."""
    losses = [row.val_loss for row in history]
    known = [loss for loss in losses if loss is not None]
    return losses.index(min(known)) if known else len(history) - 1


def _line(history: Sequence[EpochRow], epochs: int, n_clips: int) -> str:
    done, seconds, row = len(history), sum(past.seconds for past in history), history[-1]
    parts = [f"{done}/{epochs} epochs", f"{done * n_clips / seconds:.0f} clips/s"]
    if done < epochs:
        parts.append(f"{seconds / done * (epochs - done):.0f} s left")
    parts.append(f"accuracy {row.accuracy:.3f}")
    if row.val_accuracy is not None:
        parts.append(f"validation {row.val_accuracy:.3f}")
    return " · ".join(parts)
