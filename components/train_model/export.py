"""Writing a trained model: for Keras, for a server, and for people."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf  # noqa: TID253 - only training imports this module

from components.contract.clips import ClipGeometry
from components.contract.files import replacing, write_bytes, write_json
from components.contract.finished import Finished
from components.contract.model import (
    ANSWERS_NAME,
    CLIPS_INPUT,
    HISTORY_NAME,
    KERAS_NAME,
    LABEL_OUTPUT,
    LABELS_NAME,
    PROBABILITIES_OUTPUT,
    SAVED_MODEL_NAME,
    SIGNATURE,
    ServedModel,
    TrainedModel,
    finish_model,
    write_served_description,
)
from components.train_model.training import EpochRow


def export_model(folder: Path, model: Any, trained: TrainedModel, history: Sequence[EpochRow]) -> Finished:
    """Write a trained model into an empty folder and mark it finished."""
    model.save(folder / KERAS_NAME)
    save_for_serving(folder / SAVED_MODEL_NAME, model, labels=trained.labels, geometry=trained.geometry)
    served = ServedModel(trained.model, trained.geometry, trained.preparation, trained.labels)
    write_served_description(folder / SAVED_MODEL_NAME, served)
    write_bytes(folder / LABELS_NAME, "".join(f"{label}\n" for label in trained.labels).encode())
    write_json(folder / HISTORY_NAME, [asdict(row) for row in history])
    _save_answers(folder / ANSWERS_NAME, model, trained.geometry)
    return finish_model(folder, trained, weights_sha256=weights_sha256(model))


def save_for_serving(folder: Path, model: Any, *, labels: Sequence[str], geometry: ClipGeometry) -> None:
    """Write a SavedModel that loads without this code: uint8 clips in; probabilities and the likeliest label out."""

    @tf.function(input_signature=[tf.TensorSpec((None, *geometry.shape), tf.uint8, name=CLIPS_INPUT)])  # type: ignore[untyped-decorator, unused-ignore] # tensorflow is untyped
    def serve(clips: Any) -> dict[str, Any]:
        probabilities = tf.nn.softmax(model(clips, training=False))
        likeliest = tf.gather(tf.constant(list(labels)), tf.argmax(probabilities, axis=1))
        return {PROBABILITIES_OUTPUT: probabilities, LABEL_OUTPUT: likeliest}

    served = tf.Module()
    # The variables alone: what else hangs on a Keras model would be saved with it.
    served.model_variables = [variable.value for variable in model.variables]
    tf.saved_model.save(served, str(folder), signatures={SIGNATURE: serve})


def _save_answers(path: Path, model: Any, geometry: ClipGeometry) -> None:
    """Keep what the model answers to two clips of noise: push_model asks the SavedModel the same in a clean process."""
    clips = np.random.default_rng(0).integers(0, 256, (2, *geometry.shape), dtype=np.uint8)
    probabilities = tf.nn.softmax(model(clips, training=False)).numpy()
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, clips=clips, probabilities=probabilities)


def weights_sha256(model: Any) -> str:
    """Return the checksum of a model's architecture (layers, their names, how they are wired) and of its weights."""
    architecture = json.loads(model.to_json())["config"]  # beside it stands how the model was compiled
    checksum = hashlib.sha256(json.dumps(architecture, sort_keys=True).encode())
    for variable in model.variables:
        value = np.ascontiguousarray(variable.numpy())
        checksum.update(f"{variable.shape} {value.dtype}\n".encode() + value.tobytes())
    return checksum.hexdigest()
