"""From video files to answers, with a SavedModel and what it says of itself."""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from components.contract.model import read_served_description
from components.serving.saved_model import Frames, load_classifier
from components.video.errors import UnreadableError
from components.video.preparation import read_clip, stored_preparation


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

    def predict(self, video: Path) -> Prediction:
        """Answer one video.

        Raises:
            UnreadableError: If it gives no clip.
        """
        return self._answer(str(video), self._frames(video))

    def predict_all(self, videos: Iterable[Path], *, workers: int) -> Iterator[Prediction]:
        """Answer many videos in their order; those that cannot be read are answered with the reason.

        Args:
            videos: Files.
            workers: Videos decoded at the same time; the model uses the other processors.
        """
        waiting = iter(videos)
        with ThreadPoolExecutor(workers) as pool:
            decoding = [(video, pool.submit(self._frames, video)) for video in islice(waiting, 2 * workers)]
            while decoding:
                video, frames = decoding.pop(0)
                try:
                    prediction = self._answer(str(video), frames.result())
                except UnreadableError as fault:
                    prediction = Prediction(str(video), None, {}, f"{fault.reason}: {fault.detail}")
                decoding += [(video, pool.submit(self._frames, video)) for video in islice(waiting, 1)]
                yield prediction

    def _frames(self, video: Path) -> Frames:
        """Return the clips of a video: RGB, uint8, shape (clips, time, height, width, 3)."""
        return read_clip(video, geometry=self.served.geometry, preparation=self._preparation).frames[None]

    def _answer(self, video: str, clips: Frames) -> Prediction:
        probabilities = self.classify(clips).mean(axis=0)
        by_label = {label: float(value) for label, value in zip(self.served.labels, probabilities, strict=True)}
        return Prediction(video, self.served.labels[int(np.argmax(probabilities))], by_label)
