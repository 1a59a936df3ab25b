"""Which frames of a video make a clip: pure arithmetic, the same for training, evaluation and prediction.

A video of N frames is seen as N equal ticks of time. The sampler chooses ticks; the frame shown in the middle of a tick
is taken. At a constant frame rate tick and frame number are the same; at a variable one the clip follows time.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Sampling = Literal["evenly_spaced", "fixed_step", "target_fps"]


@dataclass(frozen=True)
class Timeline:
    """When the frames of a video are shown.

    Attributes:
        starts_s: Of each frame, ascending, from 0 for the first; at least one.
        end_s: When the last frame ends.
    """

    starts_s: Sequence[float]
    end_s: float

    @property
    def n_frames(self) -> int:
        """Frames in the video."""
        return len(self.starts_s)

    @property
    def mean_fps(self) -> float:
        """Frames per second over the whole video; 0 where it takes no time."""
        return self.n_frames / self.end_s if self.end_s > 0 else 0.0

    def shown_at(self, tick: int) -> int:
        """Return the number of the frame that is shown in the middle of a tick."""
        middle_s = (tick + 0.5) * self.end_s / self.n_frames
        return max(0, bisect_right(self.starts_s, middle_s) - 1) if self.end_s > 0 else tick


def evenly_spaced(n_ticks: int, *, n_frames: int, clip: int = 0, n_clips: int = 1) -> tuple[int, ...]:
    """Return the middle tick of each of `n_frames` equal parts of the video.

    Several clips interleave: each sees all of the video, at other moments than the others. A video shorter than the
    clip repeats frames: all of it is seen, in order, at the clip's length.

    Args:
        n_ticks: Ticks in the video, at least 1.
        n_frames: Frames in a clip.
        clip: Number of the clip, from 0.
        n_clips: Clips of the video.
    """
    slots = range(clip, n_frames * n_clips, n_clips)
    return tuple((2 * slot + 1) * n_ticks // (2 * n_frames * n_clips) for slot in slots)


def fixed_step(n_ticks: int, *, n_frames: int, step: float, clip: int = 0, n_clips: int = 1) -> tuple[int, ...]:
    """Return every `step`-th tick: one clip from the centre of the video, several spread from its start to its end.

    A video too short for that step is sampled evenly instead, so that no frame is invented. Clips overlap, down to
    being the same, where the video has too little room for so many.

    Args:
        n_ticks: Ticks in the video, at least 1.
        n_frames: Frames in a clip.
        step: Ticks from one chosen frame to the next; below 1, frames repeat.
        clip: Number of the clip, from 0.
        n_clips: Clips of the video.
    """
    room = n_ticks - 1 - (n_frames - 1) * step
    if room < 0:
        return evenly_spaced(n_ticks, n_frames=n_frames, clip=clip, n_clips=n_clips)
    start = int(room * clip / (n_clips - 1) if n_clips > 1 else room / 2)
    return tuple(int(start + place * step) for place in range(n_frames))
