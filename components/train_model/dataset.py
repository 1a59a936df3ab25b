"""Batches of clips for training and validation."""

from pathlib import Path
from typing import Any

from components.contract.clip_dataset import decoded_clip, record_dataset
from components.contract.clips import Clips
from components.contract.errors import StepError
from components.contract.videos import Split
from components.train_model.changes import changed

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
            changed(batch[0], (seed, number), horizontal_flip=horizontal_flip, colour_jitter=colour_jitter),
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
