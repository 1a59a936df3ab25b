"""One video in, one clip or one reject out."""

from dataclasses import asdict, dataclass
from pathlib import Path

from components.contract.clip_record import ClipRecord, encoded
from components.contract.clips import ClipGeometry, ClipRow, Reject
from components.contract.videos import Video
from components.extract_frames.appearance import appearance_of
from components.video.errors import UnreadableError
from components.video.preparation import Preparation, read_clip


@dataclass(frozen=True)
class Extraction:
    """How every clip of a run is made.

    Attributes:
        geometry: Shape of the clips.
        preparation: How frames are chosen and resized.
        jpeg_quality: 1 to 100.
        labels: Class names in the order of their indices.
    """

    geometry: ClipGeometry
    preparation: Preparation
    jpeg_quality: int
    labels: tuple[str, ...]


@dataclass(frozen=True)
class Clip:
    """A clip's record, and its row of the clip table, whose position its shard decides."""

    record: bytes
    row: ClipRow


def extract_clip(video: Video, *, extraction: Extraction, shard: str) -> Clip | Reject:
    """Decode a video and encode its clip, or say why it gives none."""
    import simplejpeg

    try:
        footage = read_clip(
            Path(video.uri),
            geometry=extraction.geometry,
            preparation=extraction.preparation,
            expected_digest=video.sha256,
        )
    except UnreadableError as fault:
        return Reject(
            video=video.name,
            uri=video.uri,
            label=video.label,
            split=video.split,
            reason=fault.reason,
            detail=fault.detail,
        )
    label_index = extraction.labels.index(video.label)
    jpegs = [
        simplejpeg.encode_jpeg(frame, quality=extraction.jpeg_quality, colorspace="RGB", colorsubsampling="420")
        for frame in footage.frames
    ]
    record = ClipRecord(
        frames=jpegs,
        label_index=label_index,
        label=video.label,
        group=video.group,
        split=video.split,
        video=video.name,
        video_digest=footage.video_digest,
        clip_index=0,
        timestamps_s=footage.timestamps_s,
    )
    row = ClipRow(
        video=video.name,
        video_digest=footage.video_digest,
        clip_index=0,
        label=video.label,
        label_index=label_index,
        group=video.group,
        split=video.split,
        shard=shard,
        position=0,
        fps=footage.fps,
        duration_s=round(footage.duration_s, 6),
        n_video_frames=footage.n_video_frames,
        video_height=footage.video_height,
        video_width=footage.video_width,
        codec=footage.codec,
        video_bytes=footage.video_bytes,
        source=video.source,
        **asdict(appearance_of(footage.frames)),
    )
    return Clip(record=encoded(record), row=row)
