"""Batches of clips for training and validation."""

import math
from collections import Counter
from hashlib import sha256
from pathlib import Path
from typing import Any

from components.contract.clip_dataset import check_record_counts, decoded_clip, record_dataset
from components.contract.clips import Clips, read_clip_table
from components.contract.errors import StepError
from components.contract.videos import Split

# Decoded clips stay in memory up to here; more are decoded again in each epoch.
CACHE_LIMIT_BYTES = 2 << 30
# Records that wait to be shuffled take at most this much memory where the decoded clips do not fit.
SHUFFLE_LIMIT_BYTES = 512 << 20
# Shards that are read side by side; a number of its own, so that the order is the same on every machine.
_N_SHARDS_AT_ONCE = 8


class TrainingClips:
    """The training clips of every epoch, in an order that follows from the seed and the epoch's number alone.

    Args:
        folder: Of the clips.
        clips: What it holds.
        seed: Of the order.
        cache_limit_bytes: Decoded clips stay in memory up to here.
    """

    def __init__(self, folder: Path, clips: Clips, *, seed: int, cache_limit_bytes: int = CACHE_LIMIT_BYTES) -> None:
        self._clips, self._seed = clips, seed
        self._records = _interleaved_records(folder, clips)
        self._stored_bytes = sum(path.stat().st_size for path in clips.paths(folder, "train"))
        fits = _decoded_bytes(clips, "train") <= min(cache_limit_bytes, _free_bytes() // 2)
        self._decoded = _decoded(self._records, clips).cache() if fits else None

    def of_epoch(self, epoch: int) -> Any:
        """Return a tf.data.Dataset of the clips of an epoch, one by one.

        Each element is (frames, label): RGB, uint8, shape (time, height, width, 3); one-hot, float32.
        """
        n_clips = self._clips.n_clips("train")
        seed = int.from_bytes(sha256(f"{self._seed} {epoch}".encode()).digest()[:4], "big")
        # The same buffer in both cases: how much memory is free does not change the order.
        buffer = max(1, min(n_clips, n_clips * SHUFFLE_LIMIT_BYTES // self._stored_bytes))
        if self._decoded is not None:
            return self._decoded.shuffle(buffer, seed=seed, reshuffle_each_iteration=False)
        return _decoded(self._records.shuffle(buffer, seed=seed, reshuffle_each_iteration=False), self._clips)


def distributed_batches(strategy: Any, clips: Any, *, batch_size: int) -> Any:
    """Return the distributed batches of an epoch's clips.

    Each element is (frames, labels): RGB, uint8, shape (batch, time, height, width, 3); one-hot, float32. On one device
    the last batch may be smaller; on several each device has the same number in each step, and a rest is left out.
    """
    import tensorflow as tf

    if strategy.num_replicas_in_sync == 1:
        return clips.batch(batch_size).prefetch(tf.data.AUTOTUNE)

    def of_machine(context: Any) -> Any:
        share = clips.shard(context.num_input_pipelines, context.input_pipeline_id)
        return share.batch(context.get_per_replica_batch_size(batch_size), drop_remainder=True).prefetch(2)

    return strategy.distribute_datasets_from_function(of_machine)


def n_steps_per_epoch(n_clips: int, *, batch_size: int, n_replicas: int) -> int:
    """Return how many batches `distributed_batches` gives in an epoch.

    Raises:
        StepError: If the batch cannot be shared, or if there is not one whole batch to share.
    """
    if n_replicas == 1:
        return math.ceil(n_clips / batch_size)
    if batch_size % n_replicas or n_clips < batch_size:
        raise StepError(
            f"batch_size is {batch_size}, for {n_clips} training clips on {n_replicas} devices.",
            remedy=f"Give a multiple of {n_replicas}, and no more than there are clips.",
        )
    return n_clips // batch_size


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


def label_counts(folder: Path, clips: Clips) -> list[int]:
    """Return how many training clips each label has, from the clip table."""
    import pyarrow.compute

    table = read_clip_table(folder)
    found = table.filter(pyarrow.compute.equal(table["split"], "train"))["label"].to_pylist()
    counted = Counter(found)
    return [counted[label] for label in clips.labels]


def _interleaved_records(folder: Path, clips: Clips) -> Any:
    import tensorflow as tf

    check_record_counts(folder, clips, "train")
    paths = tf.data.Dataset.from_tensor_slices([str(path) for path in clips.paths(folder, "train")])
    records = paths.interleave(
        tf.data.TFRecordDataset,
        cycle_length=_N_SHARDS_AT_ONCE,
        num_parallel_calls=tf.data.AUTOTUNE,
        deterministic=True,
    )
    return records.apply(tf.data.experimental.assert_cardinality(clips.n_clips("train")))


def _free_bytes() -> int:
    """Return the memory that can be had without swapping, as Linux reckons it."""
    found = next(line for line in Path("/proc/meminfo").read_text().splitlines() if line.startswith("MemAvailable:"))
    return int(found.split()[1]) * 1024


def _decoded_bytes(clips: Clips, split: Split) -> int:
    time, height, width, channels = clips.geometry.shape
    return clips.n_clips(split) * time * height * width * channels


def _decoded(records: Any, clips: Clips) -> Any:
    import tensorflow as tf

    def frames_and_label(record: Any) -> tuple[Any, Any]:
        frames, label_index, _ = decoded_clip(record, clips.geometry)
        return frames, tf.one_hot(label_index, len(clips.labels))

    return records.map(frames_and_label, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
