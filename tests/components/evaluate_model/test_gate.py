from dataclasses import replace

import numpy as np
import pytest

from components.contract.accepted import Accepted
from components.contract.clips import ClipGeometry
from components.contract.model import TrainedModel
from components.evaluate_model.gate import Comparison, Demands, Incomparable, judge, why_incomparable, worst_drop
from components.evaluate_model.scores import Interval, ScoredVideos, scores_of

MODEL = TrainedModel("small", ClipGeometry(8, 64, 80), {}, ("Bow", "Wave"), 10, {}, digest="new")
ACCEPTED = Accepted(
    version=3,
    model="small",
    model_digest="m",
    clips_digest="c",
    statistics_digest="s",
    labels=MODEL.labels,
    geometry=MODEL.geometry,
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
    return scores_of(scored, labels=MODEL.labels, confidence=0.95, n_bootstrap=50, seed=1)


def served(difference, *, same_preparation=True, p_value=0.2, drop=("Bow", 0.1)):
    return Comparison(3, 0.8 - difference, difference, Interval(-0.1, 0.3, 10), p_value, drop, same_preparation)


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
    rules = judge(right(8), served=champion, demands=Demands(min_accuracy, min_improvement))

    assert [rule.name for rule in rules] == ["min_accuracy", "min_improvement", "max_p_value", "max_class_drop"]
    assert tuple(rule.passed for rule in rules) == (*passed, True, True)
    assert says in " ".join(rule.sentence for rule in rules)


@pytest.mark.parametrize(
    ("other", "says"),
    [
        ({"labels": ("Bow", "Wave", "Run")}, "knows 3 classes, this one 2"),
        ({"labels": ("Wave", "Run")}, "not the same"),
        ({"geometry": ClipGeometry(16, 64, 80)}, "takes clips of 16x64x80, these are 8x64x80"),
        ({"geometry": ClipGeometry(8, 80, 64)}, "takes clips of 8x80x64"),
    ],
    ids=["more labels", "another class", "more frames", "height and width swapped"],
)
def test_a_served_model_for_other_clips_cannot_be_compared(other, says):
    assert says in why_incomparable(replace(ACCEPTED, **other), MODEL)


def test_a_served_model_for_clips_prepared_otherwise_can_be_compared():
    assert why_incomparable(replace(ACCEPTED, preparation={"resize": "pad"}), MODEL) is None


def test_the_served_model_itself_is_no_challenger():
    assert why_incomparable(ACCEPTED, replace(MODEL, digest=ACCEPTED.model_digest)) == "it is this very model"


def test_a_served_model_whose_labels_come_in_another_order_can_be_compared():
    assert why_incomparable(replace(ACCEPTED, labels=("Wave", "Bow")), MODEL) is None


@pytest.mark.parametrize(
    ("demands", "refused", "says"),
    [
        (Demands(max_p_value=0.05), ["max_p_value"], "with probability 0.2; at most 0.05 is asked for"),
        (Demands(max_class_drop=0.05), ["max_class_drop"], "Bow changed most for the worse, by -10.0 points"),
        (Demands(max_p_value=0.2, max_class_drop=0.1), [], "up to 10.0 points is allowed"),
    ],
    ids=["may be chance", "a class fell", "both just reached"],
)
def test_chance_and_a_class_that_falls_are_refused_where_asked(demands, refused, says):
    rules = judge(right(8), served=served(0.1), demands=demands)

    assert [rule.name for rule in rules if not rule.passed] == refused
    assert says in " ".join(rule.sentence for rule in rules)


def test_classes_of_few_test_videos_say_nothing_about_a_drop():
    names = tuple(map(str, range(14)))
    true = np.array([0] * 5 + [1] * 9)
    wrong = ScoredVideos(names, names, true, np.eye(2)[1 - true], n_clips=14)
    right_ones = ScoredVideos(names, names, true, np.eye(2)[true], n_clips=14)

    assert worst_drop(wrong, right_ones, labels=MODEL.labels) is None
    rules = judge(right(8), served=served(0.1, drop=None), demands=Demands())
    assert rules[3].passed
    assert "says too little to compare" in rules[3].sentence
