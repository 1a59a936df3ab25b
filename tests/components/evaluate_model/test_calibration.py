import numpy as np
import pytest

from components.evaluate_model.calibration import calibration_of
from components.evaluate_model.scores import ScoredVideos, paired_p_value
from components.evaluate_model.slices import slices_of


def answered(sure, right):
    """Videos answered so surely, rightly or not."""
    names = tuple(f"v{number:03}" for number in range(len(sure)))
    probabilities = np.stack([sure, 1 - np.asarray(sure)], axis=1)
    return ScoredVideos(names, names, np.where(right, 0, 1), probabilities, n_clips=len(sure))


def test_answers_as_sure_as_right_have_no_calibration_error():
    scored = answered([0.8] * 10, [True] * 8 + [False] * 2)

    calibration = calibration_of(scored)

    assert calibration.ece == pytest.approx(0)
    assert [(each.n_videos, each.accuracy) for each in calibration.bins] == [(10, 0.8)]


def test_calibration_error_is_the_mean_gap_weighted_by_videos():
    scored = answered([0.9] * 30 + [0.6] * 10, [True] * 15 + [False] * 15 + [True] * 10)

    assert calibration_of(scored).ece == pytest.approx((30 * abs(0.5 - 0.9) + 10 * abs(1 - 0.6)) / 40)


def test_certainty_of_one_falls_into_the_last_bin():
    assert calibration_of(answered([1.0], [True])).bins[0].high == 1.0


@pytest.mark.parametrize(
    ("wins", "losses", "low", "high"), [(10, 0, 0.0005, 0.01), (6, 5, 0.3, 0.7), (0, 8, 0.99, 1.0)]
)
def test_paired_test_agrees_with_the_sign_test(wins, losses, low, high):
    differences = np.array([1] * wins + [-1] * losses + [0] * 4)
    groups = [str(place) for place in range(len(differences))]

    p_value = paired_p_value(differences, groups, n_draws=20_000, seed=1)

    assert low <= p_value <= high


def test_videos_of_one_group_count_as_one_in_the_paired_test():
    assert paired_p_value(np.ones(50), ["one"] * 50, n_draws=1000, seed=1) > 0.4


def test_slices_are_thirds_of_what_is_measured_and_the_values_of_what_is_named():
    scored = answered([0.9] * 18, [True] * 12 + [False] * 6)
    rows = [
        {"video": name, "duration_s": float(place), "luma": 100.0, "motion": 1.0, "video_width": 320,
         "video_height": 240, "source": "ucf101" if place < 9 else "phone"}
        for place, name in enumerate(scored.videos)
    ]  # fmt: skip

    slices = slices_of(scored, rows, confidence=0.9, n_bootstrap=50, seed=1)

    assert [(each.by, each.name.split(",")[0], each.n_videos, each.accuracy) for each in slices] == [
        ("length", "short", 6, 1.0),
        ("length", "middling", 6, 1.0),
        ("length", "long", 6, 0.0),
        ("source", "phone", 9, pytest.approx(1 / 3)),
        ("source", "ucf101", 9, 1.0),
    ]
