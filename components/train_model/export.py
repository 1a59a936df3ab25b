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
    FRAMES_INPUT,
    HISTORY_NAME,
    JPEG_SIGNATURE,
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
from components.train_model.jpeg_frames import clips_from_jpeg
from components.train_model.model_summary import summarized, write_summary
from components.train_model.saved_model_layer import SavedModelFeatures
from components.train_model.training import EpochRow
from components.train_model.warmup import write_warmup_records


def export_model(folder: Path, model: Any, trained: TrainedModel, history: Sequence[EpochRow]) -> Finished:
    """Write a trained model into an empty folder and mark it finished."""
    model.save(folder / KERAS_NAME)
    saved_model = folder / SAVED_MODEL_NAME
    served = ServedModel(trained.model, trained.geometry, trained.preparation, trained.labels)
    save_for_serving(saved_model, model, served)
    write_summary(folder, summarized(model))
    write_bytes(folder / LABELS_NAME, "".join(f"{label}\n" for label in trained.labels).encode())
    write_json(folder / HISTORY_NAME, [asdict(row) for row in history])
    _save_answers(folder / ANSWERS_NAME, model, trained.geometry)
    return finish_model(folder, trained, weights_sha256=weights_sha256(model))


def save_for_serving(folder: Path, model: Any, served: ServedModel) -> None:
    """Write a SavedModel that loads without this code.

    `serving_default` takes uint8 clips, `serving_jpeg` their frames as JPEG; both give probabilities and the likeliest
    label. Beside the graph lie its description and a warm-up record for each signature.
    """
    geometry = served.geometry
    resize = str(served.preparation.get("resize", "crop"))

    def answer(clips: Any) -> dict[str, Any]:
        probabilities = tf.nn.softmax(model(clips, training=False))
        likeliest = tf.gather(tf.constant(list(served.labels)), tf.argmax(probabilities, axis=1))
        return {PROBABILITIES_OUTPUT: probabilities, LABEL_OUTPUT: likeliest}

    of_clips = tf.function(answer).get_concrete_function(
        tf.TensorSpec((None, *geometry.shape), tf.uint8, name=CLIPS_INPUT)
    )
    of_frames = tf.function(
        lambda frames: answer(clips_from_jpeg(frames, geometry, resize=resize))
    ).get_concrete_function(tf.TensorSpec((None, geometry.n_frames), tf.string, name=FRAMES_INPUT))
    module = tf.Module()
    # The variables alone: what else hangs on a Keras model would be saved with it.
    module.model_variables = [variable.value for variable in model.variables]
    module.backbones = [layer.loaded.value for layer in model.layers if isinstance(layer, SavedModelFeatures)]
    tf.saved_model.save(module, str(folder), signatures={SIGNATURE: of_clips, JPEG_SIGNATURE: of_frames})
    write_served_description(folder, served)
    write_warmup_records(folder, geometry=geometry, model_name=served.model)


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
