"""The layers of the tutorial's model, made to be saved and loaded."""

from typing import Any

import keras  # noqa: TID253 - only training imports the layers
from keras import ops  # noqa: TID253

Shape = tuple[int | None, ...]
_PACKAGE = "reelflow"


@keras.saving.register_keras_serializable(_PACKAGE)
class Conv2Plus1D(keras.layers.Layer):  # type: ignore[misc] # keras is untyped
    """A 3D convolution factorized into a spatial and then a temporal one.

    Same receptive field as a full 3D kernel with fewer weights (Tran et al. 2018, arXiv:1711.11248).

    Args:
        filters: Channels of both convolutions.
        kernel_size: (time, height, width).
        merged: Convolve 4-D views with the same weights: frames are merged with the batch, then rows with columns. It
            is the same mathematics and faster; False runs Conv3D as the tutorial does.

    Input shape:
        (batch, time, height, width, channels)

    Output shape:
        (batch, time, height, width, filters)
    """

    def __init__(self, filters: int, kernel_size: tuple[int, int, int], *, merged: bool = True, **options: Any) -> None:
        super().__init__(**options)
        time, height, width = kernel_size
        self.filters, self.kernel_size, self.merged = filters, (time, height, width), merged
        # Inner layers follow the policy of the layer that they are in, not the one that happens to be global.
        self.spatial = keras.layers.Conv3D(filters, (1, height, width), padding="same", dtype=self.dtype_policy)
        self.temporal = keras.layers.Conv3D(filters, (time, 1, 1), padding="same", dtype=self.dtype_policy)

    def build(self, input_shape: Shape) -> None:
        """Make the weights."""
        self.spatial.build(input_shape)
        self.temporal.build((*input_shape[:-1], self.filters))

    def call(self, values: Any) -> Any:
        """Convolve in space, then in time."""
        return self._on_views(values) if self.merged else self.temporal(self.spatial(values))

    def _on_views(self, values: Any) -> Any:
        _, n_frames, height, width, channels = values.shape
        frames = ops.reshape(values, (-1, height, width, channels))
        frames = _convolved(frames, self.spatial, ops.squeeze(self.spatial.kernel, 0))
        rows = ops.reshape(frames, (-1, n_frames, height * width, self.filters))
        rows = _convolved(rows, self.temporal, ops.squeeze(self.temporal.kernel, 2))
        return ops.reshape(rows, (-1, n_frames, height, width, self.filters))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Only the channels change."""
        return (*input_shape[:-1], self.filters)

    def get_config(self) -> dict[str, Any]:
        """Return what `__init__` needs to make it again."""
        own = {"filters": self.filters, "kernel_size": self.kernel_size, "merged": self.merged}
        return {**super().get_config(), **own}


@keras.saving.register_keras_serializable(_PACKAGE)
class ResidualMain(keras.layers.Layer):  # type: ignore[misc] # keras is untyped
    """The main path of a residual block: (2+1)D convolution, layer norm, ReLU, (2+1)D convolution, layer norm.

    Args:
        filters: Channels of both convolutions.
        kernel_size: (time, height, width).
        merged: As in Conv2Plus1D.

    Input shape:
        (batch, time, height, width, channels)

    Output shape:
        (batch, time, height, width, filters)
    """

    def __init__(self, filters: int, kernel_size: tuple[int, int, int], *, merged: bool = True, **options: Any) -> None:
        super().__init__(**options)
        time, height, width = kernel_size
        self.filters, self.kernel_size, self.merged = filters, (time, height, width), merged
        self.first = Conv2Plus1D(filters, self.kernel_size, merged=merged, dtype=self.dtype_policy)
        self.first_norm = keras.layers.LayerNormalization(dtype=self.dtype_policy)
        self.second = Conv2Plus1D(filters, self.kernel_size, merged=merged, dtype=self.dtype_policy)
        self.second_norm = keras.layers.LayerNormalization(dtype=self.dtype_policy)

    def build(self, input_shape: Shape) -> None:
        """Make the weights."""
        inner = self.compute_output_shape(input_shape)
        self.first.build(input_shape)
        for layer in (self.first_norm, self.second, self.second_norm):
            layer.build(inner)

    def call(self, values: Any) -> Any:
        """Return what a residual block adds to its input."""
        values = ops.relu(self.first_norm(self.first(values)))
        return self.second_norm(self.second(values))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Only the channels change."""
        return (*input_shape[:-1], self.filters)

    def get_config(self) -> dict[str, Any]:
        """Return what `__init__` needs to make it again."""
        own = {"filters": self.filters, "kernel_size": self.kernel_size, "merged": self.merged}
        return {**super().get_config(), **own}


@keras.saving.register_keras_serializable(_PACKAGE)
class Project(keras.layers.Layer):  # type: ignore[misc] # keras is untyped
    """Bring a shortcut to the channels of the main path: dense, layer norm.

    Args:
        units: Channels.

    Input shape:
        (batch, time, height, width, channels)

    Output shape:
        (batch, time, height, width, units)
    """

    def __init__(self, units: int, **options: Any) -> None:
        super().__init__(**options)
        self.units = units
        self.dense = keras.layers.Dense(units, dtype=self.dtype_policy)
        self.norm = keras.layers.LayerNormalization(dtype=self.dtype_policy)

    def build(self, input_shape: Shape) -> None:
        """Make the weights."""
        self.dense.build(input_shape)
        self.norm.build(self.compute_output_shape(input_shape))

    def call(self, values: Any) -> Any:
        """Project the channels."""
        return self.norm(self.dense(values))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Only the channels change."""
        return (*input_shape[:-1], self.units)

    def get_config(self) -> dict[str, Any]:
        """Return what `__init__` needs to make it again."""
        return {**super().get_config(), "units": self.units}


@keras.saving.register_keras_serializable(_PACKAGE)
class ResizeVideo(keras.layers.Layer):  # type: ignore[misc] # keras is untyped
    """Resize every frame, bilinearly.

    Args:
        height: In pixels.
        width: In pixels.

    Input shape:
        (batch, time, any height, any width, channels)

    Output shape:
        (batch, time, height, width, channels)
    """

    def __init__(self, height: int, width: int, **options: Any) -> None:
        super().__init__(**options)
        self.height, self.width = height, width
        self.resizing = keras.layers.Resizing(height, width, dtype=self.dtype_policy)

    def build(self, input_shape: Shape) -> None:
        """Make nothing: resizing has no weights."""
        self.resizing.build((None, *input_shape[2:]))

    def call(self, values: Any) -> Any:
        """Resize with time merged into the batch."""
        _, n_frames, height, width, channels = values.shape
        frames = ops.reshape(values, (-1, height, width, channels))
        return ops.reshape(self.resizing(frames), (-1, n_frames, self.height, self.width, channels))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Only height and width change."""
        return (*input_shape[:2], self.height, self.width, input_shape[-1])

    def get_config(self) -> dict[str, Any]:
        """Return what `__init__` needs to make it again."""
        return {**super().get_config(), "height": self.height, "width": self.width}


def _convolved(values: Any, conv3d: Any, kernel: Any) -> Any:
    """Convolve a 4-D view with a Conv3D layer's weights, in that layer's precision."""
    kernel, bias = (ops.cast(weight, conv3d.compute_dtype) for weight in (kernel, conv3d.bias))
    return ops.conv(values, kernel, padding="same") + bias
