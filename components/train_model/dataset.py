"""Batches of clips for training and validation."""

from pathlib import Path
from typing import Any

from components.contract.clip_dataset import decoded_clip, record_dataset
from components.contract.clips import Clips
from components.contract.errors import StepError
from components.contract.videos import Split

# Decoded clips stay in memory up to here; more are decoded again in each epoch.
CACHE_LIMIT_BYTES = 2 << 30
# Records that wait to be shuffled take at most this much memory where the decoded clips do not fit.
SHUFFLE_LIMIT_BYTES = 512 << 20


def training_batches(
    folder: Path,
    clips: Clips,
    *,
    batch_size: int,
    epochs: int,
    horizontal_flip: bool,
    seed: int,
    cache_limit_bytes: int = CACHE_LIMIT_BYTES,
) -> Any:
    """Return a tf.data.Dataset of the batches of all epochs: clips in a new order in each, changed a little.

    Each element is (frames, labels): RGB, uint8, shape (batch, time, height, width, 3); one-hot, float32. The last
    batch of an epoch may be smaller. Order and changes follow from the seed alone.
    """
    import tensorflow as tf

    records = record_dataset(folder, clips, "train")
    n_clips = clips.n_clips("train")
    if _decoded_bytes(clips, "train") <= cache_limit_bytes:
        shuffled = _decoded(records, clips).cache().shuffle(n_clips, seed=seed, reshuffle_each_iteration=True)
    else:
        stored_bytes = sum(path.stat().st_size for path in clips.paths(folder, "train"))
        buffer = max(1, min(n_clips, n_clips * SHUFFLE_LIMIT_BYTES // stored_bytes))
        shuffled = _decoded(records.shuffle(buffer, seed=seed, reshuffle_each_iteration=True), clips)
    numbered = shuffled.batch(batch_size).repeat(epochs).enumerate()
    return numbered.map(
        lambda number, batch: (_changed(batch[0], (seed, number), horizontal_flip=horizontal_flip), batch[1]),
        num_parallel_calls=tf.data.AUTOTUNE,
        deterministic=True,
    ).prefetch(2)


def validation_batches(
    folder: Path, clips: Clips, *, batch_size: int, cache_limit_bytes: int = CACHE_LIMIT_BYTES
) -> Any:
    """Return a tf.data.Dataset of the validation clips as they are, in stored order; elements as in training."""
    batches = _decoded(record_dataset(folder, clips, "validation"), clips).batch(batch_size)
    if _decoded_bytes(clips, "validation") <= cache_limit_bytes:
        batches = batches.cache()
    return batches.prefetch(2)


def check_trainable(clips: Clips) -> None:
    """Refuse clips that nothing can be learned from.

    Raises:
        StepError: If there are no training clips or fewer than two labels.
    """
    if len(clips.labels) < 2 or not clips.n_clips("train"):
        raise StepError(
            f"There are {clips.n_clips('train')} training clips of {len(clips.labels)} labels; "
            "training needs some, of two labels at least.",
            remedy="Choose more videos or other splits when ingesting.",
        )


def _decoded_bytes(clips: Clips, split: Split) -> int:
    time, height, width, channels = clips.geometry.shape
    return clips.n_clips(split) * time * height * width * channels


def _decoded(records: Any, clips: Clips) -> Any:
    import tensorflow as tf

    def frames_and_label(record: Any) -> tuple[Any, Any]:
        frames, label_index, _ = decoded_clip(record, clips.geometry)
        return frames, tf.one_hot(label_index, len(clips.labels))

    return records.map(frames_and_label, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)


def _changed(frames: Any, seed: tuple[int, Any], *, horizontal_flip: bool) -> Any:
    """Flip some whole clips of a batch and shift the batch by up to a sixteenth, repeating its mirrored border."""
    import tensorflow as tf

    pair = tf.stack([tf.cast(seed[0], tf.int64), tf.cast(seed[1], tf.int64)])
    flip_seed, top_seed, left_seed = tf.unstack(tf.random.experimental.stateless_split(pair, 3))
    if horizontal_flip:
        flips = tf.random.stateless_uniform([tf.shape(frames)[0], 1, 1, 1, 1], flip_seed) < 0.5
        frames = tf.where(flips, tf.reverse(frames, axis=[3]), frames)
    height, width = frames.shape[2], frames.shape[3]
    top_margin, left_margin = height // 16, width // 16
    top = tf.random.stateless_uniform([], top_seed, 0, 2 * top_margin + 1, tf.int32)
    left = tf.random.stateless_uniform([], left_seed, 0, 2 * left_margin + 1, tf.int32)
    padded = tf.pad(frames, [[0, 0], [0, 0], [top_margin] * 2, [left_margin] * 2, [0, 0]], "REFLECT")
    shifted = padded[:, :, top : top + height, left : left + width]
    return tf.ensure_shape(shifted, frames.shape)
