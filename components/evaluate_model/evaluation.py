"""One evaluation from folders to folders: score, compare with the served model, judge, write."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from components.contract.accepted import Accepted, Baseline, read_baseline
from components.contract.clips import Clips, read_clip_table, read_clips, read_rejects
from components.contract.errors import StepError
from components.contract.files import emptied
from components.contract.model import SAVED_MODEL_NAME, TrainedModel, read_model
from components.contract.verdict import Verdict, finish_evaluation
from components.contract.videos import SPLITS, Split
from components.evaluate_model.calibration import calibration_of
from components.evaluate_model.controls import Controls, frame_changes
from components.evaluate_model.examples import right_ones, worst_confusions
from components.evaluate_model.gate import (
    Comparison,
    Demands,
    Incomparable,
    judge,
    why_incomparable,
    worst_drop,
)
from components.evaluate_model.history import read_history
from components.evaluate_model.layers import read_layers
from components.evaluate_model.model_card import write_model_card
from components.evaluate_model.predictions import write_predictions
from components.evaluate_model.report import Contents, write_page
from components.evaluate_model.scores import (
    NotFiniteError,
    ScoredVideos,
    SplitScores,
    averaged_over_clips,
    interval_of_mean,
    paired_p_value,
    scores_of,
)
from components.evaluate_model.scoring import Contender, ScoredClips, scored_clips
from components.evaluate_model.slices import slices_of
from components.evaluate_model.thumbnails import strips_of
from components.serving.saved_model import load_classifier

_OURS, _SERVED = "model", "served"


@dataclass(frozen=True)
class Settings:
    """How to judge.

    Attributes:
        demands: What the gate asks for.
        confidence: Of the intervals, between 0 and 1.
        n_bootstrap: How often groups are drawn for an interval.
        batch_size: Clips scored at once.
        seed: Of the draws.
    """

    demands: Demands
    confidence: float
    n_bootstrap: int
    batch_size: int
    seed: int

    def __post_init__(self) -> None:
        """Refuse values that have no meaning."""
        limits = {
            "min_accuracy": (0 <= self.demands.min_accuracy <= 1, "from 0 to 1"),
            "min_improvement": (-1 <= self.demands.min_improvement <= 1, "from -1 to 1"),
            "max_p_value": (0 < self.demands.max_p_value <= 1, "above 0, up to 1"),
            "max_class_drop": (0 <= self.demands.max_class_drop <= 1, "from 0 to 1"),
            "confidence": (0 < self.confidence < 1, "between 0 and 1"),
            "n_bootstrap": (self.n_bootstrap >= 1, "at least 1"),
            "batch_size": (self.batch_size >= 1, "at least 1"),
            "seed": (self.seed >= 0, "at least 0"),
        }
        for name, (holds, wanted) in limits.items():
            if not holds:
                found = {**asdict(self), **asdict(self.demands)}[name]
                raise StepError(f"{name} is {found}; expected {wanted}.", remedy=f"Set {name} anew.")

    @property
    def draws(self) -> dict[str, Any]:
        """How intervals are drawn."""
        return {"confidence": self.confidence, "n_bootstrap": self.n_bootstrap, "seed": self.seed}


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
class Inputs:
    """What an evaluation reads, each folder with the digest that was promised.

    Attributes:
        clips: As extract_frames finished them.
        clips_digest: Of the clips.
        rejects: Videos that gave no clip.
        model: As train_model finished it.
        model_digest: Of the model.
        baseline: As find_baseline finished it.
        baseline_digest: Of the baseline.
    """

    clips: Path
    clips_digest: str
    rejects: Path
    model: Path
    model_digest: str
    baseline: Path
    baseline_digest: str


def evaluate(inputs: Inputs, *, evaluation_dir: Path, page_path: Path, settings: Settings) -> Evaluation:
    """Judge a model on the test split of some clips and write scores, verdict and page.

    Raises:
        StepError: If an input is not what was promised, if the model is for other clips, or if it answers NaN.
    """
    clips = read_clips(inputs.clips, digest=inputs.clips_digest)
    model = read_model(inputs.model, digest=inputs.model_digest)
    baseline = read_baseline(inputs.baseline, digest=inputs.baseline_digest)
    rejects = read_rejects(inputs.rejects)
    history, layers = read_history(inputs.model), read_layers(inputs.model)
    _check_fits(model, clips)
    rows = read_clip_table(inputs.clips).to_pylist()
    group_of = {row["video"]: row["group"] for row in rows}

    ours = Contender(load_classifier(inputs.model / SAVED_MODEL_NAME), model.labels)
    changes = frame_changes(clips.geometry.n_frames, seed=settings.seed)
    controls = {name: replace(ours, transform=change) for name, change in changes.items()}
    champion, incomparable = _champion(baseline, model)

    def answers(contenders: dict[str, Contender], split: Split) -> dict[str, ScoredClips]:
        return scored_clips(contenders, inputs.clips, clips, split, labels=model.labels, batch_size=settings.batch_size)

    def averaged(answer: ScoredClips) -> ScoredVideos:
        return averaged_over_clips(answer.probabilities, answer.label_index, answer.videos, group_of=group_of)

    answered = answers({_OURS: ours, **controls, **champion}, "test")
    scored, scored_train = averaged(answered[_OURS]), averaged(answers({_OURS: ours}, "train")[_OURS])
    test = scores_of(scored, labels=model.labels, **settings.draws)
    train = scores_of(scored_train, labels=model.labels, **settings.draws)
    served: Comparison | Incomparable | None = incomparable
    if baseline.accepted is not None and _SERVED in answered:
        try:
            served = _compared(
                baseline.accepted,
                scored,
                averaged(answered[_SERVED]),
                labels=model.labels,
                preparation=clips.preparation,
                settings=settings,
            )
        except NotFiniteError:
            served = Incomparable(baseline.accepted.version, "it answers some of these clips with NaN or infinity")
    rules = judge(test, served=served, demands=settings.demands)
    verdict = Verdict(
        may_push=all(rule.passed for rule in rules),
        rules=rules,
        model_digest=model.digest,
        clips_digest=clips.digest,
        baseline_version=served.version if served else None,
        scores=_headline(test, settings.confidence),
    )
    examples = [*worst_confusions(scored, model.labels), *right_ones(scored, model.labels)]
    accuracies = {name: float(averaged(answered[name]).is_right.mean()) for name in controls}
    contents = Contents(
        verdict=verdict,
        test=test,
        train=train,
        calibration=calibration_of(scored),
        slices=slices_of(scored, rows, **settings.draws),
        controls=Controls(test.accuracy, accuracies["still"], accuracies["shuffled"]) if accuracies else None,
        served_accuracy=served.served_accuracy if isinstance(served, Comparison) else None,
        confidence=settings.confidence,
        labels=model.labels,
        history=history,
        layers=layers,
        n_videos=_n_videos(rows, model.labels),
        n_clips=[clips.n_clips(split) for split in SPLITS],
        rejects=rejects,
        examples=examples,
        strips=strips_of(inputs.clips, clips, "test", videos=[example.video for example in examples]),
        model=model,
    )
    emptied(evaluation_dir)
    write_predictions(evaluation_dir, scored, labels=model.labels)
    write_model_card(evaluation_dir, contents)
    finished = finish_evaluation(evaluation_dir, verdict=verdict, scores=_as_scores(contents, served))
    write_page(page_path, contents)
    return Evaluation(
        digest=finished.digest,
        metrics=_metrics(contents),
        labels=list(model.labels),
        confusion=[list(row) for row in test.confusion],
    )


def _check_fits(model: TrainedModel, clips: Clips) -> None:
    """Refuse a model for other clips; it may know more labels than these, and in another order."""
    unknown = sorted(set(clips.labels) - set(model.labels))
    for what, has, wanted, fits in (
        ("labels", model.labels, clips.labels, not unknown),
        ("clip geometry", model.geometry, clips.geometry, model.geometry == clips.geometry),
    ):
        if not fits:
            raise StepError(
                f"The model's {what} are not those of the clips: {has}, expected {wanted}.",
                remedy="Give the clips that the model was trained on, or train a model on these.",
            )


def _champion(baseline: Baseline, model: TrainedModel) -> tuple[dict[str, Contender], Incomparable | None]:
    """Return the served model to ask, or why it cannot be compared; neither where none is served."""
    accepted = baseline.accepted
    if accepted is None:
        return {}, None
    if reason := why_incomparable(accepted, model):
        return {}, Incomparable(accepted.version, reason)
    return {_SERVED: Contender(load_classifier(baseline.folder / SAVED_MODEL_NAME), accepted.labels)}, None


def _compared(
    accepted: Accepted,
    challenger: ScoredVideos,
    served: ScoredVideos,
    *,
    labels: Sequence[str],
    preparation: dict[str, Any],
    settings: Settings,
) -> Comparison:
    differences = challenger.is_right.astype(int) - served.is_right.astype(int)
    n_draws, seed = settings.n_bootstrap, settings.seed
    return Comparison(
        version=accepted.version,
        served_accuracy=float(served.is_right.mean()),
        difference=float(differences.mean()),
        interval=interval_of_mean(differences, challenger.groups, **settings.draws),
        p_value=paired_p_value(differences, challenger.groups, n_draws=n_draws, seed=seed),
        worst_drop=worst_drop(challenger, served, labels=labels),
        same_preparation=accepted.preparation == preparation,
    )


def _n_videos(rows: Sequence[dict[str, Any]], labels: Sequence[str]) -> list[list[int]]:
    videos = {(row["video"], row["label"], row["split"]) for row in rows}
    counts = [[0] * len(SPLITS) for _ in labels]
    for _, label, split in videos:
        counts[labels.index(label)][SPLITS.index(split)] += 1
    return counts


def _as_scores(contents: Contents, served: Comparison | Incomparable | None) -> dict[str, Any]:
    return {
        "test": asdict(contents.test),
        "train": asdict(contents.train),
        "served": asdict(served) if served else None,
        "calibration": asdict(contents.calibration),
        "slices": [asdict(each) for each in contents.slices],
        "controls": asdict(contents.controls) if contents.controls else None,
    }


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


def _metrics(contents: Contents) -> dict[str, float]:
    """Return what is known as a number: a KFP metric cannot be null."""
    test, controls = contents.test, contents.controls
    found = {
        "accuracy": test.accuracy,
        "accuracy_low": test.interval.low,
        "accuracy_high": test.interval.high,
        "macro_f1": test.macro_f1,
        "n_test_videos": test.n_videos,
        "n_test_groups": test.n_groups,
        "train_accuracy": contents.train.accuracy,
        "top_5_accuracy": test.top_5_accuracy,
        "calibration_error": contents.calibration.ece,
        "still_accuracy": controls.still_accuracy if controls else None,
        "shuffled_accuracy": controls.shuffled_accuracy if controls else None,
    }
    return {name: float(value) for name, value in found.items() if value is not None}
