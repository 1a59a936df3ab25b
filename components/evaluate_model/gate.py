"""The gate: which rules decide whether a model may be pushed, and what each found."""

from dataclasses import dataclass

from components.contract.accepted import Accepted
from components.contract.clips import Clips
from components.contract.verdict import Rule
from components.evaluate_model.scores import Interval, SplitScores


@dataclass(frozen=True)
class Comparison:
    """The model against the served one, on the same test videos.

    Attributes:
        version: The served version.
        served_accuracy: Its accuracy.
        difference: Accuracy of the model minus that of the served one.
        interval: Of the difference, paired: each drawn group counts for both.
        same_preparation: Whether the served model was trained on frames chosen and resized as these are.
    """

    version: int
    served_accuracy: float
    difference: float
    interval: Interval
    same_preparation: bool


@dataclass(frozen=True)
class Incomparable:
    """A served model with which a comparison would mean nothing, and why."""

    version: int
    reason: str


def why_incomparable(served: Accepted, clips: Clips, *, model_digest: str) -> str | None:
    """Say why comparing with the served model would mean nothing, or None where it means something.

    Other labels or another clip shape make another task. The same model again is no challenger; its push does nothing.
    """
    if served.model_digest == model_digest:
        return "it is this very model"
    if sorted(served.labels) != sorted(clips.labels):
        return f"it knows {len(served.labels)} classes, these clips have {len(clips.labels)}, and they are not the same"
    if served.geometry != clips.geometry:
        return f"it takes clips of {_shape(served.geometry.shape)}, these are {_shape(clips.geometry.shape)}"
    return None


def judge(
    test: SplitScores,
    *,
    served: Comparison | Incomparable | None,
    min_accuracy: float,
    min_improvement: float,
) -> tuple[Rule, ...]:
    """Apply every rule of the gate.

    Args:
        test: Scores of the test split.
        served: What the comparison with the served model found, or None where no model is served.
        min_accuracy: Accuracy that the model must reach.
        min_improvement: By how much it must exceed the served model's accuracy.
    """
    return (_accuracy_rule(test, min_accuracy), _improvement_rule(served, min_improvement))


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
    if served is None:
        return Rule(name, True, None, None, "No model is served yet, so there is none to beat.")
    if isinstance(served, Incomparable):
        found = f"The served version {served.version} cannot be compared: {served.reason}."
        return Rule(name, True, None, None, f"{found} The rule does not apply.")
    passed = served.difference > min_improvement
    return Rule(
        name,
        passed,
        served.difference,
        min_improvement,
        f"{_difference(served)}; {'enough' if passed else 'not enough'}: "
        f"it must be better by more than {100 * min_improvement:.1f} points.{_caution(served)}",
    )


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
