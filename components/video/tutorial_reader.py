"""The tutorial's way to read a clip, which the benchmarks compare with."""

import random
from pathlib import Path
from typing import Any

import numpy as np

from components.contract.clips import ClipGeometry

_FRAME_STEP = 15


def tutorial_clip(path: Path, geometry: ClipGeometry) -> Any:
    """Seek to a random start, read on, and resize with TensorFlow frame by frame.

    TensorFlow's "Video classification with a 3D convolutional neural network" does this for each clip of each epoch.

    Returns:
        RGB from 0 to 1, float32, of the geometry's shape.
    """
    import cv2

    cv2.setNumThreads(-1)  # as the tutorial runs it; reading a clip our way sets it to 1
    capture = cv2.VideoCapture(str(path))
    n_video_frames = capture.get(cv2.CAP_PROP_FRAME_COUNT)
    needed = 1 + (geometry.n_frames - 1) * _FRAME_STEP
    start = 0 if needed > n_video_frames else random.Random(0).randint(0, int(n_video_frames - needed) + 1)
    capture.set(cv2.CAP_PROP_POS_FRAMES, start)
    frames = [_resized(capture.read()[1], geometry)]
    for _ in range(geometry.n_frames - 1):
        for _ in range(_FRAME_STEP):
            is_read, frame = capture.read()
        frames.append(_resized(frame, geometry) if is_read else np.zeros_like(frames[0]))
    capture.release()
    return np.array(frames)[..., [2, 1, 0]]


def _resized(frame: Any, geometry: ClipGeometry) -> Any:
    import tensorflow as tf

    pixels = tf.image.convert_image_dtype(frame, tf.float32)
    return tf.image.resize_with_pad(pixels, geometry.frame_height, geometry.frame_width)
