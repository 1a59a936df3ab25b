"""Warm-up records: requests that TensorFlow Serving answers while it loads a model, so that no client waits for it.

https://www.tensorflow.org/tfx/serving/saved_model_warmup
"""

from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf  # noqa: TID253 - only training imports this module

from components.contract.clip_record import framed
from components.contract.clips import ClipGeometry
from components.contract.files import write_bytes
from components.contract.model import CLIPS_INPUT, FRAMES_INPUT, JPEG_SIGNATURE, SIGNATURE

WARMUP_NAME = "assets.extra/tf_serving_warmup_requests"


def write_warmup_records(saved_model: Path, *, geometry: ClipGeometry, model_name: str) -> None:
    """Put one request for each signature into a SavedModel: a grey clip. The same geometry gives the same bytes."""
    clips = np.full((1, *geometry.shape), 128, np.uint8)
    jpeg = tf.io.encode_jpeg(clips[0, 0]).numpy()
    requests = [
        _request(SIGNATURE, CLIPS_INPUT, tf.make_tensor_proto(clips), model_name),
        _request(
            JPEG_SIGNATURE, FRAMES_INPUT, tf.make_tensor_proto([[jpeg] * geometry.n_frames], tf.string), model_name
        ),
    ]
    write_bytes(saved_model / WARMUP_NAME, b"".join(framed(request) for request in requests))


def _request(signature: str, name: str, tensor: Any, model_name: str) -> bytes:
    from tensorflow_serving.apis.predict_pb2 import PredictRequest
    from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog, PredictLog

    request = PredictRequest(inputs={name: tensor})
    request.model_spec.name, request.model_spec.signature_name = model_name, signature
    log: bytes = PredictionLog(predict_log=PredictLog(request=request)).SerializeToString(deterministic=True)
    return log
