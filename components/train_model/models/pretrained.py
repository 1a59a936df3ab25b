"""A model that somebody trained before, with a new head: frozen, or fine-tuned."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras  # noqa: TID253 - only training imports the models
from keras import layers, ops  # noqa: TID253

from components.contract.clips import ClipGeometry
from components.contract.errors import StepError
from components.train_model.saved_model_layer import saved_model_features

_MOTION_FILTERS = 128


@dataclass(frozen=True)
class Pretrained:
    """What to build on.

    Attributes:
        path: A .keras file or a SavedModel's folder, as `fetched_model` left it: compared with its digest and checked.
        fine_tune: Whether its weights are trained further; they stay as they are otherwise.
        sha256: Its digest, which says what it is wherever it lies.
    """

    path: Path
    fine_tune: bool
    sha256: str = ""


def pretrained(geometry: ClipGeometry, n_labels: int, backbone: Pretrained) -> Any:
    """Put a new head on a model of clips or of images.

    A classifier's last dense layer is left out. A model of clips gets clips; a model of images gets each frame, and a
    convolution over time sees how its features change. A model that takes floats gets 0 to 1, one with a Rescaling
    layer of its own 0 to 255, one that takes integers 0 to 255.

    Args:
        geometry: Shape of a clip.
        n_labels: Number of outputs.
        backbone: What to build on.

    Input shape:
        (batch, time, height, width, 3), uint8

    Output shape:
        (batch, n_labels), float32 logits

    Raises:
        StepError: If it cannot be loaded safely, takes other shapes, or is a SavedModel and shall be fine-tuned.
    """
    if backbone.path.is_dir():
        if backbone.fine_tune:
            raise StepError(
                "A SavedModel can only be used frozen: what it exports does not train.",
                remedy="Set fine_tune to false, or give the .keras file.",
            )
        body, shape, dtype = saved_model_features(backbone.path, name="backbone")
        scale = 1 / 255
    else:
        body, shape, dtype, scale = _keras_features(backbone)
    _check_shape(shape, geometry)
    clips = keras.Input(geometry.shape, dtype="uint8", name="clips")
    values = layers.Rescaling(scale)(clips) if "float" in dtype else clips
    features = _of_clips(values, body) if len(shape) == 4 else _of_frames(values, body)
    logits = layers.Dense(n_labels, dtype="float32", name="logits")(features)
    return keras.Model(clips, logits, name="pretrained")


def _keras_features(backbone: Pretrained) -> tuple[Any, tuple[int | None, ...], str, float]:
    """Return the model without its head, the shape and dtype that it takes, and what scales 0 to 255 for it."""
    try:
        model = keras.saving.load_model(backbone.path, compile=False, safe_mode=True)
    except Exception as error:  # Keras raises what its layers raise
        raise StepError(
            f"Keras cannot load {backbone.path.name} safely ({type(error).__name__}).",
            remedy="Give a .keras file of Keras' own layers.",
        ) from error
    if len(getattr(model, "inputs", None) or ()) != 1 or len(model.outputs) != 1:
        raise StepError(
            f"{backbone.path.name} does not take one tensor and give one.", remedy="Give such a functional model."
        )
    last = model.layers[-1]
    while isinstance(last, (layers.Activation, layers.Softmax, layers.Dense)) and len(last.output.shape) == 2:
        before, dense = last.input, isinstance(last, layers.Dense)
        last = before._keras_history.operation
        if dense:
            break
    body = keras.Model(model.inputs[0], last.output, name="backbone")
    body.trainable = backbone.fine_tune
    taken = model.inputs[0]
    rescales = any(isinstance(layer, layers.Rescaling) for layer in model.layers)
    return body, tuple(taken.shape[1:]), str(taken.dtype), 1.0 if rescales else 1 / 255


def _check_shape(shape: Sequence[int | None], geometry: ClipGeometry) -> None:
    wanted = geometry.shape[-len(shape) :] if len(shape) in (3, 4) else ()
    fits = [found is None or found == want for found, want in zip(shape, wanted, strict=False)]
    if len(fits) != len(shape) or not all(fits):
        raise StepError(
            f"The pretrained model takes {tuple(shape)}; the clips are {geometry.shape}.",
            remedy="Extract clips of its size, or give a model that takes theirs.",
        )


def _of_clips(values: Any, body: Any) -> Any:
    return _pooled(_asked(body, values))


def _of_frames(values: Any, body: Any) -> Any:
    _, n_frames, height, width, channels = values.shape
    features = _pooled(_asked(body, ops.reshape(values, (-1, height, width, channels))))
    features = ops.reshape(features, (-1, n_frames, features.shape[-1]))
    return layers.GlobalAveragePooling1D()(
        layers.Conv1D(_MOTION_FILTERS, 3, padding="same", activation="relu")(features)
    )


def _asked(body: Any, values: Any) -> Any:
    """Frozen normalizations keep their averages, too."""
    return body(values) if body.trainable else body(values, training=False)


def _pooled(features: Any) -> Any:
    """Average over all axes but the batch and the channels."""
    return ops.mean(features, axis=tuple(range(1, len(features.shape) - 1))) if len(features.shape) > 2 else features
