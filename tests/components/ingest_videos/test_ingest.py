import json
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


def stored_videos(store: Path) -> list[Path]:
    return sorted((store / "videos").glob("??/*"))


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


def test_fewer_than_no_videos_are_refused() -> None:
    with pytest.raises(StepError, match="videos_per_class is -1"):
        Selection(classes=(), videos_per_class=-1, shares=Shares(validation=0.1, test=0.1))


def test_a_class_with_too_few_groups_is_reported(
    tmp_path: Path, run: Any, write_zip: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    run(write_zip(tmp_path / "small.zip", classes=("SitDown",), n_groups=2))

    assert "class SitDown has no video in validation" in capsys.readouterr().out


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
