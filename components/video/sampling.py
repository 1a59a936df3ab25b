"""Which frames of a video make a clip: pure arithmetic on frame numbers."""

from typing import Literal

Sampling = Literal["evenly_spaced", "fixed_step"]


def evenly_spaced(n_video_frames: int, *, n_frames: int) -> tuple[int, ...]:
    """Return the middle frame of each of `n_frames` equal parts of the video.

    A video shorter than the clip repeats frames: all of it is seen, in order, at the clip's length.

    Args:
        n_video_frames: Frames in the video, at least 1.
        n_frames: Frames in the clip.
    """
    return tuple((2 * place + 1) * n_video_frames // (2 * n_frames) for place in range(n_frames))


def fixed_step(n_video_frames: int, *, n_frames: int, frame_step: int) -> tuple[int, ...]:
    """Return every `frame_step`-th frame, the clip centred in the video.

    A video too short for that step is sampled evenly instead, so that no frame is invented.

    Args:
        n_video_frames: Frames in the video, at least 1.
        n_frames: Frames in the clip.
        frame_step: Frames from one chosen frame to the next.
    """
    span = (n_frames - 1) * frame_step + 1
    if span > n_video_frames:
        return evenly_spaced(n_video_frames, n_frames=n_frames)
    start = (n_video_frames - span) // 2
    return tuple(range(start, start + span, frame_step))
