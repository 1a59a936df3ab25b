"""The models that can be trained: one file each, one line in the table."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

from components.contract.clips import ClipGeometry
from components.contract.errors import StepError
from components.train_model.models.pretrained import Pretrained, pretrained
from components.train_model.models.r2plus1d_18 import r2plus1d_18
from components.train_model.models.r2plus1d_fast import r2plus1d_fast
from components.train_model.models.tutorial import tutorial

# A builder takes geometry, number of labels and the options that it knows by name. It returns an uncompiled
# keras.Model: uint8 clips in, one logit per label out (float32).
Builder = Callable[..., Any]

MODELS: dict[str, Builder] = {
    "pretrained": pretrained,
    "r2plus1d_18": r2plus1d_18,
    "r2plus1d_fast": r2plus1d_fast,
    "tutorial": tutorial,
}


@dataclass(frozen=True)
class ModelOptions:
    """What else a model may be told; None leaves the model's own default.

    Attributes:
        widths: Channels of the stem and of each stage, for r2plus1d_fast.
        blocks_per_stage: Residual blocks in each stage, for r2plus1d_fast.
        backbone: What the model `pretrained` builds on.
    """

    widths: tuple[int, ...] | None = None
    blocks_per_stage: int | None = None
    backbone: Pretrained | None = None

    @property
    def given(self) -> dict[str, Any]:
        """The options that are not None, by name."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in values.items() if value is not None}

    @property
    def identity(self) -> dict[str, Any]:
        """What is given as JSON values, the same wherever a pretrained model lies."""
        given = self.given
        if self.backbone is not None:
            given["backbone"] = {"sha256": self.backbone.sha256, "fine_tune": self.backbone.fine_tune}
        return given


OWN_DEFAULTS = ModelOptions()


def build_model(name: str, geometry: ClipGeometry, n_labels: int, options: ModelOptions = OWN_DEFAULTS) -> Any:
    """Build a model of the table.

    Raises:
        StepError: If the table has no such name, or if the model does not take one of the options, or lacks one.
    """
    if name not in MODELS:
        raise StepError(
            f"There is no model {name!r}.", remedy=f"Set model_name to one of: {', '.join(sorted(MODELS))}."
        )
    taken = inspect.signature(MODELS[name]).parameters
    for option in options.given:
        if option not in taken:
            raise StepError(f"The model {name} takes no {option}.", remedy=f"Leave {option} out.")
    if "backbone" in taken and options.backbone is None:
        raise StepError(
            f"The model {name} builds on a pretrained one and was given none.",
            remedy="Set pretrained_model to a path, gs:// or https:// address and pretrained_sha256 to its digest.",
        )
    return MODELS[name](geometry, n_labels, **options.given)


def parsed_widths(text: str) -> tuple[int, ...] | None:
    """Return the channels that a person wrote as `16,32,64`; nothing written is None.

    Raises:
        StepError: If it is no list of at most eight whole numbers from 1 to 4096.
    """
    if not text.strip():
        return None
    try:
        widths = tuple(int(part) for part in text.split(","))
    except ValueError:
        widths = ()
    if not 1 <= len(widths) <= 8 or not all(1 <= width <= 4096 for width in widths):
        raise StepError(f"widths is {text!r}.", remedy="Give one to eight whole numbers from 1 to 4096: 16,32,64.")
    return widths
