"""What models say of the clips of a split: one pass that keeps truth and answers together."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from components.contract.clip_dataset import read_clip_batches
from components.contract.clips import Clips, read_clips
from components.contract.errors import StepError
from components.contract.progress import Progress
from components.contract.videos import Split
from components.serving.saved_model import Classifier, Frames, load_classifier


@dataclass(frozen=True)
class Contender:
    """A model as it is asked.

    Attributes:
        classify: Gives float32, shape (batch, labels).
        labels: Class names in the order of its answers.
        transform: Changes the frames before it sees them, e.g. turns time around; RGB, uint8,
            shape (batch, time, height, width, 3) in and out.
    """

    classify: Classifier
    labels: Sequence[str]
    transform: Callable[[Frames], Frames] | None = None

    def answer(self, frames: Frames, labels: Sequence[str]) -> npt.NDArray[np.float32]:
        """Answer a batch, in the order of `labels`.

        Raises:
            StepError: If the model has not one answer per label.
        """
        answer = self.classify(frames if self.transform is None else self.transform(frames))
        if answer.shape != (len(frames), len(self.labels)):
            raise StepError(
                f"The model answers {len(frames)} clips with an array of shape {answer.shape}; "
                f"expected one number for each of {len(self.labels)} labels.",
                remedy="Train a model on these clips.",
            )
        return answer if list(labels) == list(self.labels) else answer[:, [self.labels.index(name) for name in labels]]


@dataclass(frozen=True)
class ScoredClips:
    """What a model says of each clip of a split, beside what is true.

    Attributes:
        probabilities: float32, shape (clips, classes).
        label_index: int32, shape (clips,).
        videos: Name of each clip's video.
    """

    probabilities: npt.NDArray[np.float32]
    label_index: npt.NDArray[np.int32]
    videos: tuple[str, ...]


def score_split(
    saved_model_dir: Path,
    clips_dir: Path,
    split: Split,
    *,
    transform: Callable[[Frames], Frames] | None = None,
    batch_size: int = 32,
) -> ScoredClips:
    """Score every clip of a split with a SavedModel whose labels are those of the clips.

    Args:
        saved_model_dir: Has the serving signature that train_model writes.
        clips_dir: As extract_frames finishes it.
        split: Which clips.
        transform: Changes the frames before the model sees them.
        batch_size: Clips that the model sees at once.

    Raises:
        StepError: If clips or model cannot be read, or if the model has not one answer per label.
    """
    clips = read_clips(clips_dir)
    contender = Contender(load_classifier(saved_model_dir), clips.labels, transform)
    scored = scored_clips({"": contender}, clips_dir, clips, split, labels=clips.labels, batch_size=batch_size)
    return scored[""]


def scored_clips(
    contenders: Mapping[str, Contender],
    clips_dir: Path,
    clips: Clips,
    split: Split,
    *,
    labels: Sequence[str],
    batch_size: int,
) -> dict[str, ScoredClips]:
    """Score every clip of a split with each contender; the clips are read and decoded once.

    Args:
        contenders: By name.
        clips_dir: As extract_frames finishes it.
        clips: What it holds.
        split: Which clips.
        labels: The order of answers and truths; holds all labels of the clips.
        batch_size: Clips that a model sees at once.
    """
    progress = Progress(f"{split} clips", clips.n_clips(split))
    place_of = np.array([labels.index(label) for label in clips.labels], dtype=np.int32)
    answers: dict[str, list[npt.NDArray[np.float32]]] = {name: [] for name in contenders}
    truths, videos = [np.zeros(0, np.int32)], list[str]()
    for frames, label_index, names in read_clip_batches(clips_dir, clips, split, batch_size=batch_size):
        for name, contender in contenders.items():
            answers[name].append(contender.answer(frames, labels))
        truths.append(place_of[label_index])
        videos.extend(names)
        progress.add(len(frames))
    true = np.concatenate(truths)
    none = np.zeros((0, len(labels)), np.float32)
    return {name: ScoredClips(np.concatenate([none, *given]), true, tuple(videos)) for name, given in answers.items()}
