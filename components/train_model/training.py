"""Training: the recipe, its progress, and what stops it."""

import math
import time
from dataclasses import dataclass
from typing import Any

import keras  # noqa: TID253 - only training imports this module

from components.contract.errors import StepError
from components.contract.progress import say


@dataclass(frozen=True)
class Recipe:
    """How a model is trained: AdamW, a linear warm-up, then a cosine down to nothing.

    Attributes:
        epochs: Passes over the training clips.
        batch_size: Clips per step.
        learning_rate: At the end of the warm-up.
        weight_decay: Decoupled, per unit of learning rate.
        warmup_fraction: Share of all steps in which the learning rate grows.
        label_smoothing: Share of the target that goes to all labels alike.
        horizontal_flip: Whether whole clips are mirrored at random.
        colour_jitter: How much the channels' gains and offsets change at random; their order does too. 0 is off.
        early_stopping_patience: Epochs without a lower validation loss after which training stops and the best
            weights are kept; 0 trains to the end and keeps the last, which the cosine made the steadiest.
        seed: Of weights, order and random changes.
    """

    epochs: int
    batch_size: int
    learning_rate: float
    weight_decay: float
    warmup_fraction: float
    label_smoothing: float
    horizontal_flip: bool
    colour_jitter: float
    early_stopping_patience: int
    seed: int

    def check(self) -> None:
        """Refuse values that no training can follow.

        Raises:
            StepError: At the first of them.
        """
        wanted = {
            "epochs": self.epochs >= 1,
            "batch_size": self.batch_size >= 1,
            "learning_rate": self.learning_rate > 0,
            "weight_decay": self.weight_decay >= 0,
            "warmup_fraction": 0 <= self.warmup_fraction < 1,
            "colour_jitter": 0 <= self.colour_jitter < 1,
            "label_smoothing": 0 <= self.label_smoothing < 1,
            "early_stopping_patience": self.early_stopping_patience >= 0,
        }
        for name, holds in wanted.items():
            if not holds:
                raise StepError(
                    f"{name} is {getattr(self, name)}.", remedy="Give a value in its range: see reelflow step --help."
                )


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
    """

    loss: float
    accuracy: float
    val_loss: float | None
    val_accuracy: float | None
    learning_rate: float
    seconds: float


def train(model: Any, recipe: Recipe, *, batches: Any, validation: Any | None, n_clips: int) -> list[EpochRow]:
    """Train `model` in place and return the history, one row per epoch.

    Args:
        model: An uncompiled keras.Model that returns logits.
        recipe: How.
        batches: A tf.data.Dataset of the batches of all epochs.
        validation: A tf.data.Dataset of the validation batches, or None.
        n_clips: Training clips in an epoch.

    Raises:
        StepError: If the loss stops being a number.
    """
    steps_per_epoch = math.ceil(n_clips / recipe.batch_size)
    model.compile(
        optimizer=_optimizer(recipe, steps_per_epoch * recipe.epochs),
        loss=keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=recipe.label_smoothing),
        metrics=["accuracy"],
        jit_compile=False,  # XLA on a CPU was seven times slower
    )
    watch = _Watch(n_clips, recipe.epochs)
    callbacks: list[Any] = [watch]
    if recipe.early_stopping_patience and validation is not None:
        callbacks.append(
            keras.callbacks.EarlyStopping(patience=recipe.early_stopping_patience, restore_best_weights=True)
        )
    model.fit(
        batches,
        epochs=recipe.epochs,
        steps_per_epoch=steps_per_epoch,
        validation_data=validation,
        callbacks=callbacks,
        shuffle=False,
        verbose=0,
    )
    return watch.history


def _optimizer(recipe: Recipe, n_steps: int) -> Any:
    warmup_steps = int(n_steps * recipe.warmup_fraction)
    schedule = keras.optimizers.schedules.CosineDecay(
        0.0 if warmup_steps else recipe.learning_rate,
        decay_steps=max(1, n_steps - warmup_steps),
        warmup_target=recipe.learning_rate if warmup_steps else None,
        warmup_steps=warmup_steps,
    )
    return keras.optimizers.AdamW(schedule, weight_decay=recipe.weight_decay)


class _Watch(keras.callbacks.Callback):  # type: ignore[misc] # keras is untyped
    """Keeps the history, says how far training is, and stops it when the loss is no number."""

    def __init__(self, n_clips: int, epochs: int) -> None:
        super().__init__()
        self.history: list[EpochRow] = []
        self._n_clips, self._epochs = n_clips, epochs
        self._epoch_started = 0.0

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Start the epoch's clock."""
        self._epoch_started = time.monotonic()

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """Look at the mean loss, which stays NaN once one batch was."""
        loss = (logs or {})["loss"]
        if not math.isfinite(loss):
            raise StepError(
                f"The loss became {loss} in epoch {len(self.history) + 1}, step {batch + 1}.",
                remedy="Lower learning_rate, or lengthen the warm-up.",
            )

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Note and say what the epoch brought."""
        logs = logs or {}
        row = EpochRow(
            loss=float(logs["loss"]),
            accuracy=float(logs["accuracy"]),
            val_loss=_optional(logs, "val_loss"),
            val_accuracy=_optional(logs, "val_accuracy"),
            learning_rate=float(self.model.optimizer.learning_rate),
            seconds=round(time.monotonic() - self._epoch_started, 3),
        )
        self.history.append(row)
        say(self._line(row))

    def _line(self, row: EpochRow) -> str:
        done = len(self.history)
        seconds = sum(past.seconds for past in self.history)
        parts = [f"{done}/{self._epochs} epochs", f"{done * self._n_clips / seconds:.0f} clips/s"]
        if done < self._epochs:
            parts.append(f"{seconds / done * (self._epochs - done):.0f} s left")
        parts.append(f"accuracy {row.accuracy:.3f}")
        if row.val_accuracy is not None:
            parts.append(f"validation {row.val_accuracy:.3f}")
        return " · ".join(parts)


def _optional(logs: dict[str, float], name: str) -> float | None:
    return float(logs[name]) if name in logs else None
