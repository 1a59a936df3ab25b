import numpy as np
import pytest

from components.contract.errors import StepError
from components.evaluate_model.scores import (
    ScoredVideos,
    averaged_over_clips,
    class_scores,
    confusion_matrix,
    interval_of_mean,
    scores_of,
)
from components.evaluate_model.scoring import in_order_of

DRAWS = {"confidence": 0.95, "n_bootstrap": 2000, "seed": 1}


def test_clips_of_a_video_are_averaged_and_truth_stays_with_its_video():
    probabilities = np.array([[0.9, 0.1], [0.2, 0.8], [0.0, 1.0]], np.float32)

    scored = averaged_over_clips(
        probabilities, np.array([0, 1, 0], np.int32), ["b", "a", "b"], group_of={"a": "g1", "b": "g2"}
    )

    assert scored.videos == ("a", "b")
    assert scored.groups == ("g1", "g2")
    assert scored.true.tolist() == [1, 0]
    np.testing.assert_allclose(scored.probabilities, [[0.2, 0.8], [0.45, 0.55]], rtol=1e-6)
    assert scored.is_right.tolist() == [True, False]


def test_an_answer_that_is_not_a_number_is_refused():
    probabilities = np.array([[0.5, 0.5], [np.nan, 0.5]], np.float32)

    with pytest.raises(StepError, match="1 of 2 clips with NaN"):
        averaged_over_clips(probabilities, np.zeros(2, np.int32), ["a", "b"], group_of={"a": "g", "b": "g"})


def test_rows_of_the_matrix_are_true_and_a_class_never_given_has_no_precision():
    confusion = confusion_matrix(np.array([0, 0, 1, 2]), np.array([0, 1, 1, 1]), n_classes=3)

    scores = class_scores(confusion, labels=["a", "b", "c"])

    assert confusion.tolist() == [[1, 1, 0], [0, 1, 0], [0, 1, 0]]
    assert (scores[0].precision, scores[0].recall) == (1.0, 0.5)
    assert (scores[1].precision, scores[1].recall, scores[1].f1) == (1 / 3, 1.0, 0.5)
    assert (scores[2].precision, scores[2].recall, scores[2].f1) == (None, 0.0, 0.0)


def test_the_interval_is_the_same_each_time_covers_the_mean_and_shrinks_with_more_groups():
    def interval(n_groups):
        groups = [f"g{index}" for index in range(n_groups) for _ in range(5)]
        right = np.arange(len(groups)) % 4 != 0
        return right.mean(), interval_of_mean(right, groups, **DRAWS)

    mean, few = interval(10)
    _, many = interval(200)

    assert interval(10)[1] == few
    assert few.low < mean < few.high
    assert many.high - many.low < few.high - few.low


def test_the_interval_covers_the_truth_about_as_often_as_it_says():
    rng = np.random.default_rng(7)
    groups = [f"g{index}" for index in range(40) for _ in range(5)]

    covered = 0
    for _ in range(200):
        share = np.repeat(rng.beta(8, 2, size=40), 5)
        interval = interval_of_mean(rng.random(200) < share, groups, confidence=0.95, n_bootstrap=300, seed=1)
        covered += interval.low <= 0.8 <= interval.high

    assert 0.88 <= covered / 200 <= 0.99


def test_one_group_has_no_interval_and_says_why():
    interval = interval_of_mean(np.array([True, False]), ["g", "g"], **DRAWS)

    assert (interval.low, interval.high) == (None, None)
    assert "one group" in interval.remark


def test_a_perfect_score_says_what_resampling_cannot_show():
    scored = ScoredVideos(tuple("abcdef"), tuple("uvwxyz"), np.arange(6), np.eye(6), n_clips=6)

    scores = scores_of(scored, labels=list("abcdef"), **DRAWS)

    assert (scores.accuracy, scores.top_5_accuracy, scores.macro_f1) == (1.0, 1.0, 1.0)
    assert "39%" in scores.interval.remark


def test_a_models_own_order_of_labels_is_mapped_by_name():
    answers = np.array([[0.7, 0.2, 0.1]], np.float32)

    classify = in_order_of(("a", "b", "c"), lambda frames: answers, ("b", "c", "a"))

    np.testing.assert_allclose(classify(np.zeros((1, 2, 3, 4, 3), np.uint8)), [[0.1, 0.7, 0.2]], rtol=1e-6)
