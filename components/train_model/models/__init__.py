"""The models that can be trained: one file each, one line in the table."""

from collections.abc import Callable
from typing import Any

from components.contract.clips import ClipGeometry
from components.contract.errors import StepError
from components.train_model.models.r2plus1d_fast import r2plus1d_fast
from components.train_model.models.tutorial import tutorial

# A builder returns an uncompiled keras.Model: uint8 clips in, one logit per label out (float32).
Builder = Callable[[ClipGeometry, int], Any]

MODELS: dict[str, Builder] = {
    "r2plus1d_fast": r2plus1d_fast,
    "tutorial": tutorial,
}


def build_model(name: str, geometry: ClipGeometry, n_labels: int) -> Any:
    """Build a model of the table.

    Raises:
        StepError: If the table has no such name.
    """
    if name not in MODELS:
        raise StepError(
            f"There is no model {name!r}.", remedy=f"Set model_name to one of: {', '.join(sorted(MODELS))}."
        )
    return MODELS[name](geometry, n_labels)
