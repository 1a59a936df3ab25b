"""Does the exported model serve? Asked in a clean process, with a video file, before anything is published.

The process imports nothing of the training: what it loads is what a server would load. Run by hand it is
`python -m components.push_model.infra_validation MODEL_FOLDER`.
"""

import json
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from components.contract.clips import ClipGeometry
from components.contract.errors import StepError
from components.contract.model import ANSWERS_NAME, SAVED_MODEL_NAME

# Far above a change of device or of thread count (a GPU's TF32 moves probabilities by thousandths), far below another
# model's answers.
_TOLERANCE = 0.01
_TIMEOUT_S = 600
_TIMED_ANSWERS = 5
_N_VIDEO_FRAMES_PER_FRAME = 4
_FPS = 25.0


@dataclass(frozen=True)
class Limits:
    """What serving may cost.

    Attributes:
        latency_s: From a video file to its answer, the median of several, in seconds.
        memory_gb: Of the process, at its peak, in 10^9 bytes.
    """

    latency_s: float
    memory_gb: float


@dataclass(frozen=True)
class Measured:
    """What the clean process found.

    Attributes:
        difference: Largest difference between its probabilities and those of the trained model.
        jpeg_difference: Largest difference between the answers to a clip and to the same clip's JPEG frames.
        latency_s: From a video file to its answer, median.
        memory_gb: Of the process, at its peak.
        fault: What is wrong with the answer to the video; empty where nothing is.
    """

    difference: float
    jpeg_difference: float
    latency_s: float
    memory_gb: float
    fault: str


def check_it_serves(model: Path, *, limits: Limits) -> Measured:
    """Ask the SavedModel of a model folder in a clean process.

    Raises:
        StepError: If it does not load, answers otherwise than the trained model, or costs more than the limits.
    """
    command = [sys.executable, "-m", __name__, str(model)]
    repository = Path(__file__).resolve().parents[2]
    try:
        ended = subprocess.run(command, cwd=repository, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired:
        raise _refused(f"gave no answer within {_TIMEOUT_S} s") from None
    try:
        measured = Measured(**json.loads(ended.stdout.splitlines()[-1]))
    except (ValueError, TypeError, IndexError):
        last = (ended.stderr.strip().splitlines() or [f"exit code {ended.returncode}"])[-1]
        raise _refused(f"could not be asked: {last}") from None
    if fault := fault_of(measured, limits):
        raise _refused(fault)
    return measured


def fault_of(measured: Measured, limits: Limits) -> str:
    """Return what keeps a model from being served, or nothing."""
    latency, memory = f"takes {measured.latency_s:.2f} s for a video", f"takes {measured.memory_gb:.2f} GB"
    if measured.fault:
        return measured.fault
    if not measured.difference <= _TOLERANCE:  # nor is NaN
        return f"answers otherwise than the trained one, by {measured.difference:.3g}"
    if not measured.jpeg_difference <= _TOLERANCE:
        return f"answers JPEG frames otherwise, by {measured.jpeg_difference:.3g}"
    if measured.latency_s > limits.latency_s:
        return f"{latency}, more than max_latency_s={limits.latency_s}"
    if measured.memory_gb > limits.memory_gb:
        return f"{memory}, more than max_memory_gb={limits.memory_gb}"
    return ""


def measure(model: Path) -> Measured:
    """Ask a model with the clips that the training kept the answers to, and with a video file."""
    import numpy as np

    from components.serving.prediction import Predictor

    predictor = Predictor(model / SAVED_MODEL_NAME)
    with np.load(model / ANSWERS_NAME, allow_pickle=False) as kept:
        clips, expected = kept["clips"], kept["probabilities"]
    difference = float(np.abs(predictor.classify(clips) - expected).max())
    with tempfile.TemporaryDirectory() as folder:
        video = Path(folder) / "moving.avi"
        _write_video(video, predictor.served.geometry)
        answers, latencies = [], []
        for _ in range(1 + _TIMED_ANSWERS):  # the first one also traces
            started = time.perf_counter()
            answers.append(predictor.predict(str(video)))
            latencies.append(time.perf_counter() - started)
    probabilities = np.array(list(answers[-1].probabilities.values()))
    are_probabilities = np.isfinite(probabilities).all() and abs(probabilities.sum() - 1) < 1e-3
    return Measured(
        difference=difference,
        jpeg_difference=_jpeg_difference(model / SAVED_MODEL_NAME, predictor),
        latency_s=float(np.median(latencies[1:])),
        memory_gb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9,
        fault="" if are_probabilities else "answers no probabilities",
    )


def _jpeg_difference(saved_model: Path, predictor: Any) -> float:
    """Compare the two signatures on one smooth clip, whose JPEG frames are decoded for the first of them."""
    import cv2
    import numpy as np
    import simplejpeg

    from components.serving.saved_model import load_jpeg_classifier

    frames = _moving_frames(predictor.served.geometry, n_frames=predictor.served.geometry.n_frames)
    jpegs = [simplejpeg.encode_jpeg(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB), quality=95) for frame in frames]
    decoded = np.stack([simplejpeg.decode_jpeg(jpeg, colorspace="RGB") for jpeg in jpegs])[None]
    answer = load_jpeg_classifier(saved_model)([jpegs])
    return float(np.abs(answer - predictor.classify(decoded)).max())


def _write_video(path: Path, geometry: ClipGeometry) -> None:
    import cv2

    height, width = geometry.frame_height + geometry.frame_height % 2, geometry.frame_width + geometry.frame_width % 2
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), _FPS, (width, height))
    for frame in _moving_frames(geometry, n_frames=geometry.n_frames * _N_VIDEO_FRAMES_PER_FRAME):
        writer.write(cv2.resize(frame, (width, height)))
    writer.release()


def _moving_frames(geometry: ClipGeometry, *, n_frames: int) -> Any:
    """Return a bright blob that crosses a smooth ground: BGR, uint8, shape (time, height, width, 3)."""
    import numpy as np

    rows = np.linspace(0, 1, geometry.frame_height)[None, :, None]
    columns = np.linspace(0, 1, geometry.frame_width)[None, None, :]
    times = np.linspace(0, 1, n_frames)[:, None, None]
    blob = 150 * np.exp(-40 * ((columns - times) ** 2 + (rows - 0.5) ** 2))
    return np.repeat((blob + 80 * rows + 20 * columns).astype(np.uint8)[..., None], 3, axis=-1)


def _refused(why: str) -> StepError:
    return StepError(
        f"Nothing was published: in a clean process the exported model {why}.",
        remedy="Look at the step's log, then train again or raise the limit.",
    )


if __name__ == "__main__":
    print(json.dumps(asdict(measure(Path(sys.argv[1])))))
