import time
from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.contract.errors import StepError
from components.ingest_videos.groups import Grouping, grouped
from components.ingest_videos.listing import Listed


def contents(names: Sequence[str]) -> Mapping[str, str]:
    """Bytes follow from the last character before the suffix."""
    return {name: name[-5] for name in names}


def groups(listed: Sequence[Listed], grouping: Grouping) -> list[str]:
    return [candidate.group for candidate in grouped(listed, grouping, contents=contents).candidates]


def test_a_group_from_a_name_is_qualified_by_its_class() -> None:
    listed = [
        Listed(name="v_ApplyEyeMakeup_g01_c01.avi", label="ApplyEyeMakeup"),
        Listed(name="v_SitDown_g01_c01.avi", label="SitDown"),
        Listed(name="run/Film_3_run_f_cm_np2_fr_goo_0.avi", label="run"),
    ]

    assert groups(listed, Grouping()) == ["ApplyEyeMakeup/g01", "SitDown/g01", "run/Film_3"]


def test_a_group_from_a_column_holds_across_classes() -> None:
    listed = [
        Listed(name="v_Run_g01_c01.avi", label="Run", group="Ann"),
        Listed(name="b.avi", label="SitDown", group="Ann"),
    ]

    assert groups(listed, Grouping()) == groups(listed, Grouping(by="column")) == ["Ann", "Ann"]


def test_a_group_from_the_parent_folder_is_qualified_by_its_class() -> None:
    listed = [Listed(name=f"{label}/day1/x.mp4", label=label, folder="day1") for label in ("Run", "SitDown")]

    assert groups(listed, Grouping(by="folder")) == ["Run/day1", "SitDown/day1"]


def test_a_group_from_a_pattern_is_its_one_group() -> None:
    listed = [Listed(name=f"Run/ann-{number}.mp4", label="Run") for number in range(3)]

    assert groups(listed, Grouping(pattern=r"/(\w+)-\d")) == ["Run/ann"] * 3


def test_where_nothing_tells_a_group_equal_bytes_stay_together_across_classes_and_are_counted() -> None:
    listed = [Listed(name=name, label=name[0]) for name in ("R/xA.mp4", "S/yA.mp4", "S/zB.mp4")]

    found = grouped(listed, Grouping(), contents=contents)

    assert [candidate.group for candidate in found.candidates] == ["content/A", "content/A", "content/B"]
    assert found.n_unknown == 3


def test_a_name_that_the_pattern_does_not_match_is_grouped_by_its_bytes() -> None:
    listed = [Listed(name="Run/ann-1.mp4", label="Run"), Listed(name="Run/2.mp4", label="Run")]

    found = grouped(listed, Grouping(by="pattern", pattern=r"(ann)"), contents=contents)

    assert [candidate.group for candidate in found.candidates] == ["Run/ann", "content/2"]
    assert found.n_unknown == 1


def test_equal_bytes_are_one_group_even_where_names_are_known(monkeypatch: pytest.MonkeyPatch) -> None:
    listed = [Listed(name="v_SitDown_g01_c01.avi", label="SitDown")]

    assert groups(listed, Grouping(by="content")) == ["content/1"]


@pytest.mark.parametrize(
    ("by", "pattern", "message"),
    [
        ("colour", "", "Choose among auto, column, name"),
        ("pattern", "", "Give group_pattern"),
        ("folder", "(a)", "Give one of the two"),
        ("auto", "(a", "is no regular expression"),
        ("auto", "a", "has 0 groups in parentheses"),
        ("auto", "(a)(b)", "has 2 groups in parentheses"),
        ("auto", "(" + "a" * 600 + ")", "500 are allowed"),
        ("auto", "(a{99999999999})", "is no regular expression"),
    ],
)
def test_a_grouping_that_cannot_be_is_refused_with_the_remedy(by: str, pattern: str, message: str) -> None:
    with pytest.raises(StepError, match=message):
        Grouping(by=by, pattern=pattern)


def test_a_pattern_that_backtracks_without_end_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("components.ingest_videos.groups._PATTERN_LIMIT_S", 0.5)
    listed = [Listed(name="a" * 60 + "!", label="Run")]
    started = time.monotonic()

    with pytest.raises(StepError, match="took more than"):
        grouped(listed, Grouping(pattern="^((?:a+)+)$"), contents=contents)

    assert time.monotonic() - started < 5


@given(pattern=st.text(max_size=20))
def test_any_text_as_a_pattern_is_taken_or_refused(pattern: str) -> None:
    try:
        grouping = Grouping(pattern=pattern)
    except StepError:
        return

    assert grouping.pattern == pattern
