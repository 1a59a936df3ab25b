"""A layer that asks a SavedModel, and carries it along in the .keras file."""

from pathlib import Path
from typing import Any

import keras  # noqa: TID253 - only training imports the layers
import tensorflow as tf  # noqa: TID253

from components.contract.errors import StepError
from components.contract.files import write_bytes
from components.train_model.pretrained_files import folder_sha256

_SIGNATURE = "serving_default"


@keras.saving.register_keras_serializable("reelflow")
class SavedModelFeatures(keras.layers.Layer):  # type: ignore[misc] # keras is untyped
    """Features that a frozen SavedModel's `serving_default` gives.

    Loading a .keras file with such a layer loads the SavedModel in it, after its digest was compared.

    Args:
        sha256: Of the SavedModel, as `folder_sha256` gives it.
        n_features: Last axis of its output.

    Input shape:
        As the SavedModel says.

    Output shape:
        (batch, n_features), float32: what the SavedModel gives, averaged over all axes between
    """

    def __init__(self, *, sha256: str, n_features: int, **options: Any) -> None:
        super().__init__(trainable=False, dtype="float32", autocast=False, **options)
        self.sha256, self.n_features = sha256, n_features
        self.loaded: Any = None
        self._files: dict[str, bytes] = {}

    def load_from(self, folder: Path) -> None:
        """Load the SavedModel.

        Raises:
            StepError: If it is not the promised one, or its signature is not one clip or frame in, one float out.
        """
        if folder_sha256(folder) != self.sha256:
            raise StepError(f"{folder} is not the SavedModel {self.sha256}.", remedy="Train the model again.")
        self._files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in _files_of(folder)}
        # Not an attribute that Keras would look into: what hangs on it are TensorFlow's variables.
        self.loaded = _Untracked(tf.saved_model.load(str(folder)))
        _ends(self.loaded.value)

    def call(self, values: Any) -> Any:
        """Ask the SavedModel."""
        name, output = _ends(self.loaded.value)
        serve = self.loaded.value.signatures[_SIGNATURE]
        wanted = serve.structured_input_signature[1][name].dtype
        features = tf.cast(serve(**{name: tf.cast(values, wanted)})[output], tf.float32)
        flat = tf.reshape(features, (tf.shape(features)[0], -1, self.n_features))
        return tf.stop_gradient(tf.reduce_mean(flat, axis=1))

    def compute_output_spec(self, values: Any) -> Any:
        """Say the shape without asking the SavedModel, which may not be loaded yet."""
        return keras.KerasTensor((values.shape[0], self.n_features), dtype="float32")

    def get_config(self) -> dict[str, Any]:
        """Return what `__init__` needs to make it again."""
        name = super().get_config()["name"]
        return {"name": name, "sha256": self.sha256, "n_features": self.n_features}

    def save_assets(self, folder: str) -> None:
        """Put the SavedModel into the .keras file."""
        for name, data in self._files.items():
            write_bytes(Path(folder) / name, data)

    def load_assets(self, folder: str) -> None:
        """Take it out again."""
        self.load_from(Path(folder))


class _Untracked:
    def __init__(self, value: Any) -> None:
        self.value = value


def saved_model_features(folder: Path, *, name: str) -> tuple[SavedModelFeatures, tuple[int | None, ...], str]:
    """Load a SavedModel; return its layer, the shape that it takes without the batch, and the dtype that it takes.

    Raises:
        StepError: If TensorFlow cannot load it or its signature is of another kind.
    """
    try:
        loaded = tf.saved_model.load(str(folder))
        name_in, name_out = _ends(loaded)
    except (OSError, ValueError, tf.errors.OpError) as error:
        raise StepError(
            f"TensorFlow cannot load the SavedModel ({type(error).__name__}: {error}).", remedy="Export it again."
        ) from error
    serve = loaded.signatures[_SIGNATURE]
    taken = serve.structured_input_signature[1][name_in]
    n_features = serve.structured_outputs[name_out].shape[-1]
    if taken.shape.rank not in (4, 5) or n_features is None:
        raise StepError(
            f"The SavedModel takes {taken.shape} and gives {n_features} features.",
            remedy="Give one that takes frames or clips and whose features have a known number.",
        )
    layer = SavedModelFeatures(sha256=folder_sha256(folder), n_features=int(n_features), name=name)
    layer.load_from(folder)
    return layer, tuple(taken.shape[1:]), taken.dtype.name


def _ends(loaded: Any) -> tuple[str, str]:
    """Return the names of the one input and the one floating-point output."""
    if _SIGNATURE not in loaded.signatures:
        raise StepError(f"The SavedModel has no signature {_SIGNATURE}.", remedy="Export it with one.")
    serve = loaded.signatures[_SIGNATURE]
    inputs = sorted(serve.structured_input_signature[1])
    outputs = sorted(name for name, spec in serve.structured_outputs.items() if spec.dtype.is_floating)
    if len(inputs) != 1 or len(outputs) != 1:
        raise StepError(
            f"The SavedModel's {_SIGNATURE} takes {', '.join(inputs)} and gives {', '.join(outputs) or 'no floats'}.",
            remedy="Export it with one input (frames or clips) and one floating-point output (features).",
        )
    return inputs[0], outputs[0]


def _files_of(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())
