"""Clips as small moving pictures that need no script: one strip of frames each, moved along by the page's style."""

import base64
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from components.contract.clip_dataset import decoded_clip, record_dataset
from components.contract.clips import Clips, read_clip_table
from components.contract.videos import Split

# 14 strips of 16 frames of 96x120 are about 0.6 MB, far below the 4 MB that the KFP UI shows.
MOST_FRAMES = 16
TALLEST = 96
_QUALITY = 78


@dataclass(frozen=True)
class Strip:
    """The frames of a clip side by side.

    Attributes:
        jpeg: The picture, base64.
        n_frames: Frames side by side.
        height: Of one frame, in pixels.
        width: Of one frame, in pixels.
    """

    jpeg: str
    n_frames: int
    height: int
    width: int


def strips_of(clips_dir: Path, clips: Clips, split: Split, *, videos: Collection[str]) -> dict[str, Strip]:
    """Return a strip of the first clip of each of these videos."""
    table = read_clip_table(clips_dir).select(["video", "split"]).to_pylist()
    names = [row["video"] for row in table if row["split"] == split]
    strips: dict[str, Strip] = {}
    # Table and records are in the same order, so only the clips that are wanted are decoded.
    for name, record in zip(names, record_dataset(clips_dir, clips, split), strict=True):
        if name in videos and name not in strips:
            strips[name] = strip(decoded_clip(record, clips.geometry)[0].numpy())
    return strips


def strip(frames: npt.NDArray[np.uint8]) -> Strip:
    """Put the frames of a clip side by side.

    Args:
        frames: RGB, uint8, shape (time, height, width, 3).
    """
    import simplejpeg

    places = np.unique(np.linspace(0, len(frames) - 1, num=min(len(frames), MOST_FRAMES)).round().astype(int))
    small = [_shrunk(frames[place]) for place in places]
    height, width, _ = small[0].shape
    picture = np.ascontiguousarray(np.concatenate(small, axis=1))
    encoded = simplejpeg.encode_jpeg(picture, quality=_QUALITY, colorspace="RGB")
    return Strip(base64.b64encode(encoded).decode(), len(small), height, width)


def _shrunk(frame: npt.NDArray[np.uint8]) -> npt.NDArray[Any]:
    height, width, _ = frame.shape
    if height <= TALLEST:
        return frame
    import cv2

    small: npt.NDArray[Any] = cv2.resize(
        frame, (max(1, round(width * TALLEST / height)), TALLEST), interpolation=cv2.INTER_AREA
    )
    return small
