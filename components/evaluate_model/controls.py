"""Does the model use motion? It is asked again about clips whose frames stand still, or come in another order."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from components.serving.saved_model import Frames


@dataclass(frozen=True)
class Controls:
    """Accuracy on the test videos without their motion.

    Attributes:
        accuracy: On the clips as they are.
        still_accuracy: With every frame replaced by the middle one.
        shuffled_accuracy: With the frames in another order.
    """

    accuracy: float
    still_accuracy: float
    shuffled_accuracy: float

    @property
    def sentence(self) -> str:
        """What a person reads."""
        lost = 100 * (self.accuracy - max(self.still_accuracy, self.shuffled_accuracy))
        if lost < 2:
            return "It answers as well without motion: appearance alone decides."
        return f"Without motion or order it loses at least {lost:.0f} points: it sees more than single frames."


def frame_changes(n_frames: int, *, seed: int) -> Mapping[str, Callable[[Frames], Frames]]:
    """Return how the frames of clips are changed, by the control's name; none for clips of one frame.

    Args:
        n_frames: Of a clip; the functions take and give RGB, uint8, shape (batch, time, height, width, 3).
        seed: Of the other order.
    """
    if n_frames < 2:
        return {}
    order = np.random.default_rng(seed).permutation(n_frames)
    if (order == np.arange(n_frames)).all():
        order = np.roll(order, 1)
    middle = np.full(n_frames, n_frames // 2)
    return {"still": lambda clips: clips[:, middle], "shuffled": lambda clips: clips[:, order]}
