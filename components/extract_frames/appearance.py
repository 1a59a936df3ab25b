"""What a clip looks like in four numbers, so that data can be checked without opening pixels."""

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_DIGITS = 3


@dataclass(frozen=True)
class Appearance:
    """Brightness figures of a clip, rounded.

    Attributes:
        luma: Mean brightness, 0 to 255.
        contrast: Standard deviation of brightness, 0 to 127.5.
        sharpness: Mean variance of the Laplacian of brightness.
        motion: Mean absolute difference of brightness between consecutive frames, 0 to 255.
    """

    luma: float
    contrast: float
    sharpness: float
    motion: float


def appearance_of(frames: NDArray[np.uint8]) -> Appearance:
    """Measure a clip.

    Args:
        frames: RGB, uint8, shape (time, height, width, 3).
    """
    import cv2

    greys: list[Any] = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames]
    luma, contrast = cv2.meanStdDev(np.concatenate(greys))
    laplacians = [cv2.meanStdDev(cv2.Laplacian(grey, cv2.CV_16S))[1].item() ** 2 for grey in greys]
    changes = [cv2.absdiff(one, other).mean() for one, other in itertools.pairwise(greys)]
    return Appearance(
        luma=round(luma.item(), _DIGITS),
        contrast=round(contrast.item(), _DIGITS),
        sharpness=round(float(np.mean(laplacians)), _DIGITS),
        motion=round(float(np.mean(changes)), _DIGITS) if changes else 0.0,
    )
