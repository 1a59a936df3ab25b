"""Training that starts from a model that was trained before: its labels, and its weights."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf  # noqa: TID253 - only training imports this module

from components.contract.buckets import fetch_folder, is_bucket_uri
from components.contract.clips import ClipGeometry
from components.contract.errors import StepError
from components.contract.model import SAVED_MODEL_NAME, ServedModel, read_served_description

Arrays = list[np.ndarray[Any, Any]]


@dataclass(frozen=True)
class InitialModel:
    """A model that training starts from.

    Attributes:
        described: What its SavedModel says of itself.
        weights: Of its variables, in the order of the Keras model that it was exported from.
    """

    described: ServedModel
    weights: Arrays


def read_initial_model(address: str) -> InitialModel:
    """Read a SavedModel that Reelflow exported: a served version, or the folder of a trained model.

    Raises:
        StepError: If there is none.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(address)
        if is_bucket_uri(address):
            folder = Path(name)
            fetch_folder(address, folder)
        saved_model = folder / SAVED_MODEL_NAME if (folder / SAVED_MODEL_NAME).is_dir() else folder
        described = read_served_description(saved_model)
        try:
            variables = tf.saved_model.load(str(saved_model)).model_variables
            return InitialModel(described, [variable.numpy() for variable in variables])
        except (OSError, ValueError, AttributeError) as error:
            raise StepError(
                f"initial_model {address} cannot be loaded ({error}).", remedy="Give a model that Reelflow exported."
            ) from error


def continued_labels(initial: InitialModel, labels: Sequence[str]) -> tuple[str, ...]:
    """Return the labels in the order of the outputs: the initial model's keep their places, new ones come after.

    Raises:
        StepError: If the clips lack a label of the initial model.
    """
    known = initial.described.labels
    missing = [label for label in known if label not in labels]
    if missing:
        raise StepError(
            f"The initial model knows labels that these clips lack: {', '.join(missing)}.",
            remedy="Train on clips of all its labels, or from scratch with initial_model empty.",
        )
    return (*known, *(label for label in labels if label not in known))


def start_from(model: Any, initial: InitialModel, *, model_name: str, geometry: ClipGeometry) -> None:
    """Give a new model the initial one's weights; what answers for new labels keeps its own first weights.

    Raises:
        StepError: If the two are not built alike.
    """
    described, known = initial.described, len(initial.described.labels)
    if (described.model, described.geometry) != (model_name, geometry):
        raise StepError(
            f"The initial model is {described.model} for clips of {described.geometry.shape}; "
            f"this training is of {model_name} for {geometry.shape}.",
            remedy="Set model_name and the clips' geometry as they were, or leave initial_model empty.",
        )
    if len(model.variables) != len(initial.weights):
        raise _built_differently(f"{len(initial.weights)} variables", f"{len(model.variables)}")
    n_labels = model.output_shape[-1]
    for variable, old in zip(model.variables, initial.weights, strict=True):
        new = variable.numpy()
        if new.shape == old.shape:
            new = old
        elif new.shape[:-1] == old.shape[:-1] and (old.shape[-1], new.shape[-1]) == (known, n_labels):
            new[..., :known] = old
        else:
            raise _built_differently(f"a variable of shape {old.shape}", f"{new.shape}")
        variable.assign(new)


def _built_differently(has: str, wanted: str) -> StepError:
    return StepError(
        f"The initial model has {has}; this one has {wanted}.",
        remedy="Build the model with the values that the initial one was built with, or leave initial_model empty.",
    )
