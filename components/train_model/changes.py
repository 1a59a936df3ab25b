"""Random changes of training clips, so that a model learns what is done and not how one recording looks."""

from typing import Any


def changed(frames: Any, seed: tuple[int, Any], *, horizontal_flip: bool, colour_jitter: float) -> Any:
    """Change each clip of a batch a little, all its frames alike: mirror it, shift it, give it other colours.

    Args:
        frames: RGB, uint8, shape (batch, time, height, width, 3); so is what comes back.
        seed: Of the training, and the number of the batch in it.
        horizontal_flip: Mirror every other clip, by chance.
        colour_jitter: Put the channels in another order and change each one's gain by up to this share, its offset by
            up to a hundred times it. 0 leaves colours alone.
    """
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
