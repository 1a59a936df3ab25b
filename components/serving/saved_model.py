"""Asking a SavedModel, with nothing of the code that trained it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from components.contract.errors import StepError
from components.contract.model import (
    CLIPS_INPUT,
    FRAMES_INPUT,
    JPEG_SIGNATURE,
    PROBABILITIES_OUTPUT,
    SIGNATURE,
)

Frames: TypeAlias = npt.NDArray[np.uint8]
Classifier: TypeAlias = Callable[[Frames], npt.NDArray[np.float32]]


def load_classifier(saved_model_dir: Path) -> Classifier:
    """Load a SavedModel's serving signature as a function from clips to probabilities.

    The function takes RGB, uint8, shape (batch, time, height, width, 3), and gives float32, shape (batch, classes).

    Raises:
        StepError: If it cannot be loaded or has not the expected signature.
    """
    import tensorflow as tf

    ask = _signature(saved_model_dir, SIGNATURE, CLIPS_INPUT)

    def classify(clips: Frames) -> npt.NDArray[np.float32]:
        return ask(tf.constant(clips))

    return classify


def load_jpeg_classifier(saved_model_dir: Path) -> Callable[[list[list[bytes]]], npt.NDArray[np.float32]]:
    """Load the signature that takes each frame of each clip as JPEG, as a function to probabilities.

    Raises:
        StepError: If it cannot be loaded or has not that signature.
    """
    import tensorflow as tf

    ask = _signature(saved_model_dir, JPEG_SIGNATURE, FRAMES_INPUT)

    def classify(clips: list[list[bytes]]) -> npt.NDArray[np.float32]:
        return ask(tf.constant(clips))

    return classify


def _signature(saved_model_dir: Path, name: str, takes: str) -> Callable[[Any], npt.NDArray[np.float32]]:
    import tensorflow as tf

    remedy = "Give a model that train_model wrote."
    try:
        loaded = tf.saved_model.load(str(saved_model_dir))
        signature = loaded.signatures[name]
    except (OSError, ValueError, KeyError) as error:
        raise StepError(f"{saved_model_dir} is no SavedModel that can be served ({error}).", remedy=remedy) from error
    inputs = set(signature.structured_input_signature[1])
    if inputs != {takes} or PROBABILITIES_OUTPUT not in signature.structured_outputs:
        raise StepError(
            f"{saved_model_dir} takes {sorted(inputs)} and gives {sorted(signature.structured_outputs)}; "
            f"expected {takes!r} and {PROBABILITIES_OUTPUT!r}.",
            remedy=remedy,
        )

    def ask(given: Any) -> npt.NDArray[np.float32]:
        answer: npt.NDArray[np.float32] = signature(**{takes: given})[PROBABILITIES_OUTPUT].numpy()
        return answer

    # A signature holds its model only weakly: without this the variables would be gone at the first call.
    ask.__dict__["model"] = loaded
    return ask
