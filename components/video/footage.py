"""What reading a video gives, and what a video may cost."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Limits:
    """What a video may cost; checked before anything is decoded.

    Attributes:
        max_bytes: Size of the file.
        max_frame_pixels: Height times width of a frame.
        max_frames: Frames in the video.
        max_seconds: Duration of the video.
    """

    max_bytes: int = 4 << 30
    max_frame_pixels: int = 4096 * 4096
    max_frames: int = 54_000
    max_seconds: float = 3600.0


@dataclass(frozen=True)
class Footage:
    """The frames of one clip of a video, and what is known of the video.

    Attributes:
        frames: RGB, uint8, shape (time, height, width, 3), as resized.
        timestamps_s: When each frame is shown, from the video's first frame.
        n_video_frames: Frames that the video shows.
        fps: Frames per second, 0 where the container does not say.
        duration_s: Of the video, from its first frame to the end of its last.
        video_height: In pixels, upright.
        video_width: In pixels, upright.
        codec: FFmpeg's name of it.
        video_bytes: Size of the file.
        video_digest: SHA-256 of the file's bytes, hexadecimal.
    """

    frames: NDArray[np.uint8]
    timestamps_s: tuple[float, ...]
    n_video_frames: int
    fps: float
    duration_s: float
    video_height: int
    video_width: int
    codec: str
    video_bytes: int
    video_digest: str
