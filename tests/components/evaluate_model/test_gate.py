from dataclasses import replace

import numpy as np
import pytest

from components.contract.accepted import Accepted
from components.contract.clips import ClipGeometry, Clips
from components.evaluate_model.gate import Comparison, Incomparable, judge, why_incomparable
from components.evaluate_model.scores import Interval, ScoredVideos, scores_of

CLIPS = Clips(geometry=ClipGeometry(8, 64, 80), preparation={}, labels=("Bow", "Wave"), shards=(), digest="c")
ACCEPTED = Accepted(
    version=3,
    model="small",
    model_digest="m",
    clips_digest="c",
    statistics_digest="s",
    labels=CLIPS.labels,
    geometry=CLIPS.geometry,
    preparation={},
    verdict={},
    run_fingerprint="r",
    baseline_version=None,
    pushed_at="2026-01-01T00:00:00+00:00",
)


def right(n_right):
    """Scores of ten videos, `n_right` of them named rightly."""
    answers = np.eye(2)[[0] * n_right + [1] * (10 - n_right)]
    names = tuple("abcdefghij")
    scored = ScoredVideos(names, names, np.zeros(10, np.int64), answers, n_clips=10)
    return scores_of(scored, labels=CLIPS.labels, confidence=0.95, n_bootstrap=50, seed=1)


def served(difference, *, same_preparation=True):
    return Comparison(3, 0.8 - difference, difference, Interval(-0.1, 0.3, 10), same_preparation)


UNLIKE = Incomparable(3, "it knows other classes")


@pytest.mark.parametrize(
    ("champion", "min_accuracy", "min_improvement", "passed", "says"),
    [
        pytest.param(None, 0.0, 0.0, (True, True), "No model is served yet", id="no champion"),
        pytest.param(UNLIKE, 0.0, 0.5, (True, True), "3 cannot be compared: it knows other", id="incomparable"),
        pytest.param(served(-0.1), 0.0, 0.0, (True, False), "-10.0 points", id="worse"),
        pytest.param(served(-0.1), 0.0, -0.2, (True, True), "-20.0 points", id="worse, within what is allowed"),
        pytest.param(served(0.0), 0.0, 0.0, (True, False), "not enough", id="equal"),
        pytest.param(served(0.1), 0.0, 0.0, (True, True), "between -10.0 and +30.0", id="better"),
        pytest.param(served(0.1), 0.0, 0.2, (True, False), "more than 20.0 points", id="better by too little"),
        pytest.param(served(0.1, same_preparation=False), 0.0, 0.0, (True, True), "in another way", id="other frames"),
        pytest.param(served(0.1), 0.8, 0.0, (True, True), "at least the 80.0% asked for", id="accuracy just reached"),
        pytest.param(served(0.1), 0.9, 0.0, (False, True), "below the 90.0% asked for", id="accuracy too low"),
        pytest.param(None, 0.9, 0.0, (False, True), "below the 90.0% asked for", id="accuracy too low, no champion"),
        pytest.param(UNLIKE, 0.9, 0.0, (False, True), "cannot be compared", id="accuracy too low, incomparable"),
        pytest.param(served(-0.1), 0.9, 0.0, (False, False), "below the 90.0%", id="both too low"),
    ],
)
def test_each_rule_passes_or_not_and_says_why(champion, min_accuracy, min_improvement, passed, says):
    rules = judge(right(8), served=champion, min_accuracy=min_accuracy, min_improvement=min_improvement)

    assert [rule.name for rule in rules] == ["min_accuracy", "min_improvement"]
    assert tuple(rule.passed for rule in rules) == passed
    assert says in " ".join(rule.sentence for rule in rules)


@pytest.mark.parametrize(
    ("other", "says"),
    [
        ({"labels": ("Bow", "Wave", "Run")}, "knows 3 classes, these clips have 2"),
        ({"labels": ("Wave", "Run")}, "not the same"),
        ({"geometry": ClipGeometry(16, 64, 80)}, "takes clips of 16x64x80, these are 8x64x80"),
        ({"geometry": ClipGeometry(8, 80, 64)}, "takes clips of 8x80x64"),
    ],
    ids=["more labels", "other labels", "more frames", "height and width swapped"],
)
def test_a_served_model_for_other_clips_cannot_be_compared(other, says):
    assert says in why_incomparable(replace(ACCEPTED, **other), CLIPS, model_digest="new")


def test_a_served_model_for_clips_prepared_otherwise_can_be_compared():
    assert why_incomparable(replace(ACCEPTED, preparation={"resize": "pad"}), CLIPS, model_digest="new") is None


def test_the_served_model_itself_is_no_challenger():
    assert why_incomparable(ACCEPTED, CLIPS, model_digest=ACCEPTED.model_digest) == "it is this very model"
