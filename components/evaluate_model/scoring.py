"""What a SavedModel says of the clips of a split: one pass that keeps truth and answer together."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from components.contract.clip_dataset import read_clip_batches
from components.contract.clips import Clips, read_clips
from components.contract.errors import StepError
from components.contract.model import CLIPS_INPUT, PROBABILITIES_OUTPUT, SIGNATURE
from components.contract.progress import Progress
from components.contract.videos import Split

Frames: TypeAlias = npt.NDArray[np.uint8]
Classifier: TypeAlias = Callable[[Frames], npt.NDArray[np.float32]]


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


def load_classifier(saved_model_dir: Path) -> Classifier:
    """Load a SavedModel's serving signature as a function from frames to probabilities.

    Raises:
        StepError: If it cannot be loaded or has not the expected signature.
    """
    import tensorflow as tf

    remedy = "Give a model that train_model wrote."
    try:
        loaded = tf.saved_model.load(str(saved_model_dir))
        signature = loaded.signatures[SIGNATURE]
    except (OSError, ValueError, KeyError) as error:
        raise StepError(f"{saved_model_dir} is no SavedModel that can be served ({error}).", remedy=remedy) from error
    inputs = set(signature.structured_input_signature[1])
    if inputs != {CLIPS_INPUT} or PROBABILITIES_OUTPUT not in signature.structured_outputs:
        raise StepError(
            f"{saved_model_dir} takes {sorted(inputs)} and gives {sorted(signature.structured_outputs)}; "
            f"expected {CLIPS_INPUT!r} and {PROBABILITIES_OUTPUT!r}.",
            remedy=remedy,
        )

    def classify(frames: Frames) -> npt.NDArray[np.float32]:
        answer: npt.NDArray[np.float32] = signature(**{CLIPS_INPUT: tf.constant(frames)})[PROBABILITIES_OUTPUT].numpy()
        return answer

    # A signature holds its model only weakly: without this the variables would be gone at the first call.
    classify.__dict__["model"] = loaded
    return classify


def in_order_of(labels: Sequence[str], classifier: Classifier, own: Sequence[str]) -> Classifier:
    """Return a classifier whose answers are in the order of `labels`; the model's own order is `own`."""
    if tuple(labels) == tuple(own):
        return classifier
    places = [list(own).index(label) for label in labels]
    return lambda frames: classifier(frames)[:, places]


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
