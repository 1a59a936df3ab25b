"""Reading clips with tf.data: the same decoding for training and for evaluation."""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from components.contract.clips import IMAGE_KEY, LABEL_INDEX_KEY, VIDEO_KEY, ClipGeometry, Clips, Shard
from components.contract.errors import StepError
from components.contract.videos import Split

# A TFRecord file is a sequence of: length (uint64, little endian), its checksum, the data, their checksum.
_LENGTH_BYTES = 8
_CHECKSUM_BYTES = 4


def clip_dataset(folder: Path, clips: Clips, split: Split) -> Any:
    """Return a tf.data.Dataset of the decoded clips of a split, one by one, in stored order.

    Each element is (frames, label index, video): RGB, uint8, shape (time, height, width, 3); int32; string.

    Raises:
        StepError: If a shard does not hold as many records as the folder's marker says.
    """
    import tensorflow as tf

    return record_dataset(folder, clips, split).map(
        lambda record: decoded_clip(record, clips.geometry), num_parallel_calls=tf.data.AUTOTUNE, deterministic=True
    )


def record_dataset(folder: Path, clips: Clips, split: Split) -> Any:
    """Return a tf.data.Dataset of the serialized records of a split, in stored order.

    Raises:
        StepError: If a shard does not hold as many records as the folder's marker says.
    """
    import tensorflow as tf

    check_record_counts(folder, clips, split)
    paths = [str(path) for path in clips.paths(folder, split)]
    records = tf.data.TFRecordDataset(tf.constant(paths, shape=(len(paths),), dtype=tf.string))
    return records.apply(tf.data.experimental.assert_cardinality(clips.n_clips(split)))


def decoded_clip(record: Any, geometry: ClipGeometry) -> tuple[Any, Any, Any]:
    """Return frames, label index and video of one serialized tf.train.Example, as TensorFlow operations."""
    import tensorflow as tf

    keys = {
        IMAGE_KEY: tf.io.FixedLenFeature([geometry.n_frames], tf.string),
        LABEL_INDEX_KEY: tf.io.FixedLenFeature([], tf.int64),
        VIDEO_KEY: tf.io.FixedLenFeature([], tf.string),
    }
    parsed = tf.io.parse_single_example(record, keys)
    # One operation per frame is a third faster than tf.map_fn over the frames.
    frames = tf.stack([tf.io.decode_jpeg(parsed[IMAGE_KEY][i], channels=3) for i in range(geometry.n_frames)])
    return tf.ensure_shape(frames, geometry.shape), tf.cast(parsed[LABEL_INDEX_KEY], tf.int32), parsed[VIDEO_KEY]


def read_clip_batches(
    folder: Path, clips: Clips, split: Split, *, batch_size: int
) -> Iterator[tuple[np.ndarray[Any, Any], np.ndarray[Any, Any], list[str]]]:
    """Yield the clips of a split in stored order, which is the order of the clip table; the last batch may be smaller.

    Yields:
        Frames (RGB, uint8, shape (batch, time, height, width, 3)), label indices (int32, shape (batch,)), video names.

    Raises:
        StepError: If a shard does not hold as many records as the folder's marker says, or not such clips.
    """
    import tensorflow as tf

    batches = clip_dataset(folder, clips, split).batch(batch_size).prefetch(2)
    try:
        for frames, label_index, videos in batches.as_numpy_iterator():
            yield frames, label_index, [video.decode() for video in videos]
    except (tf.errors.InvalidArgumentError, tf.errors.DataLossError, tf.errors.FailedPreconditionError) as error:
        raise StepError(
            f"{folder} has {split} records that are not clips of shape {clips.geometry.shape} ({error.message}).",
            remedy="Run extract_frames again.",
        ) from error


def check_record_counts(folder: Path, clips: Clips, split: Split) -> None:
    """Compare the number of records in each shard with the marker's: TensorFlow takes a cut between records for an end.

    Raises:
        StepError: If they differ.
    """
    for shard in clips.shards:
        if shard.split == split:
            _check_record_count(folder, shard)


def _check_record_count(folder: Path, shard: Shard) -> None:
    found = _n_records(folder / shard.name)
    if found != shard.n_clips:
        raise StepError(
            f"{folder / shard.name} holds {found} whole records; its marker says {shard.n_clips}.",
            remedy="Run extract_frames again.",
        )


def _n_records(path: Path) -> int:
    size, position, n_records = path.stat().st_size, 0, 0
    with path.open("rb") as file:
        while position + _LENGTH_BYTES + _CHECKSUM_BYTES <= size:
            file.seek(position)
            (length,) = struct.unpack("<Q", file.read(_LENGTH_BYTES))
            position += _LENGTH_BYTES + _CHECKSUM_BYTES + length + _CHECKSUM_BYTES
            n_records += position <= size
    return n_records
