"""(2+1)D convolutions on 4-D views, which CPUs and GPUs have fast kernels for."""

from typing import Any

from keras import layers, ops  # noqa: TID253 - only training imports the models


def convolved(
    values: Any,
    filters: int,
    *,
    kernel: tuple[int, int, int],
    strides: tuple[int, int, int] = (1, 1, 1),
    momentum: float = 0.9,
    epsilon: float = 1e-3,
) -> Any:
    """Convolve in space or in time, without bias, and normalize over the batch.

    The result is that of Conv3D and batch normalization with the same weights. But a convolution in space sees
    (batch * time, height, width, channels), one in time (batch, time, height * width, channels), and batch
    normalization has a fused kernel on 4-D views only.

    Args:
        values: What to convolve.
        filters: Channels of the result.
        kernel: (time, height, width); only time, or only height and width may be more than 1.
        strides: (time, height, width).
        momentum: Of the normalization's moving averages.
        epsilon: Added to its variance.

    Input shape:
        (batch, time, height, width, channels)

    Output shape:
        (batch, time / stride, height / stride, width / stride, filters), rounded up
    """
    if kernel[0] == 1:
        values = values[:, :: strides[0]] if strides[0] > 1 else values
        _, n_frames, height, width, channels = values.shape
        values = ops.reshape(values, (-1, height, width, channels))
        values = layers.Conv2D(filters, kernel[1:], strides=strides[1:], padding="same", use_bias=False)(values)
        values = layers.BatchNormalization(momentum=momentum, epsilon=epsilon)(values)
        return ops.reshape(values, (-1, n_frames, *values.shape[1:]))
    if kernel[1:] != (1, 1) or strides[1:] != (1, 1):
        raise ValueError(f"A kernel of {kernel} with strides {strides} is neither one of space nor one of time.")
    _, n_frames, height, width, channels = values.shape
    values = ops.reshape(values, (-1, n_frames, height * width, channels))
    values = layers.Conv2D(filters, (kernel[0], 1), strides=(strides[0], 1), padding="same", use_bias=False)(values)
    values = layers.BatchNormalization(momentum=momentum, epsilon=epsilon)(values)
    return ops.reshape(values, (-1, values.shape[1], height, width, filters))
