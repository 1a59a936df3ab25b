from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.contract.errors import StepError
from components.ingest_videos.choosing import chosen_labels, chosen_videos
from components.ingest_videos.listing import Candidate
from components.ingest_videos.splits import Shares, split_of_groups

SHARES = Shares(validation=0.15, test=0.15)


def candidates_of(label: str, sizes: list[int]) -> list[Candidate]:
    return [
        Candidate(name=f"v_{label}_g{group:02d}_c{clip:02d}.avi", label=label, group=f"{label}/g{group:02d}")
        for group, size in enumerate(sizes, start=1)
        for clip in range(1, size + 1)
    ]


def chosen(candidates: list[Candidate], n: int) -> tuple[list[Candidate], Counter[str]]:
    splits = split_of_groups(candidates, SHARES)
    taken = chosen_videos(candidates, splits, videos_per_class=n)
    return taken, Counter(splits[candidate.group] for candidate in taken)


@given(sizes=st.lists(st.integers(1, 7), min_size=3, max_size=25), n=st.integers(3, 60))
def test_every_class_gives_what_was_asked_or_all_it_has_and_stays_in_every_split(sizes: list[int], n: int) -> None:
    candidates = candidates_of("SitDown", sizes)

    taken, per_split = chosen(candidates, n)

    assert len(taken) == len(set(taken)) == min(n, len(candidates))
    assert set(per_split) == {"train", "validation", "test"}


def test_a_choice_keeps_the_shares_and_takes_as_many_groups_as_it_can() -> None:
    taken, per_split = chosen(candidates_of("SitDown", [5] * 24), 20)

    assert per_split == {"train": 14, "validation": 3, "test": 3}
    assert len({candidate.group for candidate in taken}) == 20


def test_the_order_of_listing_changes_no_choice() -> None:
    candidates = candidates_of("SitDown", [5] * 9) + candidates_of("Archery", [4] * 9)

    assert chosen(candidates[::-1], 10) == chosen(candidates, 10)


def test_no_limit_takes_all() -> None:
    candidates = candidates_of("SitDown", [5] * 9)

    assert chosen(candidates, 0)[0] == candidates


def test_classes_come_in_the_order_of_labels_once_each() -> None:
    available = {"HammerThrow", "Hammering", "Archery"}

    assert chosen_labels((), available) == ("Archery", "Hammering", "HammerThrow")
    assert chosen_labels(("HammerThrow", "Archery", "HammerThrow"), available) == ("Archery", "HammerThrow")


@pytest.mark.parametrize(
    ("asked", "hint"),
    [("sitdown", "Did you mean SitDown"), ("SitDwon", "Did you mean SitDown"), ("Yodel", "among Archery, SitDown")],
)
def test_a_class_that_does_not_exist_is_refused_with_a_hint(asked: str, hint: str) -> None:
    with pytest.raises(StepError, match=hint):
        chosen_labels((asked,), {"SitDown", "Archery"})


def test_a_long_list_of_classes_is_shown_in_part() -> None:
    with pytest.raises(StepError, match="and 8 more"):
        chosen_labels(("?",), {f"Class{number:02d}" for number in range(20)})
