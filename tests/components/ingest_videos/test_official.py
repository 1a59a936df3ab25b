import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.contract.errors import StepError
from components.ingest_videos.listing import Listed
from components.ingest_videos.names import label_order
from components.ingest_videos.official import officially_split


def listed(label: str, name: str) -> Listed:
    return Listed(name=name, label=label)


def test_lists_of_ucf101_are_read_with_their_carriage_returns_and_indices() -> None:
    texts = {
        "trainlist02.txt": "Archery/v_Archery_g08_c01.avi 3\r\nArchery/v_Archery_g09_c01.avi 3\r\n",
        "testlist02.txt": "Archery/v_Archery_g01_c01.avi\r\n",
        "trainlist01.txt": "Archery/v_Archery_g01_c01.avi 3\r\n",
    }
    videos = [listed("Archery", f"v_Archery_g{group:02d}_c01.avi") for group in (1, 8, 9, 25)]

    split = officially_split(videos, texts, number=2)

    assert [video.split for video in split.listed] == ["test", "train", "train"]
    assert (split.n_unlisted, split.n_absent) == (1, 0)


def test_hand_stand_pushups_are_found_though_lists_and_files_write_them_otherwise() -> None:
    texts = {
        "trainlist01.txt": "HandstandPushups/v_HandStandPushups_g08_c01.avi 37\r\n",
        "testlist01.txt": "HandStandPushups/v_HandStandPushups_g01_c01.avi\r\n",
    }
    videos = [listed("HandstandPushups", f"v_HandstandPushups_g{group}_c01.avi") for group in ("01", "08")]

    split = officially_split(videos, texts, number=1)

    assert [video.split for video in split.listed] == ["test", "train"]
    assert split.n_absent == 0


def test_lists_of_hmdb51_name_train_test_and_neither_by_a_number() -> None:
    texts = {
        "brush_hair_test_split1.txt": "a.avi 1 \nb.avi 2 \nc.avi 0 \n",
        "brush_hair_test_split2.txt": "a.avi 2 \nb.avi 1 \nc.avi 0 \n",
        "run_test_split1.txt": "a.avi 2 \r\n",
    }
    videos = [listed("brush_hair", f"brush_hair/{name}.avi") for name in "abc"] + [listed("run", "run/a.avi")]

    split = officially_split(videos, texts, number=1)

    assert [(video.label, video.split) for video in split.listed] == [
        ("brush_hair", "train"),
        ("brush_hair", "test"),
        ("run", "test"),
    ]


def test_rows_without_a_video_are_counted_only_for_the_classes_that_are_asked_for() -> None:
    texts = {"trainlist01.txt": "A/x.avi 1\nA/y.avi 1\nB/z.avi 2\n", "testlist01.txt": ""}

    split = officially_split([listed("A", "A/x.avi")], texts, number=1)

    assert split.n_absent == 1


def test_labels_have_the_order_of_the_published_class_index() -> None:
    published = ["HammerThrow", "Hammering", "JumpRope", "JumpingJack", "HandstandPushups", "HandstandWalking"]

    ordered = sorted(published, key=label_order)

    # Numbers 35 to 38 and 47, 48 of classInd.txt; a plain sort swaps both pairs.
    assert ordered == ["Hammering", "HammerThrow", "HandstandPushups", "HandstandWalking", "JumpingJack", "JumpRope"]
    assert ordered != sorted(published)


@given(
    train=st.text(),
    test=st.text(),
    line=st.text(alphabet="a/b .avi\\\0\r\n0129", max_size=60),
)
def test_any_text_as_a_list_is_read_or_refused_and_invents_no_video(train: str, test: str, line: str) -> None:
    videos = [listed("a", "a/b.avi"), listed("a", "a/a.avi")]
    for texts in (
        {"trainlist01.txt": train + line, "testlist01.txt": test + line},
        {"a_test_split1.txt": line + train, "b_test_split1.txt": test},
    ):
        try:
            split = officially_split(videos, texts, number=1)
        except StepError:
            continue

        assert {video.name for video in split.listed} <= {"a/b.avi", "a/a.avi"}
        assert all(video.split in ("train", "test") for video in split.listed)


def test_lists_that_are_missing_are_named() -> None:
    with pytest.raises(StepError, match=r"trainlist03\.txt and testlist03\.txt"):
        officially_split([listed("A", "A/x.avi")], {"trainlist01.txt": "", "testlist01.txt": ""}, number=3)
