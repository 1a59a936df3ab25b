"""Pictures of sampled clips per class, for a person to look at before an hour of training."""

import base64
import hashlib
import struct
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from components.contract.clips import IMAGE_KEY
from components.contract.errors import StepError

if TYPE_CHECKING:
    import pyarrow

_MOST_CLASSES = 60
_CLIPS_PER_CLASS = 2
_FRAMES_PER_CLIP = 6
_FRAME_HEIGHT = 72  # pixels
_QUALITY = 70


@dataclass(frozen=True)
class Strip:
    """A few frames of one clip in a row.

    Attributes:
        label: Its class.
        caption: Video and split.
        picture: A JPEG as a data URI.
    """

    label: str
    caption: str
    picture: str


def contact_sheet(clips: Path, table: "pyarrow.Table", labels: Sequence[str]) -> list[Strip]:
    """Return strips of sampled clips, by class; of many classes evenly spaced ones.

    The sample is the same for the same videos. Clips whose shard does not lie here give no strip.

    Raises:
        StepError: If a shard holds no such clip.
    """
    step = max(1, -(-len(labels) // _MOST_CLASSES))
    shown = set(labels[::step])
    by_label: defaultdict[str, list[tuple[str, int]]] = defaultdict(list)
    for row, (label, video) in enumerate(zip(table["label"].to_pylist(), table["video"].to_pylist(), strict=True)):
        if label in shown:
            by_label[label].append((hashlib.sha256(video.encode()).hexdigest(), row))
    return [
        Strip(label=label, caption=f"{values['video']} · {values['split']}", picture=_picture(path, values["position"]))
        for label in sorted(by_label)
        for _, row in sorted(by_label[label])[:_CLIPS_PER_CLASS]
        for values in table.slice(row, 1).to_pylist()
        if (path := clips / values["shard"]).is_file()
    ]


def _picture(shard: Path, position: int) -> str:
    import cv2
    import simplejpeg

    try:
        frames = _frames(_record(shard, position))
        chosen = np.linspace(0, len(frames) - 1, min(_FRAMES_PER_CLIP, len(frames))).round().astype(int)
        decoded = [simplejpeg.decode_jpeg(frames[place]) for place in chosen]
        height, width = decoded[0].shape[:2]
        size = (max(1, round(width * _FRAME_HEIGHT / height)), _FRAME_HEIGHT)
        small = [cv2.resize(frame, size, interpolation=cv2.INTER_AREA) for frame in decoded]
        data = simplejpeg.encode_jpeg(np.ascontiguousarray(np.concatenate(small, axis=1)), quality=_QUALITY)
    except (ValueError, IndexError, struct.error) as error:
        raise StepError(
            f"{shard} holds no clip at position {position} ({error}).", remedy="Run extract_frames again."
        ) from error
    return f"data:image/jpeg;base64,{base64.b64encode(data).decode()}"


def _record(shard: Path, position: int) -> bytes:
    """Return one record of a TFRecord file: each is length (8 bytes), checksum (4), data, checksum (4)."""
    with shard.open("rb") as file:
        for _ in range(position):
            (length,) = struct.unpack("<Q", file.read(8))
            file.seek(4 + length + 4, 1)
        (length,) = struct.unpack("<Q", file.read(8))
        file.seek(4, 1)
        if length > shard.stat().st_size:
            raise ValueError("its length is beyond the file's end")
        return file.read(length)


def _frames(example: bytes) -> list[bytes]:
    """Return the JPEGs of a serialized tf.train.Example."""
    for features in _fields(example, 1):
        for entry in _fields(features, 1):
            if next(_fields(entry, 1)) == IMAGE_KEY.encode():
                return [
                    jpeg for value in _fields(entry, 2) for texts in _fields(value, 1) for jpeg in _fields(texts, 1)
                ]
    raise ValueError("it has no frames")


def _fields(message: bytes, wanted: int) -> Iterator[bytes]:
    """Give the length-delimited fields of a protobuf message that have this number."""
    place = 0
    while place < len(message):
        tag, place = _varint(message, place)
        length, place = _varint(message, place)
        if tag & 7 != 2:
            raise ValueError("a field has another type than a clip's")
        if tag >> 3 == wanted:
            yield message[place : place + length]
        place += length


def _varint(message: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[place]
        value |= (byte & 0x7F) << shift
        place, shift = place + 1, shift + 7
        if byte < 0x80:
            return value, place
