import pytest

from components.contract.clips import Reject
from components.contract.errors import StepError
from components.contract.videos import Video
from components.extract_frames.accounts import check_enough


def videos(**n_per_class: int) -> list[Video]:
    return [
        Video(f"{label}_{number}.avi", f"/x/{label}_{number}.avi", label, f"{label}/{number}", "train", 1, "0" * 64)
        for label, n in n_per_class.items()
        for number in range(n)
    ]


def rejects(**n_per_class: int) -> list[Reject]:
    return [
        Reject(video.name, video.uri, video.label, "train", "empty", "The file has no bytes.")
        for video in videos(**n_per_class)
    ]


def test_too_many_rejects_in_one_class_stop_the_step_and_name_it() -> None:
    with pytest.raises(StepError, match=r"3 of 10 videos of the class 'Rare'.*empty: 3.*Rare_0\.avi"):
        check_enough(videos(Common=90, Rare=10), rejects=rejects(Rare=3, Common=2), max_rejected_fraction=0.1)


def test_too_many_rejects_overall_name_the_worst_class() -> None:
    with pytest.raises(StepError, match=r"20 of 100 videos, worst in the class 'Rare' with 5 of 10"):
        check_enough(videos(Common=90, Rare=10), rejects=rejects(Rare=5, Common=15), max_rejected_fraction=0.1)


@pytest.mark.parametrize(("n_rare", "lost", "fraction"), [(5, 1, 0.1), (10, 1, 0.1), (10, 5, 0.5), (3, 0, 0.0)])
def test_a_class_may_lose_what_the_fraction_allows_and_one_video_however_small_it_is(
    n_rare: int, lost: int, fraction: float
) -> None:
    check_enough(videos(Common=90, Rare=n_rare), rejects=rejects(Rare=lost), max_rejected_fraction=fraction)


@pytest.mark.parametrize(("n_rare", "lost", "fraction"), [(1, 1, 0.1), (5, 5, 1.0), (10, 1, 0.0)])
def test_a_class_may_not_lose_all_its_videos_nor_any_where_none_may_be_lost(
    n_rare: int, lost: int, fraction: float
) -> None:
    with pytest.raises(StepError, match="gave no clip"):
        check_enough(videos(Common=90, Rare=n_rare), rejects=rejects(Rare=lost), max_rejected_fraction=fraction)
