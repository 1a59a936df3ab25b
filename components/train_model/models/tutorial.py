"""The model of TensorFlow's tutorial on video classification, layer by layer."""

from typing import Any

import keras  # noqa: TID253 - only training imports the models
from keras import layers  # noqa: TID253

from components.contract.clips import ClipGeometry
from components.train_model.layers import Conv2Plus1D, Project, ResidualMain, ResizeVideo


def tutorial(geometry: ClipGeometry, n_labels: int, *, merged: bool = True) -> Any:
    """Build the tutorial's network; 443,322 parameters at 10 labels. It takes uint8 where the tutorial takes 0 to 1.

    Args:
        geometry: Shape of a clip.
        n_labels: Number of outputs.
        merged: Convolve 4-D views, faster, with the same result; False runs Conv3D as the tutorial does.

    Input shape:
        (batch, time, height, width, 3), uint8

    Output shape:
        (batch, n_labels), float32 logits
    """
    height, width = geometry.frame_height, geometry.frame_width
    clips = keras.Input(geometry.shape, dtype="uint8", name="clips")
    values = layers.Rescaling(1 / 255)(clips)
    values = Conv2Plus1D(16, (3, 7, 7), merged=merged)(values)
    values = layers.ReLU()(layers.BatchNormalization()(values))
    for filters, shrink in ((16, 2), (32, 4), (64, 8), (128, 16)):
        values = ResizeVideo(max(1, height // shrink), max(1, width // shrink))(values)
        values = _residual_block(values, filters, merged=merged)
    values = layers.GlobalAveragePooling3D()(values)
    logits = layers.Dense(n_labels, dtype="float32", name="logits")(values)
    return keras.Model(clips, logits, name="tutorial")


def _residual_block(values: Any, filters: int, *, merged: bool) -> Any:
    main = ResidualMain(filters, (3, 3, 3), merged=merged)(values)
    if values.shape[-1] != filters:
        values = Project(filters)(values)
    return layers.Add()([values, main])
