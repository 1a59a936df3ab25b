"""The clips of one video, as they are whatever the video is called and wherever it belongs."""

import json
import struct
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from components.contract.clips import ClipGeometry
from components.extract_frames.appearance import appearance_of
from components.video.footage import Footage
from components.video.preparation import Preparation, read_clips

_LENGTH = struct.Struct("<I")


@dataclass(frozen=True)
class Extraction:
    """How every clip of a run is made; together with a video's bytes and the code it decides the clips.

    Attributes:
        geometry: Shape of the clips.
        preparation: How frames are chosen and resized.
        jpeg_quality: 1 to 100.
    """

    geometry: ClipGeometry
    preparation: Preparation
    jpeg_quality: int


@dataclass(frozen=True)
class ClipFacts:
    """What the clip table says of a clip and of its video's file; see `ClipRow`."""

    video_digest: str
    fps: float
    duration_s: float
    n_video_frames: int
    video_height: int
    video_width: int
    codec: str
    video_bytes: int
    luma: float
    contrast: float
    sharpness: float
    motion: float
    cut_rate: float
    frame_hashes: str


@dataclass(frozen=True)
class Clip:
    """One clip: its frames as JPEG, when each is shown in the video, and what is known of it."""

    frames: tuple[bytes, ...]
    timestamps_s: tuple[float, ...]
    facts: ClipFacts


def extract_clips(path: Path, *, digest: str, extraction: Extraction) -> list[Clip]:
    """Decode a video once and encode its clips.

    Args:
        path: The video.
        digest: SHA-256 that its bytes must have.
        extraction: How clips are made.

    Raises:
        UnreadableError: If the video gives none, with the reason.
    """
    import simplejpeg

    taken = read_clips(path, geometry=extraction.geometry, preparation=extraction.preparation, expected_digest=digest)
    clips = []
    for footage in taken:
        jpegs = (
            simplejpeg.encode_jpeg(frame, quality=extraction.jpeg_quality, colorspace="RGB", colorsubsampling="420")
            for frame in footage.frames
        )
        clips.append(Clip(frames=tuple(jpegs), timestamps_s=footage.timestamps_s, facts=_facts(footage)))
    return clips


def _facts(footage: Footage) -> ClipFacts:
    return ClipFacts(
        video_digest=footage.video_digest,
        fps=footage.fps,
        duration_s=round(footage.duration_s, 6),
        n_video_frames=footage.n_video_frames,
        video_height=footage.video_height,
        video_width=footage.video_width,
        codec=footage.codec,
        video_bytes=footage.video_bytes,
        **asdict(appearance_of(footage.frames)),
    )


def packed(clips: Sequence[Clip]) -> bytes:
    """Return clips as bytes: the length of a JSON header, the header, all JPEGs; the same clips give the same bytes."""
    header = [
        {
            "facts": asdict(clip.facts),
            "timestamps_s": clip.timestamps_s,
            "frame_bytes": [len(frame) for frame in clip.frames],
        }
        for clip in clips
    ]
    text = json.dumps(header, sort_keys=True).encode()
    return b"".join([_LENGTH.pack(len(text)), text, *(frame for clip in clips for frame in clip.frames)])


def unpacked(data: bytes) -> list[Clip]:
    """Return the clips that `packed` was given.

    Raises:
        ValueError: If these are not such bytes.
    """
    try:
        (length,) = _LENGTH.unpack_from(data)
        position = _LENGTH.size + length
        clips = []
        for entry in json.loads(data[_LENGTH.size : position]):
            frames = []
            for n_bytes in entry["frame_bytes"]:
                frames.append(data[position : position + n_bytes])
                position += n_bytes
            clips.append(Clip(tuple(frames), tuple(entry["timestamps_s"]), ClipFacts(**entry["facts"])))
    except (struct.error, KeyError, TypeError) as error:
        raise ValueError(f"These are not clips ({error}).") from error
    if position != len(data):
        raise ValueError(f"These are not whole clips: {len(data)} bytes, not {position}.")
    return clips
