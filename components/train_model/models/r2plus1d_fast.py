"""The default model: a (2+1)D residual network that a laptop trains in a minute."""

from collections.abc import Sequence
from typing import Any

import keras  # noqa: TID253 - only training imports the models
from keras import layers  # noqa: TID253

from components.contract.clips import ClipGeometry
from components.train_model.models.factorized import convolved

# Batch normalization remembers with a momentum of 0.9: short trainings have a few hundred steps, and the usual 0.99
# would still remember the first of them.
_MOMENTUM = 0.9


def r2plus1d_fast(
    geometry: ClipGeometry, n_labels: int, widths: Sequence[int] = (16, 32, 64), blocks_per_stage: int = 1
) -> Any:
    """Build the network: a patch stem, then a stage of (2+1)D residual blocks per further width.

    Strides shrink time and space where the tutorial resizes, and every operation sees a 4-D view (see `convolved`),
    which on a CPU is several times faster than Conv3D.
    Only layers of Keras are used, so the saved model loads without this code.

    Args:
        geometry: Shape of a clip.
        n_labels: Number of outputs.
        widths: Channels of the stem and of each stage.
        blocks_per_stage: Residual blocks in a stage; the first of them halves time, height and width.

    Input shape:
        (batch, time, height, width, 3), uint8

    Output shape:
        (batch, n_labels), float32 logits
    """
    clips = keras.Input(geometry.shape, dtype="uint8", name="clips")
    values = layers.Rescaling(1 / 127.5, offset=-1)(clips)
    values = layers.ReLU()(_convolved(values, widths[0], kernel=(1, 4, 4), strides=(1, 4, 4)))
    values = layers.ReLU()(_convolved(values, widths[0], kernel=(3, 1, 1)))
    for width in widths[1:]:
        values = _block(values, width, stride=2)
        for _ in range(blocks_per_stage - 1):
            values = _block(values, width, stride=1)
    values = layers.GlobalAveragePooling3D()(values)
    logits = layers.Dense(n_labels, dtype="float32", name="logits")(values)
    return keras.Model(clips, logits, name="r2plus1d_fast")


def _block(values: Any, width: int, *, stride: int) -> Any:
    """Add a (2+1)D convolution to its input, which is pooled and projected where the shapes differ."""
    main = layers.ReLU()(_convolved(values, width, kernel=(1, 3, 3), strides=(1, stride, stride)))
    main = _convolved(main, width, kernel=(3, 1, 1), strides=(stride, 1, 1))
    if stride != 1 or values.shape[-1] != width:
        values = layers.AveragePooling3D(stride, padding="same")(values)
        values = _convolved(values, width, kernel=(1, 1, 1))
    return layers.ReLU()(layers.Add()([main, values]))


def _convolved(
    values: Any, width: int, *, kernel: tuple[int, int, int], strides: tuple[int, int, int] = (1, 1, 1)
) -> Any:
    return convolved(values, width, kernel=kernel, strides=strides, momentum=_MOMENTUM)
