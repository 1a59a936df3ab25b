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
    colour_jitter: float,
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
        lambda number, batch: (
            _changed(batch[0], (seed, number), horizontal_flip=horizontal_flip, colour_jitter=colour_jitter),
            batch[1],
        ),
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


def _changed(frames: Any, seed: tuple[int, Any], *, horizontal_flip: bool, colour_jitter: float) -> Any:
    """Change each clip of a batch a little, all its frames alike: mirror it, shift it, give it other colours."""
    import tensorflow as tf

    pair = tf.stack([tf.cast(seed[0], tf.int64), tf.cast(seed[1], tf.int64)])
    flip_seed, shift_seed, gain_seed, offset_seed, order_seed = tf.unstack(
        tf.random.experimental.stateless_split(pair, 5)
    )
    n_clips = tf.shape(frames)[0]
    if horizontal_flip:
        flips = tf.random.stateless_uniform([n_clips, 1, 1, 1, 1], flip_seed) < 0.5
        frames = tf.where(flips, tf.reverse(frames, axis=[3]), frames)
    frames = _shifted(frames, shift_seed)
    if colour_jitter:
        per_channel = [n_clips, 1, 1, 1, 3]
        gain = tf.random.stateless_uniform(per_channel, gain_seed, 1 - colour_jitter, 1 + colour_jitter)
        offset = tf.random.stateless_uniform(per_channel, offset_seed, -100 * colour_jitter, 100 * colour_jitter)
        order = tf.argsort(tf.random.stateless_uniform([n_clips, 3], order_seed))
        frames = tf.gather(frames, order, axis=-1, batch_dims=1)
        frames = tf.cast(tf.clip_by_value(tf.cast(frames, tf.float32) * gain + offset, 0, 255), tf.uint8)
    return frames


def _shifted(frames: Any, seed: Any) -> Any:
    """Shift each clip by up to a sixteenth of its height and width, repeating its mirrored border."""
    import tensorflow as tf

    _, n_frames, height, width, channels = frames.shape
    margins = (height // 16, width // 16)
    padded = tf.pad(frames, [[0, 0], [0, 0], *([margin] * 2 for margin in margins), [0, 0]], "REFLECT")
    starts = tf.random.stateless_uniform([tf.shape(frames)[0], 2], seed)
    tops, lefts = (
        tf.cast(starts[:, axis] * (2 * margin + 1), tf.int32)[:, None] + tf.range(size)
        for axis, (margin, size) in enumerate(zip(margins, (height, width), strict=True))
    )
    rows = tf.gather(padded, tops, axis=2, batch_dims=1)
    return tf.ensure_shape(tf.gather(rows, lefts, axis=3, batch_dims=1), (None, n_frames, height, width, channels))
