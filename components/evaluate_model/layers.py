"""The layers of the judged model, as train_model leaves them beside it."""

import json
from dataclasses import dataclass
from pathlib import Path

from components.contract.errors import StepError
from components.contract.model import MODEL_SUMMARY_NAME


@dataclass(frozen=True)
class Layer:
    """One layer.

    Attributes:
        name: In the model.
        kind: Its class.
        output_shape: For one clip.
        n_parameters: Trainable or not.
        flops: Floating-point operations for one clip; None where nobody can say.
    """

    name: str
    kind: str
    output_shape: tuple[int, ...]
    n_parameters: int
    flops: int | None


def read_layers(model_dir: Path) -> list[Layer]:
    """Return the layers in the order in which they are called.

    Raises:
        StepError: If the file is missing or is no model summary.
    """
    path = model_dir / MODEL_SUMMARY_NAME
    try:
        return [
            Layer(
                name=str(row["name"]),
                kind=str(row["kind"]),
                output_shape=tuple(int(size) for size in row["output_shape"]),
                n_parameters=int(row["n_parameters"]),
                flops=None if row["flops"] is None else int(row["flops"]),
            )
            for row in json.loads(path.read_text())["layers"]
        ]
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise StepError(f"{path} is no summary of a model ({error}).", remedy="Run train_model again.") from error
