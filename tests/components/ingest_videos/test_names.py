import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.ingest_videos.addresses import scheme_of, shown, suffix_of
from components.ingest_videos.names import label_order, ucf_name


@given(
    label=st.from_regex(r"[A-Za-z0-9]{1,20}", fullmatch=True),
    group=st.integers(1, 99),
    clip=st.integers(1, 99),
    folder=st.sampled_from(["", "UCF101/", "UCF-101/"]),
)
def test_every_name_of_ucf101_is_understood(label: str, group: int, clip: int, folder: str) -> None:
    name = f"v_{label}_g{group:02d}_c{clip:02d}.avi"

    parsed = ucf_name(folder + name)

    assert parsed is not None
    assert (parsed.name, parsed.label, parsed.group) == (name, label, f"{label}/g{group:02d}")


@given(st.text())
def test_any_text_is_refused_or_gives_a_plain_name(text: str) -> None:
    parsed = ucf_name(text)

    assert parsed is None or re.fullmatch(r"[A-Za-z0-9_.]+", parsed.name)


@given(st.text(alphabet="v_SitDowng01c.avi/\\\0\n", max_size=40))
def test_text_close_to_a_name_never_gives_a_path(text: str) -> None:
    parsed = ucf_name(f"{text}v_SitDown_g01_c01.avi{text}")

    assert parsed is None or not set("/\\\0\n") & set(parsed.name)


@pytest.mark.parametrize(
    "path",
    [
        "../v_SitDown_g01_c01.avi",
        "/v_SitDown_g01_c01.avi",
        "UCF101/../../v_SitDown_g01_c01.avi",
        "UCF101\\v_SitDown_g01_c01.avi",
        "UCF101/v_SitDown_g01_c01.avi\n",
        "UCF101/v_SitDown_g01_c01.avi\0.txt",
        "UCF101/v_SitDown_g\u0660\u0661_c01.avi",
        "UCF101/v_../x_g01_c01.avi",
        "UCF101/v_SitDown_g01_c01.avi/",
        "__MACOSX/._v_SitDown_g01_c01.avi",
    ],
)
def test_a_hostile_name_is_refused(path: str) -> None:
    assert ucf_name(path) is None


def test_labels_stand_in_the_order_of_ucf101() -> None:
    labels = ["HammerThrow", "JumpRope", "Hammering", "JumpingJack"]

    ordered = sorted(labels, key=label_order)

    assert ordered == ["Hammering", "HammerThrow", "JumpingJack", "JumpRope"]


@pytest.mark.parametrize(
    ("source", "safe"),
    [
        ("https://user:pass@host.org/a/UCF101.zip?X-Signature=s#part", "https://host.org/a/UCF101.zip"),
        ("https://host.org?sig=s/x@y", "https://host.org"),
        ("http://host.org:8080/a.zip", "http://host.org:8080/a.zip"),
        ("/data/what?.zip", "/data/what?.zip"),
    ],
)
def test_an_address_is_shown_without_what_it_is_signed_with(source: str, safe: str) -> None:
    assert shown(source) == safe


def test_scheme_and_suffix_are_read_in_any_case() -> None:
    assert (scheme_of("HTTPS://host/A.ZIP?x"), suffix_of("HTTPS://host/A.ZIP?x.avi")) == ("https", ".zip")
    assert (scheme_of("/data/a.b/UCF"), suffix_of("/data/a.b/UCF")) == ("", "")
