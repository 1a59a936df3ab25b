"""The trained model's folder: what train_model writes and evaluation, push and prediction read."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from components.contract.clips import ClipGeometry
from components.contract.errors import StepError
from components.contract.files import write_json
from components.contract.finished import Finished, finish, read_finished

KIND = "model"
KERAS_NAME = "model.keras"
SAVED_MODEL_NAME = "saved_model"
LABELS_NAME = "labels.txt"
HISTORY_NAME = "history.json"
HISTORY_PLOT_NAME = "history.png"
TENSORBOARD_NAME = "tensorboard"
MODEL_SUMMARY_NAME = "model_summary.json"
MODEL_DIAGRAM_NAME = "model_diagram.html"

# The SavedModel's serving signature: uint8 clips in; probabilities and the likeliest label out.
SIGNATURE = "serving_default"
CLIPS_INPUT = "clips"
PROBABILITIES_OUTPUT = "probabilities"
LABEL_OUTPUT = "label"

# A second signature takes each frame as JPEG: string, shape (batch, time).
JPEG_SIGNATURE = "serving_jpeg"
FRAMES_INPUT = "frames"

# Inside the SavedModel, where TensorFlow keeps what is not its own: labels, geometry and preparation.
SERVED_NAME = "assets.extra/reelflow.json"


@dataclass(frozen=True)
class ServedModel:
    """What a SavedModel says of itself, so that prediction needs nothing else.

    Attributes:
        model: Name in the table of models.
        geometry: Shape of the clips that it takes.
        preparation: How frames are chosen and resized; `components.video.preparation` repeats it.
        labels: Class names in the order of its probabilities.
    """

    model: str
    geometry: ClipGeometry
    preparation: dict[str, Any]
    labels: tuple[str, ...]


@dataclass(frozen=True)
class TrainedModel:
    """What a finished model folder holds.

    Attributes:
        model: Name in the table of models, e.g. `r2plus1d_fast`.
        geometry: Shape of the clips that it takes.
        preparation: How the frames it was trained on were chosen and resized.
        labels: Class names in the order of its outputs.
        n_parameters: All its parameters.
        training: The recipe and what came of it (epochs, seed, best epoch …).
        digest: Content digest, of the weights and not of the files that carry dates.
    """

    model: str
    geometry: ClipGeometry
    preparation: dict[str, Any]
    labels: tuple[str, ...]
    n_parameters: int
    training: dict[str, Any]
    digest: str


def finish_model(folder: Path, trained: TrainedModel, *, weights_sha256: str) -> Finished:
    """Mark a model folder as finished; `trained.digest` is ignored, the result carries the right one.

    Args:
        folder: Holds KERAS_NAME, SAVED_MODEL_NAME/, LABELS_NAME and HISTORY_NAME, MODEL_SUMMARY_NAME and
            MODEL_DIAGRAM_NAME; it may hold more.
        trained: What it holds.
        weights_sha256: Checksum of architecture and weights. It stands for the Keras file and the SavedModel,
            whose bytes carry dates and random identifiers. Left out are the history, its log and plot, which carry
            times, and the summary and diagram, which only retell the architecture.
    """
    properties = {key: value for key, value in asdict(trained).items() if key != "digest"}
    folders = (folder / SAVED_MODEL_NAME, folder / TENSORBOARD_NAME)
    unlike = [path for inner in folders for path in inner.rglob("*") if path.is_file()]
    left_out = {str(path.relative_to(folder)): None for path in unlike}
    retold = dict.fromkeys((HISTORY_NAME, HISTORY_PLOT_NAME, MODEL_SUMMARY_NAME, MODEL_DIAGRAM_NAME))
    content = {**left_out, **retold, KERAS_NAME: weights_sha256}
    return finish(folder, kind=KIND, properties=properties, content=content)


def read_model(folder: Path, *, digest: str | None = None) -> TrainedModel:
    """Read and verify what a finished model folder holds.

    Raises:
        StepError: If it is unfinished, damaged, or not the promised one.
    """
    finished = read_finished(folder, kind=KIND, digest=digest)
    try:
        properties = dict(finished.properties)
        properties["geometry"] = ClipGeometry(**properties["geometry"])
        properties["labels"] = tuple(properties["labels"])
        return TrainedModel(**properties, digest=finished.digest)
    except (KeyError, TypeError) as error:
        raise StepError(f"{folder} does not say what it holds ({error}).", remedy="Run train_model again.") from error


def write_served_description(saved_model: Path, served: ServedModel) -> None:
    """Put into a SavedModel what a client must know to ask it."""
    write_json(saved_model / SERVED_NAME, asdict(served))


def read_served_description(saved_model: Path) -> ServedModel:
    """Read what a SavedModel says of itself.

    Raises:
        StepError: If it says nothing, or nothing that can be read.
    """
    try:
        stored = json.loads((saved_model / SERVED_NAME).read_text())
        stored["geometry"] = ClipGeometry(**stored["geometry"])
        stored["labels"] = tuple(stored["labels"])
        return ServedModel(**stored)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StepError(
            f"{saved_model} has no readable {SERVED_NAME} ({error}).",
            remedy="Give a SavedModel that Reelflow exported.",
        ) from error
