"""How a video becomes a clip: chosen once at extraction, stored with the clips, repeated by whoever predicts."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, cast, get_args

from components.contract.clips import ClipGeometry
from components.contract.errors import StepError
from components.video.decode import Footage, read_footage
from components.video.resize import Frame, Resize, cropped, padded
from components.video.sampling import Sampling, Timeline, evenly_spaced, fixed_step

_MAX_SIDE = 4096
_MAX_FRAMES = 4096
_MAX_CLIPS = 256
_MAX_FPS = 1000.0


@dataclass(frozen=True)
class Preparation:
    """How frames are chosen and resized.

    Attributes:
        sampling: evenly_spaced, fixed_step or target_fps.
        frame_step: For fixed_step: frames from one chosen frame to the next; None for the others.
        resize: crop or pad.
        target_fps: For target_fps: chosen frames per second of the video; None for the others.
        clips_per_video: Clips that each video gives.
    """

    sampling: Sampling
    frame_step: int | None
    resize: Resize
    target_fps: float | None = None
    clips_per_video: int = 1


def checked_preparation(
    *,
    sampling: str,
    frame_step: int | None,
    resize: str,
    target_fps: float | None = None,
    clips_per_video: int = 1,
) -> Preparation:
    """Return a preparation made of values that a person gave; what its sampling does not use is left out.

    Raises:
        StepError: If a value is not one of those known.
    """
    if sampling not in get_args(Sampling):
        raise StepError(f"sampling is {sampling!r}.", remedy=f"Give one of {', '.join(get_args(Sampling))}.")
    if resize not in get_args(Resize):
        raise StepError(f"resize is {resize!r}.", remedy=f"Give one of {', '.join(get_args(Resize))}.")
    if sampling == "fixed_step" and (frame_step is None or frame_step < 1):
        raise StepError(f"frame_step is {frame_step}.", remedy="Give a whole number from 1 up.")
    if sampling == "target_fps" and (target_fps is None or not 0 < target_fps <= _MAX_FPS):
        raise StepError(f"target_fps is {target_fps}.", remedy=f"Give a number above 0, up to {_MAX_FPS:g}.")
    if not 1 <= clips_per_video <= _MAX_CLIPS:
        raise StepError(f"clips_per_video is {clips_per_video}.", remedy=f"Give a whole number from 1 to {_MAX_CLIPS}.")
    return Preparation(
        sampling=cast(Sampling, sampling),
        frame_step=frame_step if sampling == "fixed_step" else None,
        resize=cast(Resize, resize),
        target_fps=target_fps if sampling == "target_fps" else None,
        clips_per_video=clips_per_video,
    )


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
    """Return the preparation that is stored with clips or a model (`Clips.preparation`), also by an older version."""
    return checked_preparation(
        sampling=preparation["sampling"],
        frame_step=preparation["frame_step"],
        resize=preparation["resize"],
        target_fps=preparation.get("target_fps"),
        clips_per_video=preparation.get("clips_per_video", 1),
    )


def as_stored(preparation: Preparation) -> dict[str, Any]:
    """Return a preparation as it is stored with clips; `stored_preparation` reads it."""
    return asdict(preparation)


def read_clips(
    path: Path, *, geometry: ClipGeometry, preparation: Preparation, expected_digest: str | None = None
) -> list[Footage]:
    """Decode all clips of a video in one pass, each RGB, uint8, of the geometry's shape; always `clips_per_video`.

    Args:
        path: The video.
        geometry: Shape of a clip.
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


def read_clip(
    path: Path, *, geometry: ClipGeometry, preparation: Preparation, expected_digest: str | None = None
) -> Footage:
    """Decode the one clip of a video that stands for it, however many clips `preparation` makes; see `read_clips`."""
    one = replace(preparation, clips_per_video=1)
    return read_clips(path, geometry=geometry, preparation=one, expected_digest=expected_digest)[0]


def chosen_frames(timeline: Timeline, *, n_frames: int, preparation: Preparation) -> list[tuple[int, ...]]:
    """Return the numbers of the frames that make each clip."""
    return [
        tuple(timeline.shown_at(tick) for tick in _chosen_ticks(timeline, clip, n_frames, preparation))
        for clip in range(preparation.clips_per_video)
    ]


def _chosen_ticks(timeline: Timeline, clip: int, n_frames: int, preparation: Preparation) -> tuple[int, ...]:
    n_clips, step = preparation.clips_per_video, float(preparation.frame_step or 0)
    if preparation.target_fps is not None:
        step = timeline.mean_fps / preparation.target_fps
    if not step:
        return evenly_spaced(timeline.n_frames, n_frames=n_frames, clip=clip, n_clips=n_clips)
    return fixed_step(timeline.n_frames, n_frames=n_frames, step=step, clip=clip, n_clips=n_clips)


def resized(frame: Frame, *, geometry: ClipGeometry, preparation: Preparation) -> Frame:
    """Return one frame at the clip's size."""
    resize = cropped if preparation.resize == "crop" else padded
    return resize(frame, height=geometry.frame_height, width=geometry.frame_width)
