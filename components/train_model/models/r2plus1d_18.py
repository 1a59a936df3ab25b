"""R(2+1)D with 18 layers, as Tran et al. 2018 define it."""

from collections.abc import Callable
from functools import partial
from typing import Any

import keras  # noqa: TID253 - only training imports the models
from keras import layers  # noqa: TID253

from components.contract.clips import ClipGeometry
from components.train_model.models.factorized import convolved

# (channels, stride of the stage's first block in time, height and width): section 4.1 of the paper, table 1.
_STAGES = ((64, 1), (128, 2), (256, 2), (512, 2))
_STEM_MIDDLE, _STEM = 45, 64
# torchvision's: momentum 0.1 there counts the new value, here the old one.
_convolved = partial(convolved, momentum=0.9, epsilon=1e-5)
Convolve = Callable[..., Any]


def r2plus1d_18(geometry: ClipGeometry, n_labels: int) -> Any:
    """Build the network of "A Closer Look at Spatiotemporal Convolutions for Action Recognition" (arXiv:1711.11248).

    It has the trainable parameters of torchvision's r2plus1d_18: 31,505,325 at 400 labels. Only layers of Keras are
    used, so the saved model loads without this code.

    Input shape:
        (batch, time, height, width, 3), uint8

    Output shape:
        (batch, n_labels), float32 logits
    """
    return network(geometry, n_labels, convolve=_convolved)


def network(geometry: ClipGeometry, n_labels: int, *, convolve: Convolve) -> Any:
    """Build it from any function that convolves and normalizes like `convolved`."""
    clips = keras.Input(geometry.shape, dtype="uint8", name="clips")
    values = layers.Rescaling(1 / 127.5, offset=-1)(clips)
    values = layers.ReLU()(convolve(values, _STEM_MIDDLE, kernel=(1, 7, 7), strides=(1, 2, 2)))
    values = layers.ReLU()(convolve(values, _STEM, kernel=(3, 1, 1)))
    for width, stride in _STAGES:
        values = _block(values, width, stride=stride, convolve=convolve)
        values = _block(values, width, stride=1, convolve=convolve)
    values = layers.GlobalAveragePooling3D()(values)
    logits = layers.Dense(n_labels, dtype="float32", name="logits")(values)
    return keras.Model(clips, logits, name="r2plus1d_18")


def middle_channels(channels: int, filters: int, *, time: int = 3, side: int = 3) -> int:
    """Return the channels between the convolution in space and that in time.

    As many as give the two together the weights of one 3-D convolution (section 3.5 of the paper).
    """
    return (time * side**2 * channels * filters) // (side**2 * channels + time * filters)


def _block(values: Any, width: int, *, stride: int, convolve: Convolve) -> Any:
    """Add two (2+1)D convolutions to the input, which is projected where the shapes differ."""
    channels = values.shape[-1]
    # torchvision takes the first convolution's number for both; the count of parameters above depends on it.
    middle = middle_channels(channels, width)
    main = layers.ReLU()(_two_plus_one(values, middle, width, stride=stride, convolve=convolve))
    main = _two_plus_one(main, middle, width, stride=1, convolve=convolve)
    if stride != 1 or channels != width:
        values = convolve(values, width, kernel=(1, 1, 1), strides=(stride, stride, stride))
    return layers.ReLU()(layers.Add()([main, values]))


def _two_plus_one(values: Any, middle: int, width: int, *, stride: int, convolve: Convolve) -> Any:
    values = layers.ReLU()(convolve(values, middle, kernel=(1, 3, 3), strides=(1, stride, stride)))
    return convolve(values, width, kernel=(3, 1, 1), strides=(stride, 1, 1))
