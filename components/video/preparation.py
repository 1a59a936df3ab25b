"""How a video becomes a clip: chosen once at extraction, stored with the clips, repeated by whoever predicts."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast, get_args

from components.contract.clips import ClipGeometry
from components.contract.errors import StepError
from components.video.decode import Footage, read_footage
from components.video.resize import Frame, Resize, cropped, padded
from components.video.sampling import Sampling, evenly_spaced, fixed_step

_MAX_SIDE = 4096
_MAX_FRAMES = 4096


@dataclass(frozen=True)
class Preparation:
    """How frames are chosen and resized.

    Attributes:
        sampling: evenly_spaced or fixed_step.
        frame_step: Frames from one chosen frame to the next; None where they are evenly spaced.
        resize: crop or pad.
    """

    sampling: Sampling
    frame_step: int | None
    resize: Resize


def checked_preparation(*, sampling: str, frame_step: int | None, resize: str) -> Preparation:
    """Return a preparation made of values that a person gave.

    Raises:
        StepError: If a value is not one of those known.
    """
    if sampling not in get_args(Sampling):
        raise StepError(f"sampling is {sampling!r}.", remedy=f"Give one of {', '.join(get_args(Sampling))}.")
    if resize not in get_args(Resize):
        raise StepError(f"resize is {resize!r}.", remedy=f"Give one of {', '.join(get_args(Resize))}.")
    if sampling == "evenly_spaced":
        frame_step = None
    elif frame_step is None or frame_step < 1:
        raise StepError(f"frame_step is {frame_step}.", remedy="Give a whole number from 1 up.")
    return Preparation(cast(Sampling, sampling), frame_step, cast(Resize, resize))


def checked_geometry(*, n_frames: int, frame_height: int, frame_width: int) -> ClipGeometry:
    """Return a geometry made of values that a person gave.

    Raises:
        StepError: If a value is out of range.
    """
    limits = {
        "n_frames": (n_frames, _MAX_FRAMES),
        "frame_height": (frame_height, _MAX_SIDE),
        "frame_width": (frame_width, _MAX_SIDE),
    }
    for name, (value, most) in limits.items():
        if not 1 <= value <= most:
            raise StepError(f"{name} is {value}.", remedy=f"Give a whole number from 1 to {most}.")
    return ClipGeometry(n_frames=n_frames, frame_height=frame_height, frame_width=frame_width)


def stored_preparation(preparation: Mapping[str, Any]) -> Preparation:
    """Return the preparation that is stored with clips or a model (`Clips.preparation`)."""
    return checked_preparation(
        sampling=preparation["sampling"], frame_step=preparation["frame_step"], resize=preparation["resize"]
    )


def as_stored(preparation: Preparation) -> dict[str, Any]:
    """Return a preparation as it is stored with clips; `stored_preparation` reads it."""
    return asdict(preparation)


def read_clip(
    path: Path, *, geometry: ClipGeometry, preparation: Preparation, expected_digest: str | None = None
) -> Footage:
    """Decode one clip of a video: RGB, uint8, of the geometry's shape.

    Args:
        path: The video.
        geometry: Shape of the clip.
        preparation: How its frames are chosen and resized.
        expected_digest: SHA-256 that the file's bytes must have, if one was promised.

    Raises:
        UnreadableError: If the video gives no clip, with the reason.
    """
    return read_footage(
        path,
        choose=partial(chosen_frames, n_frames=geometry.n_frames, preparation=preparation),
        resize=partial(resized, geometry=geometry, preparation=preparation),
        expected_digest=expected_digest,
    )


def chosen_frames(n_video_frames: int, *, n_frames: int, preparation: Preparation) -> tuple[int, ...]:
    """Return the numbers of the frames that make the clip."""
    if preparation.frame_step is None:
        return evenly_spaced(n_video_frames, n_frames=n_frames)
    return fixed_step(n_video_frames, n_frames=n_frames, frame_step=preparation.frame_step)


def resized(frame: Frame, *, geometry: ClipGeometry, preparation: Preparation) -> Frame:
    """Return one frame at the clip's size."""
    resize = cropped if preparation.resize == "crop" else padded
    return resize(frame, height=geometry.frame_height, width=geometry.frame_width)
