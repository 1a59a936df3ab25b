from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.contract.errors import StepError
from components.ingest_videos.splits import Shares, leak_of_random_split, split_of_groups

SHARES = Shares(validation=0.15, test=0.15)

any_shares = st.builds(Shares, validation=st.floats(0, 0.45), test=st.floats(0, 0.45))


def groups_of(label: str, numbers: set[int]) -> list[tuple[str, str]]:
    return [(label, f"{label}/g{number:02d}") for number in numbers]


@given(n=st.integers(3, 200), shares=any_shares)
def test_from_three_groups_on_every_split_with_a_share_has_one(n: int, shares: Shares) -> None:
    splits = split_of_groups(groups_of("SitDown", set(range(n))), shares)

    assert set(splits.values()) == set(shares.splits)
    assert len(splits) == n


@given(n=st.integers(0, 500), shares=any_shares)
def test_the_counts_of_splits_sum_up_and_keep_their_shares(n: int, shares: Shares) -> None:
    counts = shares.counts(n)

    assert sum(counts.values()) == n
    assert min(counts.values()) >= 0
    assert abs(counts["test"] - n * shares.test) <= 1
    assert abs(counts["validation"] - n * shares.validation) <= 1


@given(numbers=st.sets(st.integers(0, 99), min_size=3), new=st.integers(100, 999))
def test_a_new_group_moves_at_most_one_group_across_each_border(numbers: set[int], new: int) -> None:
    before = split_of_groups(groups_of("SitDown", numbers), SHARES)

    after = split_of_groups(groups_of("SitDown", numbers | {new}), SHARES)

    moved = [(before[group], after[group]) for group in before if before[group] != after[group]]
    assert len(moved) <= 2
    assert all("train" in (old, now) for old, now in moved)


def test_most_new_groups_move_no_other_group() -> None:
    before = split_of_groups(groups_of("SitDown", set(range(24))), SHARES)

    unmoved = 0
    for new in range(100, 200):
        after = split_of_groups(groups_of("SitDown", {*range(24), new}), SHARES)
        unmoved += all(after[group] == split for group, split in before.items())

    assert unmoved >= 60


def test_more_videos_of_a_group_move_nothing() -> None:
    groups = groups_of("SitDown", set(range(9)))

    assert split_of_groups([*groups, *groups[:4], *groups[:1] * 50], SHARES) == split_of_groups(groups, SHARES)


def test_the_order_of_listing_moves_nothing() -> None:
    groups = groups_of("SitDown", set(range(9))) + groups_of("Archery", set(range(7)))

    assert split_of_groups(reversed(groups), SHARES) == split_of_groups(groups, SHARES)


def test_another_class_moves_nothing() -> None:
    alone = split_of_groups(groups_of("SitDown", set(range(9))), SHARES)

    both = split_of_groups(groups_of("SitDown", set(range(9))) + groups_of("Archery", set(range(7))), SHARES)

    assert both.items() >= alone.items()


def test_two_groups_are_trained_and_tested_on() -> None:
    splits = split_of_groups(groups_of("SitDown", {1, 2}), SHARES)

    assert Counter(splits.values()) == {"train": 1, "test": 1}


def test_a_lone_group_is_trained_on() -> None:
    assert split_of_groups(groups_of("SitDown", {1}), SHARES) == {"SitDown/g01": "train"}


@pytest.mark.parametrize(
    ("validation", "test"), [(0.5, 0.5), (-0.1, 0.2), (0.2, 1.0), (float("nan"), 0.1), (0.1, float("inf"))]
)
def test_fractions_that_leave_nothing_to_train_on_are_refused(validation: float, test: float) -> None:
    with pytest.raises(StepError, match="sum is below 1"):
        Shares(validation=validation, test=test)


def test_a_random_split_leaks_what_group_sizes_make_it() -> None:
    assert leak_of_random_split([1, 1, 1], 0.7) == 0
    assert leak_of_random_split([2], 0.7) == pytest.approx(0.7)
    assert leak_of_random_split([3, 1], 0.5) == pytest.approx(3 / 4 * 0.75)
