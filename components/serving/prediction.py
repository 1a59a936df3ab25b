"""From video files to answers, with a SavedModel and what it says of itself."""

import tempfile
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from components.contract.buckets import fetch_file, is_bucket_uri
from components.contract.errors import StepError
from components.contract.model import SAVED_MODEL_NAME, read_served_description
from components.serving.directory import ServingDirectory, numbers
from components.serving.place import place_at
from components.serving.saved_model import Frames, load_classifier
from components.video.errors import UnreadableError
from components.video.preparation import read_clips, stored_preparation

_GRAPH_NAME = "saved_model.pb"


@dataclass(frozen=True)
class Prediction:
    """The answer to one video.

    Attributes:
        video: Its path or address, as given.
        label: The likeliest; None where the video cannot be read.
        probabilities: By label, in the model's order; empty where the video cannot be read.
        reason: Why it cannot be read; empty where it can.
    """

    video: str
    label: str | None
    probabilities: dict[str, float]
    reason: str = ""


class Predictor:
    """A SavedModel that takes video files: it prepares them as its training did.

    Args:
        saved_model: Folder of the SavedModel, as Reelflow exports it.

    Raises:
        StepError: If it is none, or does not say what it takes.
    """

    def __init__(self, saved_model: Path) -> None:
        self.served = read_served_description(saved_model)
        self.classify = load_classifier(saved_model)
        self._preparation = stored_preparation(self.served.preparation)

    def predict(self, video: str) -> Prediction:
        """Answer one video, a path or a gs:// address.

        Raises:
            UnreadableError: If it gives no clip.
        """
        return self._answer(video, self._frames(video))

    def predict_all(self, videos: Iterable[str], *, workers: int) -> Iterator[Prediction]:
        """Answer many videos in their order; those that cannot be read are answered with the reason.

        Args:
            videos: Paths and gs:// addresses.
            workers: Videos decoded at the same time; the model uses the other processors.
        """
        waiting = iter(videos)
        with ThreadPoolExecutor(workers) as pool:
            decoding = [(video, pool.submit(self._frames, video)) for video in islice(waiting, 2 * workers)]
            while decoding:
                video, frames = decoding.pop(0)
                try:
                    prediction = self._answer(video, frames.result())
                except UnreadableError as fault:
                    prediction = Prediction(video, None, {}, f"{fault.reason}: {fault.detail}")
                decoding += [(video, pool.submit(self._frames, video)) for video in islice(waiting, 1)]
                yield prediction

    def _frames(self, video: str) -> Frames:
        """Return the clips of a video: RGB, uint8, shape (clips, time, height, width, 3)."""
        with _local(video) as path:
            clips = read_clips(path, geometry=self.served.geometry, preparation=self._preparation)
        return np.stack([clip.frames for clip in clips])

    def _answer(self, video: str, clips: Frames) -> Prediction:
        probabilities = self.classify(clips).mean(axis=0)
        by_label = {label: float(value) for label, value in zip(self.served.labels, probabilities, strict=True)}
        return Prediction(video, self.served.labels[int(np.argmax(probabilities))], by_label)


@contextmanager
def local_model(uri: str) -> Iterator[Path]:
    """Give the SavedModel that a person names, on this machine while the block runs.

    Args:
        uri: A SavedModel, a model folder of train_model, or a serving directory, whose served version is meant;
            a path or a gs:// address.

    Raises:
        StepError: If it is none of these.
    """
    inside = _saved_model_inside(uri.rstrip("/"))
    if not is_bucket_uri(inside):
        yield Path(inside)
        return
    with tempfile.TemporaryDirectory(prefix="reelflow-model-") as folder:
        place_at(inside).fetch("", Path(folder) / "saved_model")
        yield Path(folder) / "saved_model"


def _saved_model_inside(uri: str) -> str:
    place = place_at(uri)
    names = place.children()
    if _GRAPH_NAME in names:
        return uri
    if _GRAPH_NAME in place.children(SAVED_MODEL_NAME):
        return f"{uri}/{SAVED_MODEL_NAME}"
    if numbers(names) and (served := ServingDirectory(uri).served(warn=print)):
        return f"{uri}/{served.version}"
    raise StepError(
        f"{uri} holds no model: neither {_GRAPH_NAME}, nor {SAVED_MODEL_NAME}/, nor a served version.",
        remedy="Give a serving directory, one of its versions, or the model folder of a run (`reelflow runs latest`).",
    )


@contextmanager
def _local(video: str) -> Iterator[Path]:
    """Give a video as a file of this machine while the block runs."""
    if not is_bucket_uri(video):
        yield Path(video)
        return
    with tempfile.TemporaryDirectory(prefix="reelflow-video-") as folder:
        path = Path(folder) / "video"
        fetch_file(video, path)
        yield path
