"""What training measured after each epoch, as train_model leaves it beside the model."""

import json
from pathlib import Path

from components.contract.errors import StepError
from components.contract.model import HISTORY_NAME

_NAMES = ("loss", "accuracy", "val_loss", "val_accuracy", "seconds")


def read_history(model_dir: Path) -> dict[str, list[float]]:
    """Return the values by epoch, by name: `loss`, `accuracy`, `val_loss`, `val_accuracy`, `seconds`.

    Raises:
        StepError: If the file is missing or is not rows of numbers.
    """
    path = model_dir / HISTORY_NAME
    try:
        rows = json.loads(path.read_text())
        # A quantity that was not measured (no validation clips) is null in the file and NaN here: it is not drawn.
        return {name: [float("nan" if row[name] is None else row[name]) for row in rows] for name in _NAMES}
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise StepError(f"{path} is no history of a training ({error}).", remedy="Run train_model again.") from error
