import random
from collections import Counter, defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.contract.errors import StepError
from components.contract.videos import Split
from components.ingest_videos.listing import Candidate
from components.ingest_videos.splits import Shares, leak_of_random_split, split_of_groups, without_torn

SHARES = Shares(validation=0.15, test=0.15)

any_shares = st.builds(Shares, validation=st.floats(0, 0.45), test=st.floats(0, 0.45))
any_counts = st.builds(Shares, validation=st.integers(0, 3), test=st.integers(0, 3))


def video(label: str, group: str, *, clip: int = 0, split: Split | None = None) -> Candidate:
    return Candidate(name=f"{label}/{group}/{clip}.mp4", label=label, group=group, split=split)


def groups_of(label: str, numbers: set[int], *, split: Split | None = None) -> list[Candidate]:
    return [video(label, f"{label}/g{number:02d}", split=split) for number in sorted(numbers)]


@given(n=st.integers(3, 200), shares=any_shares | any_counts)
def test_no_class_is_missing_from_a_split_when_it_has_enough_groups(n: int, shares: Shares) -> None:
    splits = split_of_groups(groups_of("SitDown", set(range(n))), shares)

    assert set(splits.values()) == set(shares.splits)
    assert Counter(splits.values()) == {split: count for split, count in shares.counts(n).items() if count}


@given(n=st.integers(0, 500), shares=any_shares)
def test_the_counts_of_splits_sum_up_and_keep_their_shares(n: int, shares: Shares) -> None:
    counts = shares.counts(n)

    assert sum(counts.values()) == n
    assert min(counts.values()) >= 0
    assert abs(counts["test"] - n * shares.test) <= 1
    assert abs(counts["validation"] - n * shares.validation) <= 1


def test_a_number_of_groups_can_stand_for_a_share() -> None:
    splits = split_of_groups(groups_of("SitDown", set(range(25))), Shares(validation=2, test=7))

    assert Counter(splits.values()) == {"train": 16, "validation": 2, "test": 7}


@given(
    before=st.sets(st.integers(0, 99), min_size=1),
    removed=st.sets(st.integers(0, 99)),
    new=st.sets(st.integers(100, 199)),
    shares=any_shares | any_counts,
)
def test_what_was_assigned_stays_and_new_groups_fill_what_is_lacking(
    before: set[int], removed: set[int], new: set[int], shares: Shares
) -> None:
    assigned = split_of_groups(groups_of("SitDown", before), shares)
    now = groups_of("SitDown", (before - removed) | new)

    splits = split_of_groups(now, shares, previous=assigned)

    kept = {group for group in assigned if group in splits}
    assert all(splits[group] == assigned[group] for group in kept)
    assert len(new) < 3 or set(splits.values()) >= {split for split, n in shares.counts(len(splits)).items() if n}


def test_a_source_that_grows_group_by_group_ends_with_its_shares() -> None:
    splits: dict[str, Split] = {}
    for n in range(1, 41):
        splits = split_of_groups(groups_of("SitDown", set(range(n))), SHARES, previous=splits)

    assert Counter(splits.values()) == {"train": 28, "validation": 6, "test": 6}


@pytest.mark.parametrize("seed", range(20))
def test_groups_that_hold_across_classes_leave_no_class_without_a_split(seed: int) -> None:
    chance = random.Random(seed)
    candidates = [
        video(label, f"person{seed}-{number}") for number in range(12) for label in "ABCDEF" if chance.random() < 0.6
    ]

    splits = split_of_groups(candidates, SHARES)

    held: defaultdict[str, set[str]] = defaultdict(set)
    for candidate in candidates:
        held[candidate.label].add(splits[candidate.group])
    assert all(len(found) == 3 for found in held.values())


def test_people_who_do_every_action_are_split_as_one_class_would_be() -> None:
    candidates = [video(label, f"person{number:02d}") for number in range(20) for label in ("Run", "Sit", "Yodel")]

    splits = split_of_groups(candidates, SHARES)

    assert Counter(splits.values()) == {"train": 14, "validation": 3, "test": 3}


def test_what_the_source_says_stands_and_validation_is_carved_out_of_its_train_by_group() -> None:
    candidates = [
        video("SitDown", f"SitDown/g{group:02d}", clip=clip, split="test" if group <= 7 else "train")
        for group in range(1, 26)
        for clip in range(4)
    ]

    splits = split_of_groups(candidates, SHARES)

    assert {group for group, split in splits.items() if split == "test"} == {f"SitDown/g{n:02d}" for n in range(1, 8)}
    assert Counter(splits.values()) == {"test": 7, "train": 14, "validation": 4}


def test_a_source_with_all_splits_keeps_them() -> None:
    candidates = [
        *groups_of("SitDown", {1, 2}, split="train"),
        *groups_of("SitDown", {3}, split="validation"),
        *groups_of("SitDown", {4}, split="test"),
    ]

    splits = split_of_groups(candidates, SHARES)

    assert list(splits.values()) == ["train", "train", "validation", "test"]


def test_a_group_that_the_source_puts_into_two_splits_stays_in_the_stricter_one() -> None:
    torn = [
        video("SitDown", "SitDown/g01", clip=1, split="train"),
        video("SitDown", "SitDown/g01", clip=2, split="test"),
        video("SitDown", "SitDown/g02", clip=1, split="train"),
    ]

    kept, left_out = without_torn(torn)

    assert kept == torn[1:]
    assert left_out == torn[:1]
    assert split_of_groups(kept, Shares(validation=0, test=0.5)) == {"SitDown/g01": "test", "SitDown/g02": "train"}


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
    ("validation", "test", "message"),
    [
        (0.5, 0.5, "sum is below 1"),
        (-0.1, 0.2, "neither a share nor a number"),
        (0.2, 1.5, "neither a share nor a number"),
        (float("nan"), 0.1, "neither a share nor a number"),
        (0.1, float("inf"), "neither a share nor a number"),
    ],
)
def test_shares_that_are_none_or_leave_nothing_to_train_on_are_refused(
    validation: float, test: float, message: str
) -> None:
    with pytest.raises(StepError, match=message):
        Shares(validation=validation, test=test)


def test_a_random_split_leaks_what_group_sizes_make_it() -> None:
    assert leak_of_random_split([1, 1, 1], 0.7) == 0
    assert leak_of_random_split([2], 0.7) == pytest.approx(0.7)
    assert leak_of_random_split([3, 1], 0.5) == pytest.approx(3 / 4 * 0.75)
