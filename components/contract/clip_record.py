"""The bytes of a clip's record: a tf.train.Example in a TFRecord frame, made without importing TensorFlow.

Importing TensorFlow takes seconds in every process and makes small extractions several times slower. The formats are
small and frozen: example.proto and feature.proto in tensorflow/core/example of TensorFlow's sources, and
https://www.tensorflow.org/tutorials/load_data/tfrecord#tfrecords_format_details.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass

import google_crc32c

from components.contract import clips

_BYTES_LIST, _FLOAT_LIST, _INT64_LIST = 1, 2, 3
_CRC_MASK_DELTA = 0xA282EAD8


@dataclass(frozen=True)
class ClipRecord:
    """What a clip's record holds.

    Attributes:
        frames: One JPEG per frame, in order.
        label_index: Place of the label among the labels.
        label: Class name.
        group: Videos of one recording share it.
        split: train, validation or test.
        video: Name of the video.
        video_digest: SHA-256 of the video's bytes.
        clip_index: 0 for the video's first clip.
        timestamps_s: When each frame is shown in the video.
    """

    frames: Sequence[bytes]
    label_index: int
    label: str
    group: str
    split: str
    video: str
    video_digest: str
    clip_index: int
    timestamps_s: Sequence[float]


def encoded(record: ClipRecord) -> bytes:
    """Return the record as a serialized tf.train.Example; the same record gives the same bytes."""
    features = {
        clips.IMAGE_KEY: _bytes_feature(record.frames),
        clips.LABEL_INDEX_KEY: _int_feature(record.label_index),
        clips.LABEL_TEXT_KEY: _text_feature(record.label),
        clips.GROUP_KEY: _text_feature(record.group),
        clips.SPLIT_KEY: _text_feature(record.split),
        clips.VIDEO_KEY: _text_feature(record.video),
        clips.VIDEO_DIGEST_KEY: _text_feature(record.video_digest),
        clips.CLIP_INDEX_KEY: _int_feature(record.clip_index),
        clips.TIMESTAMPS_KEY: _floats_feature(record.timestamps_s),
    }
    entries = (_field(1, _field(1, key.encode()) + _field(2, features[key])) for key in sorted(features))
    return _field(1, b"".join(entries))


def framed(data: bytes) -> bytes:
    """Return one TFRecord: length, checksum of the length, data, checksum of the data."""
    length = struct.pack("<Q", len(data))
    return b"".join((length, _masked_crc(length), data, _masked_crc(data)))


def _bytes_feature(values: Sequence[bytes]) -> bytes:
    return _field(_BYTES_LIST, b"".join(_field(1, value) for value in values))


def _text_feature(text: str) -> bytes:
    return _bytes_feature([text.encode()])


def _int_feature(value: int) -> bytes:
    return _field(_INT64_LIST, _field(1, _varint(value)))


def _floats_feature(values: Sequence[float]) -> bytes:
    return _field(_FLOAT_LIST, _field(1, struct.pack(f"<{len(values)}f", *values)))


def _field(number: int, data: bytes) -> bytes:
    """Return a length-delimited protobuf field."""
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def _varint(value: int) -> bytes:
    """Return a number from 0 up in protobuf's base 128."""
    digits = bytearray()
    while value > 0x7F:
        digits.append(value & 0x7F | 0x80)
        value >>= 7
    digits.append(value)
    return bytes(digits)


def _masked_crc(data: bytes) -> bytes:
    crc = google_crc32c.value(data)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + _CRC_MASK_DELTA) & 0xFFFFFFFF)
