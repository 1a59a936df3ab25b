"""Which frames make a clip: by number, by time, one clip or several."""

import itertools

import pytest

from components.contract.errors import StepError
from components.video.preparation import (
    Preparation,
    as_stored,
    checked_preparation,
    chosen_frames,
    stored_preparation,
)
from components.video.sampling import Timeline

EVEN = Timeline([number / 25 for number in range(100)], 4.0)
# A second at 25 frames per second, then five seconds at one.
VARYING = Timeline([*(number / 25 for number in range(25)), 1.0, 2.0, 3.0, 4.0, 5.0], 6.0)


def preparation(**values: object) -> Preparation:
    return checked_preparation(**{"sampling": "evenly_spaced", "frame_step": None, "resize": "crop", **values})  # type: ignore[arg-type]


def test_target_fps_takes_frames_at_that_rate_whatever_the_video_has() -> None:
    at_five = preparation(sampling="target_fps", target_fps=5.0)
    fast = Timeline([number / 50 for number in range(200)], 4.0)

    [from_25], [from_50] = (chosen_frames(timeline, n_frames=8, preparation=at_five) for timeline in (EVEN, fast))

    assert {after - before for before, after in itertools.pairwise(from_25)} == {5}
    assert {after - before for before, after in itertools.pairwise(from_50)} == {10}


def test_a_target_rate_above_the_videos_repeats_frames() -> None:
    [clip] = chosen_frames(EVEN, n_frames=6, preparation=preparation(sampling="target_fps", target_fps=50.0))

    assert len(set(clip)) in (3, 4)
    assert list(clip) == sorted(clip)


def test_a_variable_frame_rate_is_sampled_by_time() -> None:
    [clip] = chosen_frames(VARYING, n_frames=6, preparation=preparation())
    [at_rate] = chosen_frames(VARYING, n_frames=5, preparation=preparation(sampling="target_fps", target_fps=1.0))

    assert [VARYING.starts_s[number] for number in clip[1:]] == [1.0, 2.0, 3.0, 4.0, 5.0]
    assert [VARYING.starts_s[number] for number in at_rate[1:]] in ([1.0, 2.0, 3.0, 4.0], [2.0, 3.0, 4.0, 5.0])


def test_jitter_of_time_stamps_changes_no_choice() -> None:
    rounded = Timeline([round(number / 30, 3) for number in range(90)], 3.0)

    assert [rounded.shown_at(tick) for tick in range(90)] == list(range(90))


def test_evenly_spaced_clips_each_see_all_of_the_video_at_other_moments() -> None:
    clips = chosen_frames(EVEN, n_frames=5, preparation=preparation(clips_per_video=4))

    assert len({number for clip in clips for number in clip}) == 20
    assert all(clip[0] < 20 and clip[-1] >= 80 for clip in clips)


def test_dense_clips_are_spread_from_the_start_of_the_video_to_its_end() -> None:
    dense = preparation(sampling="fixed_step", frame_step=2, clips_per_video=3)

    clips = chosen_frames(EVEN, n_frames=10, preparation=dense)

    assert [(clip[0], clip[-1]) for clip in clips] == [(0, 18), (40, 58), (81, 99)]


@pytest.mark.parametrize("n_frames", [1, 2, 7])
@pytest.mark.parametrize("n_video_frames", [1, 2, 3, 9, 40])
@pytest.mark.parametrize(
    "values",
    [
        {},
        {"sampling": "fixed_step", "frame_step": 4},
        {"sampling": "target_fps", "target_fps": 3.0},
    ],
)
def test_every_video_gives_all_its_clips_in_order_and_inside_it(
    n_frames: int, n_video_frames: int, values: dict[str, object]
) -> None:
    timeline = Timeline([number / 25 for number in range(n_video_frames)], n_video_frames / 25)

    clips = chosen_frames(timeline, n_frames=n_frames, preparation=preparation(**values, clips_per_video=3))

    assert [len(clip) for clip in clips] == [n_frames] * 3
    assert all(list(clip) == sorted(clip) for clip in clips)
    assert {number for clip in clips for number in clip} <= set(range(n_video_frames))


def test_what_is_stored_with_clips_and_models_repeats_the_preparation() -> None:
    chosen = preparation(sampling="target_fps", target_fps=5.0, clips_per_video=3)

    assert stored_preparation(as_stored(chosen) | {"jpeg_quality": 90}) == chosen
    assert stored_preparation({"sampling": "fixed_step", "frame_step": 2, "resize": "pad"}).clips_per_video == 1


@pytest.mark.parametrize(
    "values",
    [
        {"sampling": "random"},
        {"sampling": "fixed_step", "frame_step": 0},
        {"sampling": "target_fps"},
        {"sampling": "target_fps", "target_fps": float("nan")},
        {"clips_per_video": 0},
        {"resize": "stretch"},
    ],
)
def test_a_preparation_that_cannot_be_is_refused_with_what_to_give(values: dict[str, object]) -> None:
    with pytest.raises(StepError) as caught:
        preparation(**values)

    assert caught.value.remedy.startswith("Give ")
