"""What a SavedModel says of the clips of a split: one pass that keeps truth and answer together."""

from collections.abc import Callable
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
    """Score every clip of a split with a SavedModel.

    Args:
        saved_model_dir: Has the serving signature that train_model writes.
        clips_dir: As extract_frames finishes it.
        split: Which clips.
        transform: Changes the frames before the model sees them, e.g. turns time around; RGB, uint8,
            shape (batch, time, height, width, 3) in and out.
        batch_size: Clips that the model sees at once.

    Raises:
        StepError: If clips or model cannot be read, or if the model has not one answer per label.
    """
    classifier = load_classifier(saved_model_dir)
    return scored_clips(classifier, clips_dir, read_clips(clips_dir), split, transform=transform, batch_size=batch_size)


def scored_clips(
    classifier: Classifier,
    clips_dir: Path,
    clips: Clips,
    split: Split,
    *,
    transform: Callable[[Frames], Frames] | None = None,
    batch_size: int,
) -> ScoredClips:
    """Score every clip of a split with a loaded classifier."""
    progress = Progress(f"{split} clips", clips.n_clips(split))
    probabilities, truths, names = [], [], []
    for frames, label_index, videos in read_clip_batches(clips_dir, clips, split, batch_size=batch_size):
        answer = classifier(frames if transform is None else transform(frames))
        if answer.shape != (len(frames), len(clips.labels)):
            raise StepError(
                f"The model answers {len(frames)} clips with an array of shape {answer.shape}; "
                f"expected one number for each of {len(clips.labels)} labels.",
                remedy="Train a model on these clips.",
            )
        probabilities.append(answer)
        truths.append(label_index)
        names.extend(videos)
        progress.add(len(frames))
    if not names:
        return ScoredClips(np.zeros((0, len(clips.labels)), np.float32), np.zeros(0, np.int32), ())
    return ScoredClips(np.concatenate(probabilities), np.concatenate(truths), tuple(map(str, names)))
