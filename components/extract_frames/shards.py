"""Which clips go into which shard, in which order: decided by the videos alone, never by who decodes them."""

import hashlib
import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

from components.contract.clips import ClipGeometry
from components.contract.videos import SPLITS, Split, Video

_TARGET_BYTES = 64 << 20
_JPEG_BYTES_PER_PIXEL = 0.4  # quality 90, 4:2:0, small frames of natural video: 0.3 to 0.5


@dataclass(frozen=True)
class ShardPlan:
    """Videos whose clips are written one after the other, as one shard, or several where they take more than planned.

    Attributes:
        name: Of its first file, without the suffix.
        split: All its clips belong to it.
        videos: In the order of its records.
    """

    name: str
    split: Split
    videos: tuple[Video, ...]

    def file_name(self, part: int) -> str:
        """Return the name of the first file (0) or a further one; they sort in the order in which they are written."""
        return f"{self.name}.tfrecord" if part == 0 else f"{self.name}_{part:03d}.tfrecord"


def planned_shards(
    videos: Sequence[Video], *, geometry: ClipGeometry, clips_per_video: int = 1, target_bytes: int = _TARGET_BYTES
) -> list[ShardPlan]:
    """Cut each split into shards that probably take at most `target_bytes`, its videos shuffled by a stable hash."""
    clip_bytes = geometry.n_frames * geometry.frame_height * geometry.frame_width * _JPEG_BYTES_PER_PIXEL
    per_shard = max(1, int(target_bytes / (clip_bytes * clips_per_video)))
    return [plan for split in SPLITS for plan in _shards_of(split, videos, per_shard=per_shard)]


def _shards_of(split: Split, videos: Sequence[Video], *, per_shard: int) -> list[ShardPlan]:
    ordered = sorted((video for video in videos if video.split == split), key=_shuffled)
    n_shards = math.ceil(len(ordered) / per_shard)
    cuts = [number * len(ordered) // n_shards for number in range(n_shards + 1)] if n_shards else []
    return [
        ShardPlan(name=f"{split}-{number:05d}", split=split, videos=tuple(ordered[start:end]))
        for number, (start, end) in enumerate(itertools.pairwise(cuts))
    ]


def _shuffled(video: Video) -> str:
    return hashlib.sha256(f"{video.sha256}\0{video.name}".encode()).hexdigest()
