"""One step of learning: random changes, gradients, an update of the weights; on one device or on many alike."""

from collections.abc import Callable, Sequence
from typing import Any

import keras  # noqa: TID253 - only training imports this module
import numpy as np
import tensorflow as tf  # noqa: TID253

from components.train_model.changes import changed, mixed
from components.train_model.hardware import Hardware
from components.train_model.recipe import Recipe

Arrays = list[np.ndarray[Any, Any]]


class Learner:
    """A model and its optimizer, and what they do with a batch.

    Keras' own `fit` is not used: it fails under several machines (keras-team/keras#20585), cannot go on within a
    random sequence, and traces its step twice.

    Args:
        build: Builds the uncompiled model, which returns logits.
        recipe: How it learns.
        hardware: Where.
        n_steps: Of the whole training.
        precision: float32, bfloat16 or float16.
        label_weights: What a clip of each label weighs in the loss, float32, shape (labels,).
        flippable: Whether a clip of each label may be mirrored, shape (labels,).
    """

    def __init__(
        self,
        build: Callable[[], Any],
        recipe: Recipe,
        hardware: Hardware,
        *,
        n_steps: int,
        precision: str,
        label_weights: Sequence[float],
        flippable: Sequence[bool],
    ) -> None:
        self._recipe, self._hardware = recipe, hardware
        self._label_weights = tf.constant(label_weights, tf.float32)
        self._flippable = tf.constant(flippable, tf.bool)
        with hardware.strategy.scope():
            self.model = build()
            self._adam = _optimizer(recipe, n_steps)
            scaled = precision == "float16"
            self.optimizer = keras.optimizers.LossScaleOptimizer(self._adam) if scaled else self._adam
            # Variables made inside a traced function would have it traced a second time.
            self.optimizer.build(self.model.trainable_variables)
        self._loss = keras.losses.CategoricalCrossentropy(
            from_logits=True, label_smoothing=recipe.label_smoothing, reduction="none"
        )
        self._training_step: Any = None
        self._validation_step: Any = None

    @property
    def learning_rate(self) -> float:
        """Of the next step."""
        return float(self._adam.learning_rate)

    def learn(self, batch: Any) -> Any:
        """Learn from one batch of a distributed dataset.

        Returns:
            Sums over its clips: loss, clips answered right, clips. float32, shape (3,).
        """
        if self._training_step is None:
            self._training_step = tf.function(
                self._learn_everywhere, jit_compile=self._recipe.xla and self._hardware.has_gpu
            )
        return self._training_step(batch)

    def score(self, frames: Any, labels: Any) -> Any:
        """Return the same sums as `learn` for clips of this machine; nothing is changed and nothing learned."""
        if self._validation_step is None:
            self._validation_step = tf.function(self._score_here, reduce_retracing=True)
        return self._validation_step(frames, labels)

    def agree(self) -> None:
        """Average over all replicas what each keeps of its own batches, as batch normalization does."""
        if self._hardware.n_replicas == 1:
            return
        own = [variable for variable in self.model.non_trainable_variables if variable.dtype == "float32"]
        means = tf.function(lambda: self._averaged(own))()
        for variable, mean in zip(own, means, strict=True):
            variable.assign(mean)

    def state(self) -> Arrays:
        """Return everything that learning goes on from: weights, the optimizer's memory, the number of steps."""
        return [variable.numpy() for variable in self._variables()]

    def restore(self, state: Arrays) -> None:
        """Go on from what `state` returned."""
        for variable, value in zip(self._variables(), state, strict=True):
            variable.assign(value)

    def weights(self) -> Arrays:
        """Return the model's variables, averaged where the recipe says so."""
        averages = self._averages()
        return [averages.get(id(variable), variable).numpy() for variable in self.model.variables]

    def set_weights(self, weights: Arrays) -> Arrays:
        """Set the model's variables and return those that it had."""
        before = [variable.numpy() for variable in self.model.variables]
        for variable, value in zip(self.model.variables, weights, strict=True):
            variable.assign(value)
        return before

    def _averages(self) -> dict[int, Any]:
        if not self._recipe.ema_momentum:
            return {}
        averages = self._adam._model_variables_moving_average  # Keras gives no other access
        return {
            id(variable): average for variable, average in zip(self.model.trainable_variables, averages, strict=True)
        }

    def _variables(self) -> list[Any]:
        return [*self.model.variables, *self.optimizer.variables]

    def _learn_everywhere(self, batch: Any) -> Any:
        sums = self._hardware.strategy.run(self._learn_here, args=batch)
        return self._hardware.strategy.reduce(tf.distribute.ReduceOp.SUM, sums, axis=None)

    def _learn_here(self, frames: Any, labels: Any) -> Any:
        recipe, n_replicas = self._recipe, self._hardware.n_replicas
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        number = tf.cast(self._adam.iterations, tf.int64) * n_replicas + tf.cast(replica, tf.int64)
        frames = changed(
            frames,
            (recipe.seed, number),
            horizontal_flip=recipe.horizontal_flip,
            may_flip=tf.gather(self._flippable, tf.argmax(labels, axis=1)),
            colour_jitter=recipe.colour_jitter,
            crop_scale=recipe.crop_scale,
        )
        if recipe.mixup:
            frames, labels = mixed(frames, labels, (recipe.seed, number), concentration=recipe.mixup)
        n_clips = tf.cast(tf.shape(frames)[0], tf.float32)
        with tf.GradientTape() as tape:
            logits = self.model(frames, training=True)
            losses = self._loss(labels, logits) * tf.linalg.matvec(labels, self._label_weights)
            # The optimizer adds up the gradients of all replicas, whose batches are equally large.
            mean = tf.reduce_sum(losses) / (n_clips * n_replicas)
            objective = self.optimizer.scale_loss(tf.add_n([mean, *self._penalties()]))
        gradients = tape.gradient(objective, self.model.trainable_variables)
        self.optimizer.apply(gradients, self.model.trainable_variables)
        return _sums(losses, labels, logits)

    def _averaged(self, variables: list[Any]) -> list[Any]:
        strategy = self._hardware.strategy
        values = strategy.run(lambda: [tf.identity(variable.value) for variable in variables])
        return [strategy.reduce(tf.distribute.ReduceOp.MEAN, value, axis=None) for value in values]

    def _penalties(self) -> list[Any]:
        return [tf.cast(loss, tf.float32) / self._hardware.n_replicas for loss in self.model.losses]

    def _score_here(self, frames: Any, labels: Any) -> Any:
        # Every replica scores the same clips: validation is short, and all machines then stop at the same epoch.
        sums = self._hardware.strategy.run(self._scored, args=(frames, labels))
        return self._hardware.strategy.experimental_local_results(sums)[0]

    def _scored(self, frames: Any, labels: Any) -> Any:
        logits = self.model(frames, training=False)
        return _sums(self._loss(labels, logits), labels, logits)


def _sums(losses: Any, labels: Any, logits: Any) -> Any:
    right = tf.equal(tf.argmax(labels, axis=1), tf.argmax(logits, axis=1))
    right, ones = tf.cast(right, tf.float32), tf.ones_like(losses)
    return tf.stack([tf.reduce_sum(losses), tf.reduce_sum(right), tf.reduce_sum(ones)])


def _optimizer(recipe: Recipe, n_steps: int) -> Any:
    warmup_steps = int(n_steps * recipe.warmup_fraction)
    schedule = keras.optimizers.schedules.CosineDecay(
        0.0 if warmup_steps else recipe.learning_rate,
        decay_steps=max(1, n_steps - warmup_steps),
        alpha=recipe.decay_to,
        warmup_target=recipe.learning_rate if warmup_steps else None,
        warmup_steps=warmup_steps,
    )
    average = {"use_ema": True, "ema_momentum": recipe.ema_momentum} if recipe.ema_momentum else {}
    return keras.optimizers.AdamW(schedule, weight_decay=recipe.weight_decay, **average)
