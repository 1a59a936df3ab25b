"""Decoding and resizing of JPEG frames in a TensorFlow graph, for the signature that takes them."""

from typing import Any

import tensorflow as tf  # noqa: TID253 - only training imports this module

from components.contract.clips import ClipGeometry


def clips_from_jpeg(frames: Any, geometry: ClipGeometry, *, resize: str) -> Any:
    """Return clips of the geometry: RGB, uint8, shape (batch, time, height, width, 3).

    Frames that have the geometry's size stay as they were encoded. Others are brought to it like those of videos: the
    same part of the frame, antialiased; pixels differ a little from OpenCV's.

    Args:
        frames: JPEG, string, shape (batch, time); grey ones become RGB.
        geometry: Of the clips.
        resize: crop or pad, as in `components.video.resize`.
    """
    flat = tf.reshape(frames, [-1])
    shape = (geometry.frame_height, geometry.frame_width, 3)
    decoded = tf.map_fn(
        lambda jpeg: _fitted(tf.io.decode_jpeg(jpeg, channels=3), geometry, resize=resize),
        flat,
        fn_output_signature=tf.TensorSpec(shape, tf.uint8),
    )
    return tf.reshape(decoded, (-1, *geometry.shape))


def _fitted(frame: Any, geometry: ClipGeometry, *, resize: str) -> Any:
    height, width = geometry.frame_height, geometry.frame_width
    is_fitting = tf.reduce_all(tf.shape(frame)[:2] == [height, width])
    fit = _padded if resize == "pad" else _cropped
    fitted = tf.cond(is_fitting, lambda: frame, lambda: fit(frame, height=height, width=width))
    return tf.ensure_shape(fitted, (height, width, 3))


def _cropped(frame: Any, *, height: int, width: int) -> Any:
    """Scale the centre of the wanted proportions."""
    size = tf.shape(frame)[:2]
    scale = tf.reduce_min(tf.cast(size, tf.float32) / [height, width])
    kept = tf.clip_by_value(tf.cast(tf.round([height * scale, width * scale]), tf.int32), 1, size)
    top, left = tf.unstack((size - kept) // 2)
    return _scaled(frame[top : top + kept[0], left : left + kept[1]], [height, width])


def _padded(frame: Any, *, height: int, width: int) -> Any:
    """Scale all of the frame and centre it on black."""
    size = tf.cast(tf.shape(frame)[:2], tf.float32)
    scale = tf.reduce_min([height, width] / size)
    fitted = tf.clip_by_value(tf.cast(tf.round(size * scale), tf.int32), 1, [height, width])
    before = ([height, width] - fitted) // 2
    after = [height, width] - fitted - before
    return tf.pad(_scaled(frame, fitted), [[before[0], after[0]], [before[1], after[1]], [0, 0]])


def _scaled(frame: Any, size: Any) -> Any:
    scaled = tf.image.resize(frame, size, method="bilinear", antialias=True)
    return tf.cast(tf.clip_by_value(tf.round(scaled), 0, 255), tf.uint8)
