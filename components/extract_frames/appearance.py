"""What a clip looks like in a few numbers, so that data can be checked without opening pixels."""

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_DIGITS = 3
_N_HASHED = 4
_N_BINS = 32
_CUT_DISTANCE = 0.5


@dataclass(frozen=True)
class Appearance:
    """Brightness figures of a clip, rounded, and the hashes of some of its frames.

    Attributes:
        luma: Mean brightness, 0 to 255.
        contrast: Standard deviation of brightness, 0 to 127.5.
        sharpness: Mean variance of the Laplacian of brightness.
        motion: Mean absolute difference of brightness between consecutive frames, 0 to 255.
        cut_rate: Share of consecutive frames whose histograms of brightness differ by more than half.
        frame_hashes: `frame_hash` of four evenly spaced frames, in order, 16 hexadecimal digits each.
    """

    luma: float
    contrast: float
    sharpness: float
    motion: float
    cut_rate: float
    frame_hashes: str


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
    histograms = [cv2.calcHist([grey], [0], None, [_N_BINS], [0, 256]).ravel() / grey.size for grey in greys]
    cuts = [np.abs(one - other).sum() / 2 > _CUT_DISTANCE for one, other in itertools.pairwise(histograms)]
    hashed = np.linspace(0, len(greys) - 1, _N_HASHED).round().astype(int)
    return Appearance(
        luma=round(luma.item(), _DIGITS),
        contrast=round(contrast.item(), _DIGITS),
        sharpness=round(float(np.mean(laplacians)), _DIGITS),
        motion=round(float(np.mean(changes)), _DIGITS) if changes else 0.0,
        cut_rate=round(float(np.mean(cuts)), _DIGITS) if cuts else 0.0,
        frame_hashes="".join(f"{frame_hash(greys[index]):016x}" for index in hashed),
    )


def frame_hash(grey: NDArray[np.uint8]) -> int:
    """Return the difference hash of a frame: 64 bits, of which few change with size, compression or brightness.

    Each bit says whether one of 8x9 areas is brighter than its right neighbour
    (https://www.hackerfactor.com/blog/index.php?/archives/529-Kind-of-Like-That.html).

    Args:
        grey: Brightness, uint8, shape (height, width).
    """
    import cv2

    areas = cv2.resize(grey, (9, 8), interpolation=cv2.INTER_AREA)
    return int.from_bytes(np.packbits(areas[:, :-1] > areas[:, 1:]).tobytes(), "big")
