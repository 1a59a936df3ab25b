import zipfile
from pathlib import Path
from typing import Any

import pytest

from components.contract.videos import read_manifest
from components.ingest_videos.splits import Shares


def test_a_flat_folder_of_ucf_names_is_used_in_place(tmp_path: Path, archive: Path, run: Any) -> None:
    with zipfile.ZipFile(archive) as original:
        original.extractall(tmp_path)
    from_zip = run(archive, videos="from_zip").digest

    ingested = run(tmp_path / "UCF101", store="other")

    assert ingested.digest == from_zip
    assert {Path(video.uri).parent for video in read_manifest(tmp_path / "videos").videos} == {tmp_path / "UCF101"}
    assert not (tmp_path / "other" / "videos").exists()


def test_a_relative_folder_gives_addresses_that_hold_everywhere(
    tmp_path: Path, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine" / "Yodel").mkdir(parents=True)
    (tmp_path / "mine" / "Yodel" / "one.mp4").write_bytes(b"1")
    monkeypatch.chdir(tmp_path)

    run("mine")

    assert read_manifest(tmp_path / "videos").videos[0].uri == str(tmp_path / "mine" / "Yodel" / "one.mp4")


def test_class_folders_keep_equal_files_together_and_warn_of_leakage(
    tmp_path: Path, run: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    for label in ("Yodel", "Archery"):
        (tmp_path / "mine" / label).mkdir(parents=True)
        for number in range(8):
            (tmp_path / "mine" / label / f"{number}.MP4").write_bytes(f"{label}{number // 2}".encode())
    (tmp_path / "mine" / "Yodel" / "notes.txt").touch()
    (tmp_path / "mine" / "readme.txt").touch()

    ingested = run(tmp_path / "mine")

    videos = read_manifest(tmp_path / "videos").videos
    assert (ingested.counts["videos"], ingested.counts["groups"], ingested.counts["ignored"]) == (16, 8, 1)
    assert len({(video.sha256, video.group, video.split) for video in videos}) == 8
    assert videos[0].name == "Archery/0.MP4"
    assert "leakage between splits cannot be excluded" in capsys.readouterr().out


def test_class_folders_take_groups_from_names_like_those_of_ucf101(tmp_path: Path, run: Any) -> None:
    for group in range(1, 5):
        for clip in range(1, 3):
            path = tmp_path / "mine" / "SitDown" / f"v_SitDown_g{group:02d}_c{clip:02d}.avi"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(path.name.encode())

    run(tmp_path / "mine")

    groups = {video.group for video in read_manifest(tmp_path / "videos").videos}
    assert groups == {f"SitDown/g{group:02d}" for group in range(1, 5)}


def test_equal_bytes_under_two_classes_are_reported(
    tmp_path: Path, run: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    for label in ("Archery", "Yodel"):
        (tmp_path / "mine" / label).mkdir(parents=True)
        for number in range(20):
            path = tmp_path / "mine" / label / f"v_{label}_g{number:02d}_c01.avi"
            path.write_bytes(f"{number}".encode())

    run(tmp_path / "mine", shares=Shares(validation=0.3, test=0.3))

    assert "in two splits with equal bytes" in capsys.readouterr().out
