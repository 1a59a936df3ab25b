"""How good predictions are: accuracy with its interval, confusion matrix, scores per class. No TensorFlow here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from components.contract.errors import StepError

FEWEST_CLASSES_FOR_TOP_5 = 6


class NotFiniteError(StepError):
    """A model answers clips with NaN or infinity."""


@dataclass(frozen=True)
class ScoredVideos:
    """What a model says of each video of a split, beside what is true; sorted by video.

    Attributes:
        videos: Names.
        groups: Videos of one recording share it.
        true: Label indices, int64, shape (videos,).
        probabilities: Averaged over the clips of a video, float64, shape (videos, classes).
        n_clips: How many clips were averaged in all.
    """

    videos: tuple[str, ...]
    groups: tuple[str, ...]
    true: npt.NDArray[np.int64]
    probabilities: npt.NDArray[np.float64]
    n_clips: int

    @property
    def predicted(self) -> npt.NDArray[np.int64]:
        """The likeliest label index of each video; of equal ones the first."""
        likeliest: npt.NDArray[np.int64] = self.probabilities.argmax(axis=1)
        return likeliest

    @property
    def is_right(self) -> npt.NDArray[np.bool_]:
        """Whether each video's likeliest label is the true one."""
        return np.equal(self.predicted, self.true)


@dataclass(frozen=True)
class Interval:
    """A confidence interval, or why there is none.

    Attributes:
        low: Lower bound, or None where there is no interval.
        high: Upper bound, or None where there is no interval.
        n_groups: Groups that were resampled.
        remark: What a reader should know about it, or None.
    """

    low: float | None
    high: float | None
    n_groups: int
    remark: str | None = None


@dataclass(frozen=True)
class ClassScore:
    """How well one class is recognised; a ratio whose denominator is zero is None.

    Attributes:
        label: Class name.
        precision: Share of the videos given this label that have it.
        recall: Share of the videos with this label that were given it.
        f1: Harmonic mean of both.
        support: Videos that have this label.
        n_predicted: Videos that were given it.
    """

    label: str
    precision: float | None
    recall: float | None
    f1: float | None
    support: int
    n_predicted: int


@dataclass(frozen=True)
class SplitScores:
    """How good the predictions of one split are.

    Attributes:
        n_videos: Videos judged.
        n_groups: Groups that they come from.
        n_clips: Clips scored.
        accuracy: Share of videos whose likeliest label is right.
        interval: Of the accuracy.
        top_5_accuracy: Share of videos whose label is among the five likeliest; None with few classes.
        macro_f1: Mean F1 over the classes that have one; None where none has.
        classes: Each class, in the order of the labels.
        confusion: Counts of videos; rows are true labels, columns are predicted ones.
    """

    n_videos: int
    n_groups: int
    n_clips: int
    accuracy: float
    interval: Interval
    top_5_accuracy: float | None
    macro_f1: float | None
    classes: tuple[ClassScore, ...]
    confusion: tuple[tuple[int, ...], ...]


def averaged_over_clips(
    probabilities: npt.NDArray[np.float32],
    label_index: npt.NDArray[np.int32],
    videos: Sequence[str],
    *,
    group_of: Mapping[str, str],
) -> ScoredVideos:
    """Average what a model says of a video's clips.

    Args:
        probabilities: float, shape (clips, classes).
        label_index: Of each clip, integer, shape (clips,).
        videos: Name of each clip's video.
        group_of: Each video's group.

    Raises:
        NotFiniteError: If a probability is NaN or infinity.
        StepError: If there is no clip.
    """
    if not len(videos):
        raise StepError(
            "There is no clip to score.", remedy="Take more videos, or another share of them, in ingest_videos."
        )
    not_finite = ~np.isfinite(probabilities).all(axis=1)
    if not_finite.any():
        raise NotFiniteError(
            f"The model answers {int(not_finite.sum())} of {len(videos)} clips with NaN or infinity, "
            f"first {videos[int(not_finite.argmax())]}.",
            remedy="Its training diverged: train again with a smaller learning rate.",
        )
    names, first, place = np.unique(np.asarray(videos), return_index=True, return_inverse=True)
    sums = np.zeros((len(names), probabilities.shape[1]), dtype=np.float64)
    np.add.at(sums, place, probabilities)
    return ScoredVideos(
        videos=tuple(names.tolist()),
        groups=tuple(group_of[name] for name in names.tolist()),
        true=np.asarray(label_index)[first].astype(np.int64),
        probabilities=sums / np.bincount(place)[:, np.newaxis],
        n_clips=len(videos),
    )


def scores_of(
    scored: ScoredVideos, *, labels: Sequence[str], confidence: float, n_bootstrap: int, seed: int
) -> SplitScores:
    """Score the predictions of one split; truth and prediction come from the same pass over the clips."""
    confusion = confusion_matrix(scored.true, scored.predicted, n_classes=len(labels))
    classes = class_scores(confusion, labels=labels)
    f1s = [score.f1 for score in classes if score.f1 is not None]
    return SplitScores(
        n_videos=len(scored.videos),
        n_groups=len(set(scored.groups)),
        n_clips=scored.n_clips,
        accuracy=float(scored.is_right.mean()),
        interval=_accuracy_interval(scored, confidence=confidence, n_bootstrap=n_bootstrap, seed=seed),
        top_5_accuracy=top_accuracy(scored, k=5) if len(labels) >= FEWEST_CLASSES_FOR_TOP_5 else None,
        macro_f1=float(np.mean(f1s)) if f1s else None,
        classes=classes,
        confusion=tuple(tuple(row) for row in confusion.tolist()),
    )


def confusion_matrix(
    true: npt.NDArray[np.int64], predicted: npt.NDArray[np.int64], *, n_classes: int
) -> npt.NDArray[np.int64]:
    """Count videos by true label (rows) and predicted label (columns)."""
    cells = np.bincount(true * n_classes + predicted, minlength=n_classes**2)
    return cells.reshape(n_classes, n_classes).astype(np.int64)


def class_scores(confusion: npt.NDArray[np.int64], *, labels: Sequence[str]) -> tuple[ClassScore, ...]:
    """Return precision, recall and F1 of each class.

    With tp, fp and fn counted per class: precision = tp / (tp + fp), recall = tp / (tp + fn),
    F1 = 2 tp / (2 tp + fp + fn) (Sokolova and Lapalme 2009, table 3 with beta = 1, doi:10.1016/j.ipm.2009.03.002).
    """
    supports, n_predicted = confusion.sum(axis=1).tolist(), confusion.sum(axis=0).tolist()
    return tuple(
        ClassScore(
            label=label,
            precision=_ratio(right, given),
            recall=_ratio(right, support),
            f1=_ratio(2 * right, given + support),
            support=support,
            n_predicted=given,
        )
        for label, right, support, given in zip(
            labels, confusion.diagonal().tolist(), supports, n_predicted, strict=True
        )
    )


def top_accuracy(scored: ScoredVideos, *, k: int) -> float:
    """Return the share of videos whose true label is among the `k` likeliest."""
    likeliest = np.argsort(-scored.probabilities, axis=1, kind="stable")[:, :k]
    return float((likeliest == scored.true[:, np.newaxis]).any(axis=1).mean())


def interval_of_mean(
    values: npt.NDArray[np.generic], groups: Sequence[str], *, confidence: float, n_bootstrap: int, seed: int
) -> Interval:
    """Return the interval of a mean over videos, by drawing groups anew with replacement.

    Videos of one recording resemble each other, so groups are drawn whole (the cluster bootstrap: Davison and
    Hinkley 1997, section 3.8; Field and Welsh 2007, doi:10.1111/j.1467-9868.2007.00593.x). The bounds are
    percentiles of the drawn means (Efron and Tibshirani 1993, section 13.3).

    Args:
        values: One number per video, shape (videos,).
        groups: Each video's group.
        confidence: Share of the drawn means inside the interval.
        n_bootstrap: How often all groups are drawn.
        seed: Of the draws.
    """
    names, place = np.unique(np.asarray(groups), return_inverse=True)
    n_groups = len(names)
    if n_groups < 2:
        return Interval(None, None, n_groups, "All videos are of one group: there is nothing to resample.")
    sums = np.bincount(place, weights=values.astype(np.float64))
    counts = np.bincount(place).astype(np.float64)
    times_drawn = np.random.default_rng(seed).multinomial(n_groups, np.full(n_groups, 1 / n_groups), size=n_bootstrap)
    means = (times_drawn @ sums) / (times_drawn @ counts)
    low, high = np.quantile(means, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(float(low), float(high), n_groups)


def paired_p_value(differences: npt.NDArray[np.generic], groups: Sequence[str], *, n_draws: int, seed: int) -> float:
    """Return how probable a mean difference this great would be if neither model were better.

    A one-sided randomization test: were the two models alike, either could have given either answer, so the sign of a
    group's sum of differences is drawn anew (Edgington and Onghena 2007, Randomization Tests). The estimate counts the
    observed assignment too, so it is never 0 (Phipson and Smyth 2010, doi:10.2202/1544-6115.1585).

    Args:
        differences: The challenger's value minus the champion's, one per video, shape (videos,).
        groups: Each video's group.
        n_draws: How often the signs are drawn.
        seed: Of the draws.
    """
    _, place = np.unique(np.asarray(groups), return_inverse=True)
    sums = np.bincount(place, weights=differences.astype(np.float64))
    signs = np.random.default_rng(seed).choice((-1.0, 1.0), size=(n_draws, len(sums)))
    as_great = int((signs @ sums >= sums.sum() - 1e-9).sum())
    return (1 + as_great) / (1 + n_draws)


def _accuracy_interval(scored: ScoredVideos, *, confidence: float, n_bootstrap: int, seed: int) -> Interval:
    interval = interval_of_mean(
        scored.is_right, scored.groups, confidence=confidence, n_bootstrap=n_bootstrap, seed=seed
    )
    if interval.low is None or not scored.is_right.all():
        return interval
    # After n trials without a failure its rate is below 1 - (1 - confidence)^(1/n), the "rule of three"
    # (Hanley and Lippman-Hand 1983, doi:10.1001/jama.1983.03330370053031).
    may_fail = 1 - (1 - confidence) ** (1 / interval.n_groups)
    remark = (
        "Nothing was wrong, so drawing anew shows no doubt; "
        f"with {interval.n_groups} groups, up to {may_fail:.0%} of new ones may still be answered wrongly."
    )
    return replace(interval, remark=remark)


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None
