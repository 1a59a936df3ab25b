"""The gate: which rules decide whether a model may be pushed, and what each found."""

from collections.abc import Sequence
from dataclasses import dataclass

from components.contract.accepted import Accepted
from components.contract.model import TrainedModel
from components.contract.verdict import Rule
from components.evaluate_model.scores import Interval, ScoredVideos, SplitScores

FEWEST_VIDEOS_OF_A_CLASS = 10


@dataclass(frozen=True)
class Comparison:
    """The model against the served one, on the same test videos.

    Attributes:
        version: The served version.
        served_accuracy: Its accuracy.
        difference: Accuracy of the model minus that of the served one.
        interval: Of the difference, paired: each drawn group counts for both.
        p_value: Of the paired test that the model is no better; see `scores.paired_p_value`.
        worst_drop: The class whose recall fell most, and by how much, among those with enough test videos; None where
            no class has enough.
        same_preparation: Whether the served model was trained on frames chosen and resized as these are.
    """

    version: int
    served_accuracy: float
    difference: float
    interval: Interval
    p_value: float
    worst_drop: tuple[str, float] | None
    same_preparation: bool


@dataclass(frozen=True)
class Incomparable:
    """A served model with which a comparison would mean nothing, and why."""

    version: int
    reason: str


def why_incomparable(served: Accepted, model: TrainedModel) -> str | None:
    """Say why comparing with the served model would mean nothing, or None where it means something.

    Other labels or another clip shape make another task; labels in another order are the same. The same model again is
    no challenger; its push does nothing.
    """
    if served.model_digest == model.digest:
        return "it is this very model"
    if set(served.labels) != set(model.labels):
        return f"it knows {len(served.labels)} classes, this one {len(model.labels)}, and they are not the same"
    if served.geometry != model.geometry:
        return f"it takes clips of {_shape(served.geometry.shape)}, these are {_shape(model.geometry.shape)}"
    return None


@dataclass(frozen=True)
class Demands:
    """What the gate asks for.

    Attributes:
        min_accuracy: Accuracy that the model must reach, 0 to 1.
        min_improvement: By how much it must exceed the served model's accuracy, -1 to 1.
        max_p_value: Above this the improvement may be chance, 0 to 1; 1 asks for no proof.
        max_class_drop: By how much the recall of a class may fall, 0 to 1.
    """

    min_accuracy: float = 0.0
    min_improvement: float = 0.0
    max_p_value: float = 1.0
    max_class_drop: float = 1.0


def judge(test: SplitScores, *, served: Comparison | Incomparable | None, demands: Demands) -> tuple[Rule, ...]:
    """Apply every rule of the gate.

    Args:
        test: Scores of the test split.
        served: What the comparison with the served model found, or None where no model is served.
        demands: What is asked for.
    """
    return (
        _accuracy_rule(test, demands.min_accuracy),
        _improvement_rule(served, demands.min_improvement),
        _chance_rule(served, demands.max_p_value),
        _class_rule(served, demands.max_class_drop),
    )


def _accuracy_rule(test: SplitScores, min_accuracy: float) -> Rule:
    passed = test.accuracy >= min_accuracy
    says = f"that is {'at least' if passed else 'below'} the {min_accuracy:.1%} asked for"
    return Rule(
        name="min_accuracy",
        passed=passed,
        found=test.accuracy,
        wanted=min_accuracy,
        sentence=f"It names {test.accuracy:.1%} of {test.n_videos:,} test videos rightly; "
        f"{says if min_accuracy else 'no least share is asked for'}.",
    )


def _improvement_rule(served: Comparison | Incomparable | None, min_improvement: float) -> Rule:
    """Pass a model that beats the served one by more than `min_improvement`.

    An equal model is refused even where `min_improvement` is 0: to replace what is served costs users a change, and
    gains them nothing.
    """
    name = "min_improvement"
    if not isinstance(served, Comparison):
        return _without_comparison(name, served)
    passed = served.difference > min_improvement
    return Rule(
        name,
        passed,
        served.difference,
        min_improvement,
        f"{_difference(served)}; {'enough' if passed else 'not enough'}: "
        f"it must be better by more than {100 * min_improvement:.1f} points.{_caution(served)}",
    )


def _chance_rule(served: Comparison | Incomparable | None, max_p_value: float) -> Rule:
    name = "max_p_value"
    if not isinstance(served, Comparison):
        return _without_comparison(name, served)
    chance = f"Were the two equally good, a difference like this would come up with probability {served.p_value:.3g}"
    asked = "no proof is asked for" if max_p_value == 1 else f"at most {max_p_value:g} is asked for"
    return Rule(name, served.p_value <= max_p_value, served.p_value, max_p_value, f"{chance}; {asked}.")


def _class_rule(served: Comparison | Incomparable | None, max_class_drop: float) -> Rule:
    name = "max_class_drop"
    if not isinstance(served, Comparison):
        return _without_comparison(name, served)
    if served.worst_drop is None:
        few = f"No class has {FEWEST_VIDEOS_OF_A_CLASS} test videos, so its recall says too little to compare."
        return Rule(name, True, None, None, few)
    label, drop = served.worst_drop
    says = f"The recall of {label} changed most for the worse, by {-100 * drop:+.1f} points"
    limit = f"a fall of up to {100 * max_class_drop:.1f} points is allowed"
    return Rule(name, drop <= max_class_drop, drop, max_class_drop, f"{says}; {limit}.")


def _without_comparison(name: str, served: Incomparable | None) -> Rule:
    if served is None:
        return Rule(name, True, None, None, "No model is served yet, so there is none to beat.")
    found = f"The served version {served.version} cannot be compared: {served.reason}."
    return Rule(name, True, None, None, f"{found} The rule does not apply.")


def worst_drop(challenger: ScoredVideos, served: ScoredVideos, *, labels: Sequence[str]) -> tuple[str, float] | None:
    """Return the class whose recall fell most, and by how much; None where no class has enough test videos."""
    drops = []
    for index, label in enumerate(labels):
        of_class = challenger.true == index
        if of_class.sum() >= FEWEST_VIDEOS_OF_A_CLASS:
            drops.append((float(served.is_right[of_class].mean() - challenger.is_right[of_class].mean()), label))
    if not drops:
        return None
    drop, label = max(drops)
    return label, drop


def _difference(served: Comparison) -> str:
    low, high = served.interval.low, served.interval.high
    between = "" if low is None or high is None else f" (between {100 * low:+.1f} and {100 * high:+.1f})"
    return (
        f"The served version {served.version} names {served.served_accuracy:.1%} of the same videos rightly; "
        f"the difference is {100 * served.difference:+.1f} points{between}"
    )


def _caution(served: Comparison) -> str:
    if served.same_preparation:
        return ""
    return " The served model was trained on frames chosen or resized in another way, which may cost it some points."


def _shape(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape[:3]))
