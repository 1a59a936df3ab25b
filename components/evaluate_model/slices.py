"""How good the model is on parts of the test split: long or short videos, dark or bright ones, each source."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from components.evaluate_model.scores import Interval, ScoredVideos, interval_of_mean

FEWEST_VIDEOS = 5
_MOST_NAMES = 12

# Columns of the clip table that are cut into thirds, with what a third is called.
_THIRDS: Mapping[str, tuple[str, str, str, str]] = {
    "duration_s": ("length", "short", "middling", "long"),
    "luma": ("brightness", "dark", "middling", "bright"),
    "motion": ("motion", "calm", "middling", "lively"),
}


@dataclass(frozen=True)
class Slice:
    """One part of the test split.

    Attributes:
        by: What it is cut by, e.g. `length`.
        name: Which part, e.g. `short, up to 2.1`.
        n_videos: Test videos in it.
        n_groups: Groups that they come from.
        accuracy: Share of them that is named rightly.
        interval: Of the accuracy.
    """

    by: str
    name: str
    n_videos: int
    n_groups: int
    accuracy: float
    interval: Interval


def slices_of(
    scored: ScoredVideos, rows: Sequence[Mapping[str, Any]], *, confidence: float, n_bootstrap: int, seed: int
) -> tuple[Slice, ...]:
    """Score the parts of a split; a part of fewer than FEWEST_VIDEOS videos is left out.

    Args:
        scored: Answers to the split's videos.
        rows: Rows of the clip table; of several clips of a video the first counts.
        confidence: Of the intervals.
        n_bootstrap: How often groups are drawn for an interval.
        seed: Of the draws.
    """
    of_video: dict[str, Mapping[str, Any]] = {}
    for row in rows:
        of_video.setdefault(row["video"], row)
    known = [of_video[video] for video in scored.videos]
    found = []
    for by, names in _parts(known).items():
        for name in dict.fromkeys(sorted(names.tolist())):
            inside = names == name
            if inside.sum() < FEWEST_VIDEOS or inside.all():
                continue
            groups = [group for group, is_in in zip(scored.groups, inside, strict=True) if is_in]
            right = scored.is_right[inside]
            interval = interval_of_mean(right, groups, confidence=confidence, n_bootstrap=n_bootstrap, seed=seed)
            shown = name.partition("\0")[2] or name
            found.append(Slice(by, shown, int(inside.sum()), len(set(groups)), float(right.mean()), interval))
    return tuple(found)


def _parts(rows: Sequence[Mapping[str, Any]]) -> dict[str, npt.NDArray[np.str_]]:
    """Return the part that each video belongs to, by what it is cut by."""
    parts = {
        by: _thirds(np.array([row[column] for row in rows], float), names) for column, (by, *names) in _THIRDS.items()
    }
    parts["size"] = np.array([f"{row['video_width']}x{row['video_height']}" for row in rows])
    parts["source"] = np.array([row["source"] for row in rows])
    return {by: names for by, names in parts.items() if 1 < len(set(names.tolist())) <= _MOST_NAMES}


def _thirds(values: npt.NDArray[np.float64], names: Sequence[str]) -> npt.NDArray[np.str_]:
    """Name the third that each value lies in; the number before the name keeps their order."""
    low, high = np.quantile(values, [1 / 3, 2 / 3])
    said = (f"{names[0]}, up to {low:.3g}", f"{names[1]}", f"{names[2]}, above {high:.3g}")
    place = (values > low).astype(int) + (values > high)
    return np.array([f"{number}\0{said[number]}" for number in place])
