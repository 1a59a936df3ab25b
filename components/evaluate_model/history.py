"""What training measured after each epoch, as train_model leaves it beside the model."""

import json
from pathlib import Path

from components.contract.errors import StepError
from components.contract.model import HISTORY_NAME


def read_history(model_dir: Path) -> dict[str, list[float]]:
    """Return the values by epoch, by name: `loss`, `accuracy`, `val_loss`, `val_accuracy` and others.

    Raises:
        StepError: If the file is missing or is not lists of numbers.
    """
    path = model_dir / HISTORY_NAME
    try:
        stored = json.loads(path.read_text())
        return {name: [float("nan" if value is None else value) for value in values] for name, values in stored.items()}
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise StepError(f"{path} is no history of a training ({error}).", remedy="Run train_model again.") from error
