"""Whether the model is as sure as it is right."""

from dataclasses import dataclass

import numpy as np

from components.evaluate_model.scores import ScoredVideos

N_BINS = 15


@dataclass(frozen=True)
class Bin:
    """Videos whose answer is about equally sure.

    Attributes:
        low: Least probability of the label given, not included.
        high: Greatest, included.
        n_videos: How many.
        confidence: Mean probability of the label given.
        accuracy: Share that is right.
    """

    low: float
    high: float
    n_videos: int
    confidence: float
    accuracy: float


@dataclass(frozen=True)
class Calibration:
    """How far probabilities are from shares.

    Attributes:
        ece: Expected calibration error, 0 to 1: the mean of |accuracy - confidence| over the videos, by bin.
        bins: Those that hold a video, from unsure to sure.
    """

    ece: float
    bins: tuple[Bin, ...]


def calibration_of(scored: ScoredVideos) -> Calibration:
    """Return the expected calibration error over 15 bins of equal width (Guo et al. 2017, arXiv:1706.04599)."""
    confidence = scored.probabilities.max(axis=1)
    place = np.clip(np.ceil(confidence * N_BINS).astype(int) - 1, 0, N_BINS - 1)
    bins = tuple(
        Bin(
            low=number / N_BINS,
            high=(number + 1) / N_BINS,
            n_videos=int(inside.sum()),
            confidence=float(confidence[inside].mean()),
            accuracy=float(scored.is_right[inside].mean()),
        )
        for number in range(N_BINS)
        if (inside := place == number).any()
    )
    ece = sum(each.n_videos * abs(each.accuracy - each.confidence) for each in bins) / len(confidence)
    return Calibration(ece=float(ece), bins=bins)
