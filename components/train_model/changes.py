"""Random changes of training clips, so that a model learns what is done and not how one recording looks."""

from typing import Any


def changed(
    frames: Any,
    seed: tuple[int, Any],
    *,
    horizontal_flip: bool,
    colour_jitter: float,
    may_flip: Any = True,
    crop_scale: float = 1.0,
) -> Any:
    """Change each clip of a batch a little, all its frames alike: mirror it, shift it, give it other colours.

    Args:
        frames: RGB, uint8, shape (batch, time, height, width, 3); so is what comes back.
        seed: Of the training, and the number of the batch in it.
        horizontal_flip: Mirror every other clip, by chance.
        colour_jitter: Put the channels in another order and change each one's gain by up to this share, its offset by
            up to a hundred times it. 0 leaves colours alone.
        may_flip: Whether each clip may be mirrored at all, bool, shape (batch,), or one answer for all.
        crop_scale: Below 1 each clip keeps a random rectangle of at least this share of its area, enlarged to the whole
            size, in place of the shift.
    """
    import tensorflow as tf

    pair = tf.stack([tf.cast(seed[0], tf.int64), tf.cast(seed[1], tf.int64)])
    flip_seed, shift_seed, gain_seed, offset_seed, order_seed = tf.unstack(
        tf.random.experimental.stateless_split(pair, 5)
    )
    n_clips = tf.shape(frames)[0]
    if horizontal_flip:
        flips = (tf.random.stateless_uniform([n_clips], flip_seed) < 0.5) & may_flip
        frames = tf.where(flips[:, None, None, None, None], tf.reverse(frames, axis=[3]), frames)
    frames = _cropped(frames, shift_seed, crop_scale) if crop_scale < 1 else _shifted(frames, shift_seed)
    if colour_jitter:
        per_channel = [n_clips, 1, 1, 1, 3]
        gain = tf.random.stateless_uniform(per_channel, gain_seed, 1 - colour_jitter, 1 + colour_jitter)
        offset = tf.random.stateless_uniform(per_channel, offset_seed, -100 * colour_jitter, 100 * colour_jitter)
        order = tf.argsort(tf.random.stateless_uniform([n_clips, 3], order_seed))
        frames = tf.gather(frames, order, axis=-1, batch_dims=1)
        frames = tf.cast(tf.clip_by_value(tf.cast(frames, tf.float32) * gain + offset, 0, 255), tf.uint8)
    return frames


def mixed(frames: Any, labels: Any, seed: tuple[int, Any], *, concentration: float) -> tuple[Any, Any]:
    """Mix each clip of a batch with its neighbour, pixels and labels by the same share.

    After Zhang et al. 2018 (arXiv:1710.09412): the share follows the beta distribution with both parameters alike.

    Args:
        frames: RGB, uint8, shape (batch, time, height, width, 3); so is what comes back.
        labels: Shares of each label, float32, shape (batch, labels); so is what comes back.
        seed: Of the training, and the number of the batch in it.
        concentration: Both parameters of the beta distribution.
    """
    import tensorflow as tf

    pair = tf.stack([tf.cast(seed[0], tf.int64), tf.cast(seed[1], tf.int64)])
    # The sixth and seventh seed of the batch: `changed` takes the first five.
    first_seed, second_seed = tf.unstack(tf.random.experimental.stateless_split(pair, 7))[5:]
    n_clips = tf.shape(frames)[:1]
    first, second = (tf.random.stateless_gamma(n_clips, key, concentration) for key in (first_seed, second_seed))
    share = tf.math.divide_no_nan(first, first + second)
    pixels_share = share[:, None, None, None, None]
    pixels = tf.cast(frames, tf.float32)
    pixels = pixels * pixels_share + tf.roll(pixels, 1, axis=0) * (1 - pixels_share)
    labels = labels * share[:, None] + tf.roll(labels, 1, axis=0) * (1 - share[:, None])
    return tf.cast(tf.round(pixels), tf.uint8), labels


def _cropped(frames: Any, seed: Any, least_area: float) -> Any:
    """Cut a rectangle of the frames' own proportions from each clip and enlarge it, bilinearly."""
    import tensorflow as tf

    _, n_frames, height, width, channels = frames.shape
    chances = tf.random.stateless_uniform([tf.shape(frames)[0], 3], seed)
    side = tf.sqrt(least_area + (1 - least_area) * chances[:, 0])
    top, left = (1 - side) * chances[:, 1], (1 - side) * chances[:, 2]
    boxes = tf.repeat(tf.stack([top, left, top + side, left + side], axis=1), n_frames, axis=0)
    merged = tf.reshape(frames, (-1, height, width, channels))
    cut = tf.image.crop_and_resize(merged, boxes, tf.range(tf.shape(boxes)[0]), (height, width))
    return tf.reshape(tf.cast(tf.round(cut), tf.uint8), (-1, n_frames, height, width, channels))


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
