"""The files of a trained model's SavedModel, as its finished marker lists them."""

from pathlib import Path

from components.contract.errors import StepError
from components.contract.finished import read_finished
from components.contract.model import KIND, SAVED_MODEL_NAME

GRAPH_NAME = "saved_model.pb"


def saved_files(model: Path) -> dict[str, str]:
    """Return the SHA-256 of each file of the SavedModel, by its path relative to it, sorted.

    Raises:
        StepError: If the model's folder holds no SavedModel.
    """
    prefix = f"{SAVED_MODEL_NAME}/"
    listed = read_finished(model, kind=KIND, checksums=False).files
    files = {
        name.removeprefix(prefix): entry["sha256"] for name, entry in sorted(listed.items()) if name.startswith(prefix)
    }
    if GRAPH_NAME not in files:
        raise StepError(f"{model} holds no SavedModel.", remedy="Run train_model again.")
    return files
