import json
import os
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from kfp.dsl import Artifact, Dataset, Metrics

from components.contract.errors import StepError
from components.contract.files import sha256_of_file
from components.contract.videos import read_manifest
from components.ingest_videos.component import ingest_videos
from components.ingest_videos.selection import Selection
from components.ingest_videos.splits import Shares
from components.ingest_videos.store import VideoStore


def stored_videos(store: Path) -> list[Path]:
    return sorted((store / "videos").glob("??/*"))


def partial_files(store: Path) -> list[Path]:
    return sorted((store / "videos" / "partial").glob("*/*"))


@pytest.fixture
def archive(tmp_path: Path, write_zip: Callable[..., Path]) -> Path:
    (tmp_path / "www").mkdir()
    return write_zip(tmp_path / "www" / "UCF101.zip")


def test_a_zip_over_http_becomes_a_manifest_of_videos_with_their_bytes(
    tmp_path: Path, archive: Path, serving: Any, run: Any
) -> None:
    with serving(archive.parent) as server:
        ingested = run(f"{server.url}/UCF101.zip")

    manifest = read_manifest(tmp_path / "videos", digest=ingested.digest)
    assert manifest.labels == ("Archery", "SitDown")
    assert ingested.counts == {
        "videos": 36,
        "bytes": sum(video.bytes for video in manifest.videos),
        "videos_train": 24,
        "videos_validation": 6,
        "videos_test": 6,
        "classes": 2,
        "groups": 12,
        "fetched": 36,
        "reused": 0,
        "rejected": 0,
        "left_out": 0,
        "ignored": 0,
        "missing": 0,
        "new": 36,
        "changed": 0,
        "removed": 0,
        "leak_of_random_split": pytest.approx(1 - (1 / 3) ** 2),
    }
    with zipfile.ZipFile(archive) as original:
        for video in manifest.videos:
            assert Path(video.uri).read_bytes() == original.read(f"UCF101/{video.name}")
            assert sha256_of_file(Path(video.uri)) == video.sha256 == Path(video.uri).stem
            assert Path(video.uri).suffix == ".avi"


def test_no_group_is_in_two_splits_and_every_class_is_in_every_split(tmp_path: Path, archive: Path, run: Any) -> None:
    run(archive)

    splits_of_group = defaultdict(set)
    splits_of_label = defaultdict(set)
    for video in read_manifest(tmp_path / "videos").videos:
        splits_of_group[video.group].add(video.split)
        splits_of_label[video.label].add(video.split)
    assert all(len(splits) == 1 for splits in splits_of_group.values())
    assert all(splits == {"train", "validation", "test"} for splits in splits_of_label.values())


def test_classes_and_videos_per_class_choose_a_subset(tmp_path: Path, archive: Path, run: Any) -> None:
    ingested = run(archive, classes=("SitDown",), videos_per_class=4)

    videos = read_manifest(tmp_path / "videos").videos
    assert {video.label for video in videos} == {"SitDown"}
    assert {video.split for video in videos} == {"train", "validation", "test"}
    assert len(videos) == ingested.counts["fetched"] == len(stored_videos(tmp_path / "store")) == 4


def test_taking_more_videos_moves_no_group(tmp_path: Path, archive: Path, run: Any) -> None:
    run(archive, videos="few", videos_per_class=3)
    run(archive, videos="all")

    few, everything = (
        {video.group: video.split for video in read_manifest(tmp_path / name).videos} for name in ("few", "all")
    )
    assert few.items() <= everything.items()


def test_the_digest_does_not_depend_on_where_videos_come_from_or_lie(
    tmp_path: Path, archive: Path, serving: Any, run: Any
) -> None:
    with serving(archive.parent) as first:
        far = run(f"{first.url}/UCF101.zip?signed=1", store="one").digest
    near = run(archive, store="two", fetch_workers=1).digest

    assert far == near


def test_other_bytes_under_the_same_names_have_another_digest(tmp_path: Path, archive: Path, run: Any) -> None:
    before = run(archive).digest
    with zipfile.ZipFile(archive, "w") as changed:
        for group in range(1, 7):
            changed.writestr(f"UCF101/v_SitDown_g{group:02d}_c01.avi", b"other")

    assert run(archive).digest != before


def test_a_second_ingest_fetches_nothing_even_from_another_address(
    tmp_path: Path, archive: Path, serving: Any, run: Any
) -> None:
    with serving(archive.parent) as first:
        digest = run(f"{first.url}/UCF101.zip").digest
    moved = shutil.copy(archive, archive.with_name("mirror.zip"))

    with serving(Path(moved).parent) as second:
        again = run(f"{second.url}/mirror.zip", videos="again")

    assert second.member_requests == 0
    assert again.digest == digest
    assert (again.counts["fetched"], again.counts["reused"]) == (0, 36)


def test_only_what_is_missing_or_damaged_in_the_store_is_fetched_again(tmp_path: Path, archive: Path, run: Any) -> None:
    digest = run(archive).digest
    lost, cut, changed, touched = stored_videos(tmp_path / "store")[:4]
    lost.unlink()
    cut.write_bytes(cut.read_bytes()[:-1])
    changed.write_bytes(bytes(changed.stat().st_size))
    os.utime(touched)

    again = run(archive)

    assert (again.digest, again.counts["fetched"], again.counts["reused"]) == (digest, 3, 33)
    assert all(sha256_of_file(path) == path.stem for path in stored_videos(tmp_path / "store"))


def test_a_journal_cut_by_a_kill_costs_no_video(tmp_path: Path, archive: Path, run: Any) -> None:
    run(archive)
    index = tmp_path / "store" / "videos" / "members.jsonl"
    index.write_bytes(index.read_bytes()[:-20])

    second = run(archive)
    third = run(archive)

    assert (second.counts["fetched"], third.counts["fetched"]) == (0, 0)


def test_faults_of_the_network_are_survived(tmp_path: Path, archive: Path, serving: Any, run: Any) -> None:
    expected = run(archive, store="near").digest
    with serving(archive.parent) as server:
        server.faults.statuses = [503, 429, 500]
        server.faults.cut_bodies = 3

        ingested = run(f"{server.url}/UCF101.zip")

    assert ingested.digest == expected
    assert all(sha256_of_file(path) == path.stem for path in stored_videos(tmp_path / "store"))
    assert partial_files(tmp_path / "store") == []


def test_a_server_that_keeps_failing_ends_the_step_and_what_was_fetched_stays(
    tmp_path: Path, archive: Path, serving: Any, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("components.ingest_videos.retrying._WAITS_S", (0.0, 0.0))
    with serving(archive.parent) as server:
        run(f"{server.url}/UCF101.zip", classes=("Archery",))
        server.faults.statuses = [503] * 100

        with pytest.raises(StepError, match=r"3 tries \(HTTP 503\).*what was fetched is kept"):
            run(f"{server.url}/UCF101.zip")

    assert len(stored_videos(tmp_path / "store")) == 18
    assert partial_files(tmp_path / "store") == []


def test_no_server_ends_the_step(serving: Any, run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("components.ingest_videos.retrying._WAITS_S", (0.0, 0.0))
    with serving(tmp_path) as server:
        url = f"{server.url}/UCF101.zip"

    with pytest.raises(StepError, match="could not be fetched in 3 tries"):
        run(url)


def test_a_corrupt_member_is_left_out_and_the_rest_go_on(
    tmp_path: Path, archive: Path, run: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    with zipfile.ZipFile(archive) as original:
        info = original.getinfo("UCF101/v_SitDown_g02_c02.avi")
    data = bytearray(archive.read_bytes())
    data[info.header_offset + 30 + len(info.filename) + 40] ^= 0xFF
    archive.write_bytes(data)

    ingested = run(archive)

    assert (ingested.counts["videos"], ingested.counts["rejected"]) == (35, 1)
    assert info.filename.rpartition("/")[2] in capsys.readouterr().out
    assert len(stored_videos(tmp_path / "store")) == 35
    assert partial_files(tmp_path / "store") == []


def test_a_class_of_which_nothing_can_be_read_ends_the_step(tmp_path: Path, run: Any) -> None:
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("UCF101/v_SitDown_g01_c01.avi", bytes(1 << 20))

    with pytest.raises(StepError, match=r"v_SitDown_g01_c01.avi.*packed more than 200 times"):
        run(tmp_path / "bomb.zip")

    assert stored_videos(tmp_path / "store") == []


def test_hostile_and_foreign_members_are_ignored_and_counted(tmp_path: Path, run: Any) -> None:
    with zipfile.ZipFile(tmp_path / "slip.zip", "w") as archive:
        archive.writestr("UCF101/v_SitDown_g01_c01.avi", b"a video")
        archive.writestr("../v_Slip_g01_c01.avi", b"slips")
        archive.writestr("/tmp/v_Slip_g01_c02.avi", b"slips")
        archive.writestr("UCF101/v_Slip_g01_c03.avi#../../x", b"slips")
        archive.writestr("UCF101/readme.txt", b"text")
        archive.writestr("UCF-101/v_SitDown_g01_c01.avi", b"a second one of this name")
    data = (tmp_path / "slip.zip").read_bytes()
    (tmp_path / "slip.zip").write_bytes(data.replace(b"avi#", b"avi\0"))  # zipfile does not write such a name

    ingested = run(tmp_path / "slip.zip")

    assert (ingested.counts["videos"], ingested.counts["ignored"]) == (1, 5)
    assert [path.read_bytes() for path in stored_videos(tmp_path / "store")] == [b"a video"]
    assert {path.name for path in tmp_path.iterdir()} == {"slip.zip", "videos", "store"}


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("nowhere", "does not exist"),
        ("nowhere.zip", "does not exist"),
        ("ftp://host/UCF101.zip?X-Signature=s3cret", r"ftp://host/UCF101.zip has a scheme.*http://, https://, gs://"),
        ("a_file.dat", "neither a zip nor a folder"),
        ("no_zip.zip", "is not a zip archive"),
        ("empty.zip", "is not a zip archive"),
        ("no_video.zip", "holds no video: none of its 1 members"),
        ("no_video", r"no_video holds no video.*no_video/<Class>/<video>"),
    ],
)
def test_a_source_that_is_none_is_named(tmp_path: Path, run: Any, source: str, message: str) -> None:
    (tmp_path / "a_file.dat").write_text("text")
    (tmp_path / "no_zip.zip").write_bytes(b"not a zip" * 50)
    (tmp_path / "empty.zip").touch()
    (tmp_path / "no_video" / "SitDown").mkdir(parents=True)
    (tmp_path / "no_video" / "SitDown" / "readme.txt").touch()
    with zipfile.ZipFile(tmp_path / "no_video.zip", "w") as archive:
        archive.writestr("readme.txt", "text")

    with pytest.raises(StepError, match=message) as raised:
        run(source if "://" in source else tmp_path / source)

    assert "s3cret" not in str(raised.value)


@pytest.mark.parametrize(
    ("path", "without_ranges", "message"),
    [
        ("missing.zip", False, r"missing.zip does not exist \(HTTP 404\)"),
        ("no_zip.zip", False, "is not a zip archive"),
        ("empty.zip", False, "empty or too short"),
    ],
)
def test_an_address_without_a_readable_zip_is_named(
    archive: Path, serving: Any, run: Any, path: str, without_ranges: bool, message: str
) -> None:
    (archive.parent / "no_zip.zip").write_bytes(b"not a zip" * 50)
    (archive.parent / "empty.zip").touch()

    with serving(archive.parent) as server:
        server.faults.without_ranges = without_ranges
        with pytest.raises(StepError, match=message):
            run(f"{server.url}/{path}")


def test_a_class_that_does_not_exist_ends_the_step_before_anything_is_fetched(
    tmp_path: Path, archive: Path, run: Any
) -> None:
    with pytest.raises(StepError, match="Did you mean SitDown"):
        run(archive, classes=("Sitdown",))

    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"source_type": "youtube"}, "auto, ucf101, class_folders, .*kinetics"),
        ({"fetch_workers": 0}, "fetch_workers is 0"),
    ],
)
def test_a_parameter_out_of_range_is_named(archive: Path, run: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(StepError, match=message):
        run(archive, **options)


def test_a_store_that_is_no_local_folder_is_refused() -> None:
    with pytest.raises(StepError, match="not a local folder"):
        VideoStore("gs://bucket/store")


def test_fewer_than_no_videos_are_refused() -> None:
    with pytest.raises(StepError, match="videos_per_class is -1"):
        Selection(classes=(), videos_per_class=-1, shares=Shares(validation=0.1, test=0.1))


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


def test_a_class_with_too_few_groups_is_reported(
    tmp_path: Path, run: Any, write_zip: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    run(write_zip(tmp_path / "small.zip", classes=("SitDown",), n_groups=2))

    assert "class SitDown has no video in validation" in capsys.readouterr().out


def test_a_killed_fetch_leaves_no_part_of_a_video_in_the_store(tmp_path: Path, archive: Path, serving: Any) -> None:
    code = (
        "import sys; from pathlib import Path\n"
        "from components.ingest_videos.ingest import ingest\nfrom components.ingest_videos.selection import Selection\n"
        "from components.ingest_videos.splits import Shares\n"
        "ingest(sys.argv[1], Path(sys.argv[2]), store_dir=sys.argv[3], source_type='auto', fetch_workers=4,\n"
        "  selection=Selection(classes=(), videos_per_class=0, shares=Shares(validation=0.15, test=0.15)))"
    )
    store = tmp_path / "store"
    with serving(archive.parent) as server:
        server.faults.delay_s = 0.05
        arguments = [f"{server.url}/UCF101.zip", str(tmp_path / "videos"), str(store)]
        killed = subprocess.Popen(
            [sys.executable, "-c", code, *arguments], env={"PYTHONPATH": os.pathsep.join(sys.path)}
        )
        while len(stored_videos(store)) < 5:
            time.sleep(0.005)
        killed.send_signal(signal.SIGKILL)
        killed.wait()
        left = stored_videos(store)

        assert 5 <= len(left) < 36
        assert all(sha256_of_file(path) == path.stem for path in left)
        assert not (tmp_path / "videos" / "finished.json").exists()

        server.faults.delay_s = 0.0
        subprocess.run(
            [sys.executable, "-c", code, *arguments], env={"PYTHONPATH": os.pathsep.join(sys.path)}, check=True
        )

    assert len(read_manifest(tmp_path / "videos").videos) == 36
    assert partial_files(store) == []


def test_two_ingests_share_a_store_at_the_same_time(tmp_path: Path, archive: Path, run: Any) -> None:
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(4) as pool:
        ingested = list(pool.map(lambda number: run(archive, videos=f"videos{number}"), range(4)))

    assert len({one.digest for one in ingested}) == 1
    assert len(stored_videos(tmp_path / "store")) == 36
    assert partial_files(tmp_path / "store") == []


def test_nothing_that_is_kept_or_shown_holds_what_an_address_is_signed_with(
    tmp_path: Path, archive: Path, serving: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("components.ingest_videos.retrying._WAITS_S", (0.0, 0.0))
    shown = []

    def step(url: str) -> None:
        outputs = {
            "videos": Dataset(uri=str(tmp_path / "out" / "videos")),
            "report": Metrics(uri=str(tmp_path / "out" / "report")),
            "record": Artifact(uri=str(tmp_path / "out" / "record")),
        }
        try:
            ingest_videos.python_func(source=url, store_dir=str(tmp_path / "store"), **outputs)
        except StepError as error:
            shown.append(str(error))
        shown.append(capsys.readouterr().out)
        shown.extend(
            path.read_text(errors="replace")
            for folder in ("out", "store")
            for path in (tmp_path / folder).rglob("*")
            if path.is_file()
        )

    with serving(archive.parent) as server:
        signed = "?X-Signature=s3cret"
        step(f"{server.url}/UCF101.zip{signed}")
        step(f"{server.url}/missing.zip{signed}")
        server.faults.without_ranges = True
        step(f"{server.url}/UCF101.zip{signed}")
        server.faults.without_ranges = False
        shutil.rmtree(tmp_path / "store")
        server.faults.statuses = [503] * 100
        step(f"{server.url}/UCF101.zip{signed}")
        server.faults.statuses = []
        server.faults.cut_bodies = 1000
        step(f"{server.url}/UCF101.zip{signed}")
    step(f"{server.url}/UCF101.zip{signed}")
    step(f"http://user:s3cret@[bad/UCF101.zip{signed}")

    assert sum("127.0.0.1" in text for text in shown) >= 5
    assert not [text for text in shown if "s3cret" in text]


def test_the_step_writes_manifest_metrics_and_record(tmp_path: Path, archive: Path) -> None:
    digest = ingest_videos.python_func(
        source=str(archive),
        store_dir=str(tmp_path / "store"),
        videos=Dataset(uri=str(tmp_path / "videos")),
        report=Metrics(uri=str(tmp_path / "report")),
        record=Artifact(uri=str(tmp_path / "record")),
        classes=["SitDown"],
        videos_per_class=6,
    )

    assert len(read_manifest(tmp_path / "videos", digest=digest).videos) == 6
    assert json.loads((tmp_path / "report").read_text())["videos_train"] == 4
    record = json.loads((tmp_path / "record" / "step.json").read_text())
    assert (record["step"], record["status"]) == ("ingest_videos", "succeeded")
    assert record["outputs"]["videos"]["digest"] == digest
    assert record["parameters"]["classes"] == ["SitDown"]
    assert record["metrics"]["fetched"] == 6
