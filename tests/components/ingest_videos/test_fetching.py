"""Faults of servers and networks: each is survived or named."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from components.contract.errors import StepError
from components.contract.files import sha256_of_file
from components.ingest_videos.archive import Archive, open_archive
from components.ingest_videos.download import Copies

FEW = {"classes": ("Archery",), "videos_per_class": 9}  # a quarter of the archive: its members are asked for one by one
ALL: dict[str, Any] = {}  # all of it: it is copied as a whole


def stored_videos(store: Path) -> list[Path]:
    return sorted((store / "videos").glob("??/*"))


def left_overs(store: Path) -> list[Path]:
    return [*(store / "videos" / "partial").glob("*/*"), *(store / "videos" / "archives").glob("*.[jpz]*")]


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("components.ingest_videos.retrying._WAITS_S", (0.01, 0.01, 0.01))
    monkeypatch.setattr("components.ingest_videos.ranges._TIMEOUT_S", (1.0, 0.5))


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("wanted", [FEW, ALL], ids=["members", "whole"])
@pytest.mark.parametrize(
    "fault",
    ["503", "500", "429 for 1 s", "stall", "reset", "cut", "short", "wrong range", "ignored range", "bit flip"],
)
def test_a_fault_that_passes_is_survived(
    tmp_path: Path, archive: Path, serving: Any, run: Any, fault: str, wanted: dict[str, Any]
) -> None:
    expected = run(archive, store="near", **wanted).digest
    with serving(archive.parent) as server:
        server.faults.next = [fault, fault]

        ingested = run(f"{server.url}/UCF101.zip", **wanted)

    assert ingested.digest == expected
    assert all(sha256_of_file(path) == path.stem for path in stored_videos(tmp_path / "store"))
    assert left_overs(tmp_path / "store") == []


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("wanted", [FEW, ALL], ids=["members", "whole"])
@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("503", r"4 tries \(HTTP 503\).*what was fetched is kept"),
        ("stall", r"4 tries \(\w*Time\w*\)|4 tries \(ConnectionError\)"),
        ("reset", r"4 tries \(ConnectionError\)"),
        ("403", r"may not be read \(HTTP 403\)"),
        ("404", r"does not exist \(HTTP 404\)"),
        ("410", r"does not exist \(HTTP 410\)"),
        ("418", r"was refused \(HTTP 418\)"),
        ("501", r"was refused \(HTTP 501\)"),
    ],
)
def test_a_fault_that_stays_is_named(
    tmp_path: Path, archive: Path, serving: Any, run: Any, fault: str, message: str, wanted: dict[str, Any]
) -> None:
    with serving(archive.parent) as server:
        server.faults.always = fault

        with pytest.raises(StepError, match=message):
            run(f"{server.url}/UCF101.zip", **wanted)

    assert stored_videos(tmp_path / "store") == []


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("cut", r"4 tries \(\w+\)"),
        ("short", "shorter than it said|another range"),
        ("wrong range", "another range than the one asked for"),
        ("ignored range", "the server gives whole files only"),
        ("bit flip", "No video of Archery can be read"),
    ],
)
def test_a_fault_of_every_member_is_named(archive: Path, serving: Any, run: Any, fault: str, message: str) -> None:
    with serving(archive.parent) as server:
        server.faults.always = fault

        with pytest.raises(StepError, match=message):
            run(f"{server.url}/UCF101.zip", **FEW)


@pytest.mark.usefixtures("quick")
def test_a_final_status_is_not_asked_for_again(archive: Path, serving: Any, run: Any) -> None:
    with serving(archive.parent) as server:
        server.faults.always = "403"

        with pytest.raises(StepError):
            run(f"{server.url}/UCF101.zip", fetch_workers=1, **FEW)

    assert len(server.asked) == len(set(server.asked))


def test_retry_after_is_kept(archive: Path, serving: Any, run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr("components.ingest_videos.retrying.time", SimpleNamespace(sleep=slept.append))
    with serving(archive.parent) as server:
        server.faults.next = ["429 for 1 s"]

        run(f"{server.url}/UCF101.zip", fetch_workers=1, **FEW)

    assert slept == [1.0]


@pytest.mark.usefixtures("quick")
def test_a_server_that_keeps_failing_ends_the_step_and_what_was_fetched_stays(
    tmp_path: Path, archive: Path, serving: Any, run: Any
) -> None:
    with serving(archive.parent) as server:
        run(f"{server.url}/UCF101.zip", classes=("Archery",))
        server.faults.always = "503"

        with pytest.raises(StepError, match=r"4 tries \(HTTP 503\).*what was fetched is kept"):
            run(f"{server.url}/UCF101.zip")

    assert len(stored_videos(tmp_path / "store")) == 18
    assert left_overs(tmp_path / "store") == []


@pytest.mark.usefixtures("quick")
def test_no_server_ends_the_step(serving: Any, run: Any, tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        url = f"{server.url}/UCF101.zip"

    with pytest.raises(StepError, match="could not be fetched in 4 tries"):
        run(url)


def test_the_directory_is_read_once_and_each_member_once(archive: Path, serving: Any, run: Any) -> None:
    with serving(archive.parent) as server:
        run(f"{server.url}/UCF101.zip", **FEW)

    assert server.n_tails == 1
    assert len(server.asked) == len(set(server.asked)) == 9
    assert server.connections <= 5


def test_when_most_bytes_are_wanted_the_archive_is_asked_for_once(
    tmp_path: Path, archive: Path, serving: Any, run: Any
) -> None:
    with serving(archive.parent) as server:
        ingested = run(f"{server.url}/UCF101.zip")

    assert (server.asked, server.n_tails, ingested.counts["fetched"]) == ([""], 1, 36)
    assert left_overs(tmp_path / "store") == []


def test_a_server_without_ranges_is_asked_for_the_archive_once_and_its_copy_is_kept(
    tmp_path: Path, archive: Path, serving: Any, run: Any
) -> None:
    with serving(archive.parent) as server:
        server.faults.without_ranges = True
        few = run(f"{server.url}/UCF101.zip", **FEW)
        everything = run(f"{server.url}/UCF101.zip", videos="all")
        whole = [asked for asked in server.asked if not asked]

    assert (few.counts["fetched"], everything.counts["fetched"], everything.counts["reused"]) == (9, 27, 9)
    assert len(whole) == 1


@pytest.mark.usefixtures("quick")
def test_a_download_goes_on_where_it_was_cut(archive: Path, serving: Any, run: Any) -> None:
    with serving(archive.parent) as server:
        server.faults.next = ["cut", "cut"]
        run(f"{server.url}/UCF101.zip")
        n_bytes = archive.stat().st_size

    half, quarter = n_bytes // 2, n_bytes // 2 + (n_bytes - n_bytes // 2) // 2
    assert server.asked == ["", f"bytes={half}-", f"bytes={quarter}-"]


@pytest.mark.parametrize(
    "read",
    [lambda opened: list(opened.content(opened.members[0])), lambda opened: opened.bring_near(opened.members)],
    ids=["members", "whole"],
)
def test_an_archive_replaced_while_it_is_read_ends_the_step(
    tmp_path: Path, archive: Path, serving: Any, write_zip: Callable[..., Path], read: Callable[[Archive], object]
) -> None:
    with serving(archive.parent) as server:
        opened = open_archive(f"{server.url}/UCF101.zip", copies=Copies(tmp_path / "copies"))
        write_zip(archive, n_groups=7)

        with pytest.raises(StepError, match="was replaced while it was read"):
            read(opened)
        opened.close()


def test_half_a_copy_of_another_version_is_not_gone_on_with(
    archive: Path, serving: Any, run: Any, write_zip: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("components.ingest_videos.retrying._WAITS_S", ())
    with serving(archive.parent) as server:
        server.faults.always = "cut"
        with pytest.raises(StepError, match="1 try"):
            run(f"{server.url}/UCF101.zip")
        server.faults.always = ""
        write_zip(archive, n_groups=7)

        ingested = run(f"{server.url}/UCF101.zip")

    assert (ingested.counts["videos"], ingested.counts["rejected"]) == (42, 0)
    assert server.asked == ["", ""]


def test_a_full_disk_is_noticed_before_anything_is_fetched(
    archive: Path, serving: Any, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import shutil

    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(100, 90, 10))  # type: ignore[attr-defined]
    with serving(archive.parent) as server:
        with pytest.raises(StepError, match="GB free"):
            run(f"{server.url}/UCF101.zip")

        assert server.asked == []


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("missing.zip", r"missing.zip does not exist \(HTTP 404\)"),
        ("no_zip.zip", "is not a zip archive"),
        ("empty.zip", "empty or too short"),
    ],
)
def test_an_address_without_a_readable_zip_is_named(
    archive: Path, serving: Any, run: Any, path: str, message: str
) -> None:
    (archive.parent / "no_zip.zip").write_bytes(b"not a zip" * 50)
    (archive.parent / "empty.zip").touch()

    with serving(archive.parent) as server, pytest.raises(StepError, match=message):
        run(f"{server.url}/{path}")
