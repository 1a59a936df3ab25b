"""One evaluation from folders to folders: score, compare with the served model, judge, write."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from components.contract.accepted import Baseline, read_baseline
from components.contract.clips import Clips, read_clip_table, read_clips
from components.contract.errors import StepError
from components.contract.files import emptied
from components.contract.model import SAVED_MODEL_NAME, TrainedModel, read_model
from components.contract.verdict import Verdict, finish_evaluation
from components.contract.videos import SPLITS, Split
from components.evaluate_model.examples import right_ones, worst_confusions
from components.evaluate_model.gate import Comparison, Incomparable, judge, why_incomparable
from components.evaluate_model.history import read_history
from components.evaluate_model.report import Contents, write_page
from components.evaluate_model.scores import (
    NotFiniteError,
    ScoredVideos,
    SplitScores,
    averaged_over_clips,
    interval_of_mean,
    scores_of,
)
from components.evaluate_model.scoring import Classifier, in_order_of, load_classifier, scored_clips
from components.evaluate_model.thumbnails import strips_of


@dataclass(frozen=True)
class Settings:
    """How to judge.

    Attributes:
        min_accuracy: Accuracy on test that the model must reach, 0 to 1.
        min_improvement: By how much it must exceed the served model's, -1 to 1.
        confidence: Of the intervals, between 0 and 1.
        n_bootstrap: How often groups are drawn for an interval.
        batch_size: Clips scored at once.
        seed: Of the draws.
    """

    min_accuracy: float
    min_improvement: float
    confidence: float
    n_bootstrap: int
    batch_size: int
    seed: int

    def __post_init__(self) -> None:
        """Refuse values that have no meaning."""
        limits = {
            "min_accuracy": (0 <= self.min_accuracy <= 1, "from 0 to 1"),
            "min_improvement": (-1 <= self.min_improvement <= 1, "from -1 to 1"),
            "confidence": (0 < self.confidence < 1, "between 0 and 1"),
            "n_bootstrap": (self.n_bootstrap >= 1, "at least 1"),
            "batch_size": (self.batch_size >= 1, "at least 1"),
            "seed": (self.seed >= 0, "at least 0"),
        }
        for name, (holds, wanted) in limits.items():
            if not holds:
                raise StepError(f"{name} is {getattr(self, name)}; expected {wanted}.", remedy=f"Set {name} anew.")


@dataclass(frozen=True)
class Evaluation:
    """What an evaluation found.

    Attributes:
        digest: Content digest of scores and verdict.
        metrics: The headline numbers by name.
        labels: Class names.
        confusion: Of the test split; rows are true labels.
    """

    digest: str
    metrics: dict[str, float]
    labels: list[str]
    confusion: list[list[int]]


@dataclass(frozen=True)
class _Task:
    """The clips that a model is judged on, opened."""

    folder: Path
    clips: Clips
    rows: Sequence[dict[str, Any]]
    settings: Settings

    def scored(self, classifier: Classifier, split: Split) -> ScoredVideos:
        """Score the videos of a split."""
        answers = scored_clips(classifier, self.folder, self.clips, split, batch_size=self.settings.batch_size)
        group_of = {row["video"]: row["group"] for row in self.rows}
        return averaged_over_clips(answers.probabilities, answers.label_index, answers.videos, group_of=group_of)

    def scores(self, scored: ScoredVideos) -> SplitScores:
        """Turn answers into scores."""
        return scores_of(scored, labels=self.clips.labels, **self.draws)

    @property
    def draws(self) -> dict[str, Any]:
        """How intervals are drawn."""
        settings = self.settings
        return {"confidence": settings.confidence, "n_bootstrap": settings.n_bootstrap, "seed": settings.seed}


def evaluate(
    *,
    clips_dir: Path,
    clips_digest: str,
    model_dir: Path,
    model_digest: str,
    baseline_dir: Path,
    baseline_digest: str,
    evaluation_dir: Path,
    page_path: Path,
    settings: Settings,
) -> Evaluation:
    """Judge a model on the test split of some clips and write scores, verdict and page.

    Raises:
        StepError: If an input is not what was promised, if the model is for other clips, or if it answers NaN.
    """
    clips = read_clips(clips_dir, digest=clips_digest)
    model = read_model(model_dir, digest=model_digest)
    baseline = read_baseline(baseline_dir, digest=baseline_digest)
    history = read_history(model_dir)
    _check_fits(model, clips)
    rows = read_clip_table(clips_dir).select(["video", "label_index", "group", "split"]).to_pylist()
    task = _Task(clips_dir, clips, rows, settings)

    classifier = in_order_of(clips.labels, load_classifier(model_dir / SAVED_MODEL_NAME), model.labels)
    scored = task.scored(classifier, "test")
    test, train = task.scores(scored), task.scores(task.scored(classifier, "train"))
    served = _served(task, baseline, scored, model_digest=model.digest)
    rules = judge(test, served=served, min_accuracy=settings.min_accuracy, min_improvement=settings.min_improvement)
    verdict = Verdict(
        may_push=all(rule.passed for rule in rules),
        rules=rules,
        model_digest=model.digest,
        clips_digest=clips.digest,
        baseline_version=served.version if served else None,
        scores=_headline(test, settings.confidence),
    )
    scores = {"test": asdict(test), "train": asdict(train), "served": asdict(served) if served else None}
    finished = finish_evaluation(emptied(evaluation_dir), verdict=verdict, scores=scores)
    examples = [*worst_confusions(scored, clips.labels), *right_ones(scored, clips.labels)]
    write_page(
        page_path,
        Contents(
            verdict=verdict,
            test=test,
            train=train,
            served_accuracy=served.served_accuracy if isinstance(served, Comparison) else None,
            confidence=settings.confidence,
            labels=clips.labels,
            history=history,
            n_videos=_n_videos(rows, len(clips.labels)),
            n_clips=[clips.n_clips(split) for split in SPLITS],
            examples=examples,
            strips=strips_of(clips_dir, clips, "test", videos=[example.video for example in examples]),
            model=model,
        ),
    )
    return Evaluation(
        digest=finished.digest,
        metrics=_metrics(test, train),
        labels=list(clips.labels),
        confusion=[list(row) for row in test.confusion],
    )


def _check_fits(model: TrainedModel, clips: Clips) -> None:
    for what, has, wanted in (
        ("labels", sorted(model.labels), sorted(clips.labels)),
        ("clip geometry", model.geometry, clips.geometry),
    ):
        if has != wanted:
            raise StepError(
                f"The model's {what} are not those of the clips: {has}, expected {wanted}.",
                remedy="Give the clips that the model was trained on, or train a model on these.",
            )


def _served(
    task: _Task, baseline: Baseline, challenger: ScoredVideos, *, model_digest: str
) -> Comparison | Incomparable | None:
    accepted = baseline.accepted
    if accepted is None:
        return None
    if reason := why_incomparable(accepted, task.clips, model_digest=model_digest):
        return Incomparable(accepted.version, reason)
    try:
        classifier = load_classifier(baseline.folder / SAVED_MODEL_NAME)
        served = task.scored(in_order_of(task.clips.labels, classifier, accepted.labels), "test")
    except NotFiniteError:
        return Incomparable(accepted.version, "it answers some of these clips with NaN or infinity")
    differences = challenger.is_right.astype(int) - served.is_right.astype(int)
    return Comparison(
        version=accepted.version,
        served_accuracy=float(served.is_right.mean()),
        difference=float(differences.mean()),
        interval=interval_of_mean(differences, challenger.groups, **task.draws),
        same_preparation=accepted.preparation == task.clips.preparation,
    )


def _n_videos(rows: Sequence[dict[str, Any]], n_labels: int) -> list[list[int]]:
    videos = {(row["video"], row["label_index"], row["split"]) for row in rows}
    counts = [[0] * len(SPLITS) for _ in range(n_labels)]
    for _, label_index, split in videos:
        counts[label_index][SPLITS.index(split)] += 1
    return counts


def _headline(test: SplitScores, confidence: float) -> dict[str, Any]:
    return {
        "accuracy": test.accuracy,
        "accuracy_low": test.interval.low,
        "accuracy_high": test.interval.high,
        "confidence": confidence,
        "macro_f1": test.macro_f1,
        "n_videos": test.n_videos,
        "n_groups": test.n_groups,
    }


def _metrics(test: SplitScores, train: SplitScores) -> dict[str, float]:
    """Return what is known as a number: a KFP metric cannot be null."""
    found = {
        "accuracy": test.accuracy,
        "accuracy_low": test.interval.low,
        "accuracy_high": test.interval.high,
        "macro_f1": test.macro_f1,
        "n_test_videos": test.n_videos,
        "n_test_groups": test.n_groups,
        "train_accuracy": train.accuracy,
        "top_5_accuracy": test.top_5_accuracy,
    }
    return {name: float(value) for name, value in found.items() if value is not None}
