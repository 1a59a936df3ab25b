"""Every source, on real videos, through a whole ingest."""

import json
import shutil
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import pytest
from kfp.dsl import Artifact, Dataset, Metrics

from components.contract.buckets import upload_file, write_bytes
from components.contract.errors import StepError
from components.contract.files import sha256_of_file
from components.contract.videos import Manifest, Video, read_manifest
from components.ingest_videos.component import ingest_videos
from components.ingest_videos.groups import Grouping

WriteVideo = Callable[..., Path]


def videos_of(tmp_path: Path) -> Manifest:
    """The manifest, after its videos were found to be readable and what it says of them."""
    manifest = read_manifest(tmp_path / "videos")
    for video in manifest.videos:
        path = Path(video.uri)
        assert (path.stat().st_size, sha256_of_file(path)) == (video.bytes, video.sha256)
        read, frame = cv2.VideoCapture(video.uri).read()
        assert read
        assert frame.shape == (24, 32, 3)
    return manifest


def by_name(manifest: Manifest) -> dict[str, Video]:
    return {video.name: video for video in manifest.videos}


def upload(folder: Path, uri: str) -> None:
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            upload_file(path, f"{uri}/{path.relative_to(folder)}")


@pytest.fixture
def classes(tmp_path: Path, write_video: WriteVideo) -> Path:
    """Two classes of four recordings with two videos each, one folder per recording."""
    folder = tmp_path / "classes"
    for seed, label in enumerate(("Sit Down", "Yodel")):
        for number in range(8):
            path = folder / label / f"session{number // 2}" / f"clip {number}.mp4"
            write_video(path, seed=100 * seed + number)
    return folder


@pytest.fixture
def ucf_zip(tmp_path: Path, write_video: WriteVideo) -> Path:
    """Two classes of four groups with two videos each, laid out like UCF101's zip."""
    path = tmp_path / "www" / "UCF101.zip"
    path.parent.mkdir()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for seed in range(16):
            name = f"v_{('HammerThrow', 'Hammering')[seed // 8]}_g{seed % 8 // 2 + 1:02d}_c{seed % 2 + 1:02d}.avi"
            archive.write(write_video(tmp_path / "made" / name, seed=seed), f"UCF101/{name}")
    return path


def test_ucf101_is_the_same_over_http_from_the_disk_from_a_bucket_and_unpacked(
    tmp_path: Path, ucf_zip: Path, serving: Any, gcs_bucket: str, run: Any
) -> None:
    upload(ucf_zip.parent, f"{gcs_bucket}/data")
    with zipfile.ZipFile(ucf_zip) as archive:
        archive.extractall(tmp_path)
    with serving(ucf_zip.parent) as server:
        sources = [f"{server.url}/UCF101.zip", ucf_zip, f"{gcs_bucket}/data/UCF101.zip", tmp_path / "UCF101"]

        ingested = [run(source, store=f"store{number}") for number, source in enumerate(sources)]

    assert len({one.digest for one in ingested}) == 1
    manifest = videos_of(tmp_path)
    assert manifest.labels == ("Hammering", "HammerThrow")
    assert len(manifest.videos) == 16
    assert {video.source for video in manifest.videos} == {"ucf101"}
    assert {video.group for video in manifest.videos if video.label == "Hammering"} == {
        f"Hammering/g0{group}" for group in range(1, 5)
    }


def test_a_second_ingest_from_a_bucket_fetches_nothing(ucf_zip: Path, gcs_bucket: str, run: Any) -> None:
    upload(ucf_zip.parent, gcs_bucket)
    first = run(f"{gcs_bucket}/UCF101.zip")

    second = run(f"{gcs_bucket}/UCF101.zip")

    assert (first.counts["fetched"], second.counts["fetched"], second.counts["reused"]) == (16, 0, 16)


def test_class_folders_here_and_in_a_bucket_have_the_same_videos(
    tmp_path: Path, classes: Path, gcs_bucket: str, run: Any
) -> None:
    (classes / "Yodel" / "notes.txt").write_text("no video")
    upload(classes, f"{gcs_bucket}/mine")

    run(classes, grouping=Grouping(by="folder"))
    here = videos_of(tmp_path)
    ingested = run(f"{gcs_bucket}/mine/", grouping=Grouping(by="folder"))
    there = videos_of(tmp_path)

    assert here.digest == there.digest
    assert here.labels == ("Sit Down", "Yodel")
    assert here.videos[0].name == "Sit Down/session0/clip 0.mp4"
    assert here.videos[0].uri == str(classes / here.videos[0].name)
    assert Path(there.videos[0].uri).is_relative_to(tmp_path / "store")
    assert {video.group for video in here.videos if video.label == "Yodel"} == {f"Yodel/session{n}" for n in range(4)}
    assert (ingested.counts["fetched"], ingested.counts["ignored"]) == (16, 1)


def test_a_grown_bucket_gives_only_what_is_new(
    tmp_path: Path, classes: Path, gcs_bucket: str, run: Any, write_video: WriteVideo
) -> None:
    upload(classes, gcs_bucket)
    run(gcs_bucket, grouping=Grouping(by="folder"))
    upload_file(write_video(tmp_path / "new.mp4", seed=999), f"{gcs_bucket}/Yodel/session9/new.mp4")

    grown = run(gcs_bucket, grouping=Grouping(by="folder"))

    assert {name: grown.counts[name] for name in ("videos", "fetched", "reused", "new")} == {
        "videos": 17,
        "fetched": 1,
        "reused": 16,
        "new": 1,
    }


@pytest.mark.parametrize(
    ("train", "validation", "test"), [("train", "val", "test"), ("Training", "valid", "Testing"), ("train", "", "test")]
)
def test_split_folders_keep_their_splits_and_validation_is_carved_where_there_is_none(
    tmp_path: Path, write_video: WriteVideo, run: Any, train: str, validation: str, test: str
) -> None:
    for seed in range(12):
        split = (train, train, validation or train, test)[seed % 4]
        write_video(tmp_path / "mine" / split / "Yodel" / f"{seed}.avi", seed=seed)

    run(tmp_path / "mine")

    manifest = videos_of(tmp_path)
    assert {video.name.split("/")[0] for video in manifest.videos if video.split == "test"} == {test}
    assert Counter(video.split for video in manifest.videos) == (
        {"train": 6, "validation": 3, "test": 3} if validation else {"train": 7, "validation": 2, "test": 3}
    )


def test_split_folders_work_in_a_bucket(tmp_path: Path, write_video: WriteVideo, gcs_bucket: str, run: Any) -> None:
    for seed, split in enumerate(("train", "validation", "test")):
        write_video(tmp_path / "mine" / split / "Yodel" / "same name.mp4", seed=seed)
    upload(tmp_path / "mine", gcs_bucket)

    run(gcs_bucket)

    assert [video.split for video in videos_of(tmp_path).videos] == ["test", "train", "validation"]


def test_a_path_list_splits_on_the_last_blank_and_its_paths_are_relative_to_it(
    tmp_path: Path, classes: Path, run: Any
) -> None:
    (classes / "mine.txt").write_bytes(
        b"\xef\xbb\xbfYodel/session0/clip 0.mp4 Yodel\r\n"
        + f"{classes}/Sit Down/session1/clip 2.mp4\tSit\n".encode()
        + b"\n../classes/Yodel/session0/clip 1.mp4 Yodel\nYodel/gone.mp4 Yodel\nonly.mp4\nmine.txt Yodel\n"
        + b"http://127.0.0.1/clip.mp4 Yodel\nYodel/session0/clip 0.mp4 Sit\n"
    )

    ingested = run(classes / "mine.txt")

    manifest = videos_of(tmp_path)
    assert {video.name: video.label for video in manifest.videos} == {
        "Yodel/session0/clip 0.mp4": "Yodel",
        f"{classes}/Sit Down/session1/clip 2.mp4": "Sit",
    }
    assert (ingested.counts["missing"], ingested.counts["rejected"]) == (1, 5)


def rows_of(classes: Path) -> list[dict[str, str]]:
    """One person per session number, in both classes."""
    return [
        {
            "path": str(path.relative_to(classes)),
            "label": path.parts[-3],
            "split": "val" if path.parent.name == "session3" else "",
            "group": path.parent.name.replace("session", "person "),
            "source": "studio" if path.parts[-3] == "Yodel" else "street",
        }
        for path in sorted(classes.rglob("*.mp4"))
    ]


def write_csv(path: Path, rows: list[dict[str, str]]) -> Path:
    lines = [",".join(rows[0]), *(",".join(f'"{cell}"' for cell in row.values()) for row in rows)]
    path.write_text("\r\n".join(lines) + "\r\n")
    return path


def test_csv_and_jsonl_say_label_split_group_and_source(tmp_path: Path, classes: Path, run: Any) -> None:
    rows = rows_of(classes)
    table = write_csv(classes / "mine.csv", rows)
    (classes / "mine.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))

    from_csv = run(table)
    from_jsonl = run(classes / "mine.jsonl")

    manifest = videos_of(tmp_path)
    assert from_csv.digest == from_jsonl.digest
    assert len(manifest.videos) == 16
    assert {video.source for video in manifest.videos if video.label == "Yodel"} == {"studio"}
    assert {video.group for video in manifest.videos} == {f"person {number}" for number in range(4)}
    assert {video.split for video in manifest.videos if video.group == "person 3"} == {"validation"}
    for group in {video.group for video in manifest.videos}:
        assert len({video.split for video in manifest.videos if video.group == group}) == 1


def test_a_list_in_a_bucket_names_objects_and_no_file_of_this_machine(
    tmp_path: Path, classes: Path, gcs_bucket: str, run: Any
) -> None:
    upload(classes, f"{gcs_bucket}/a")
    here = classes / "Yodel" / "session0" / "clip 0.mp4"
    rows = ["uri,label", f"{gcs_bucket}/a/Yodel/session0/clip 0.mp4,Yodel", "a/Yodel/session0/clip 1.mp4,Yodel"]
    rows += [
        f"{here},Yodel",
        "a/Yodel/session0/gone.mp4,Yodel",
        "../other/clip.mp4,Yodel",
        "gs://,Y",
        "gs://b/../a.mp4,Y",
    ]
    write_bytes(f"{gcs_bucket}/list.csv", "\n".join(rows).encode())

    ingested = run(f"{gcs_bucket}/list.csv")

    assert [video.name.rpartition("/")[2] for video in videos_of(tmp_path).videos] == ["clip 1.mp4", "clip 0.mp4"]
    assert (ingested.counts["videos"], ingested.counts["rejected"]) == (2, 5)


def test_kinetics_finds_videos_by_their_usual_names_and_counts_those_that_are_missing(
    tmp_path: Path, write_video: WriteVideo, run: Any
) -> None:
    folder = tmp_path / "kinetics"
    write_video(folder / "train" / "riding a bike" / "AAAAAAAAAA-_000012_000022.mp4", seed=1)
    write_video(folder / "AAAAAAAAAA-_000030_000040.mp4", seed=2)
    write_video(folder / "val" / "BBBBBBBBBBB.mp4", seed=3)
    write_video(folder / "test" / "CCCCCCCCCCC_000000_000010.mp4", seed=4)
    (folder / "kinetics.csv").write_text(
        "label,youtube_id,time_start,time_end,split\n"
        "riding a bike,AAAAAAAAAA-,12,22,train\n"
        "yodel,AAAAAAAAAA-,30,40,train\n"
        '"riding a bike",BBBBBBBBBBB,5.0,15.0,validate\n'
        "riding a bike,CCCCCCCCCCC,0,10,test\n"
        "riding a bike,DDDDDDDDDDD,0,10,train\n"
        "yodel,EEEEEEEEEEE,0,10,train\n"
        "yodel,../../../etc,0,10,train\n"
    )

    ingested = run(folder / "kinetics.csv")

    manifest = videos_of(tmp_path)
    assert manifest.labels == ("riding a bike", "yodel")
    assert [(video.group, video.split) for video in manifest.videos] == [
        ("AAAAAAAAAA-", "train"),
        ("CCCCCCCCCCC", "test"),
        ("AAAAAAAAAA-", "train"),
        ("BBBBBBBBBBB", "validation"),
    ]
    assert (ingested.counts["missing"], ingested.counts["rejected"]) == (2, 1)


@pytest.fixture
def hmdb(tmp_path: Path, write_video: WriteVideo) -> Path:
    """HMDB51 in small: two classes, five recordings each with two clips, and split 1."""
    folder = tmp_path / "hmdb51"
    for label in ("brush_hair", "run"):
        rows = []
        for recording in range(5):
            for clip in range(2):
                name = f"My_film_{recording}_{label}_u_nm_np1_ba_med_{clip}.avi"
                write_video(folder / label / name, seed=recording * 10 + clip + 100 * (label == "run"))
                rows.append(f"{name} {'12110'[recording]} \r\n")
        lists = folder / "testTrainMulti_7030_splits"
        lists.mkdir(exist_ok=True)
        (lists / f"{label}_test_split1.txt").write_text("".join(rows), newline="")
    return folder


def test_hmdb51_has_groups_from_its_names_and_its_official_splits(tmp_path: Path, hmdb: Path, run: Any) -> None:
    ingested = run(hmdb, official_split=1)

    manifest = videos_of(tmp_path)
    assert manifest.labels == ("brush_hair", "run")
    assert {video.source for video in manifest.videos} == {"hmdb51"}
    assert {video.group for video in manifest.videos if video.split == "test"} == {
        "brush_hair/My_film_1",
        "run/My_film_1",
    }
    assert "My_film_4" not in {video.group.rpartition("/")[2] for video in manifest.videos}
    assert ingested.counts["left_out"] == 4
    assert {video.split for video in manifest.videos if video.label == "run"} == {"train", "validation", "test"}


def test_hmdb51_works_without_its_official_splits_and_in_a_bucket(
    tmp_path: Path, hmdb: Path, gcs_bucket: str, run: Any
) -> None:
    upload(hmdb, gcs_bucket)

    run(gcs_bucket)
    by_share = videos_of(tmp_path)
    run(gcs_bucket, official_split=1)

    assert len(by_share.videos) == 20
    assert len(videos_of(tmp_path).videos) == 16


def ucf_lists(folder: Path) -> Path:
    """Official lists as they are published: CRLF, an index only for training, and a class written otherwise."""
    folder.mkdir()
    (folder / "classInd.txt").write_bytes(b"1 Hammering\r\n2 HammerThrow\r\n")
    train = [f"Hammering/v_Hammering_g0{g}_c0{c}.avi 1" for g in (2, 3, 4) for c in (1, 2)]
    train += [f"HAMMERThrow/v_HAMMERThrow_g0{g}_c0{c}.avi 2" for g in (2, 3, 4) for c in (1, 2)]
    test = [f"{label}/v_{label}_g01_c01.avi" for label in ("Hammering", "HammerThrow")]
    test += ["Hammering/v_Hammering_g01_c09.avi"]
    (folder / "trainlist01.txt").write_bytes("\r\n".join([*train, ""]).encode())
    (folder / "testlist01.txt").write_bytes("\r\n".join([*test, ""]).encode())
    return folder


def test_ucf101_keeps_its_official_test_and_validation_is_carved_out_of_train_by_group(
    tmp_path: Path, ucf_zip: Path, gcs_bucket: str, serving: Any, run: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    lists = ucf_lists(tmp_path / "lists")
    archived = shutil.make_archive(str(ucf_zip.parent / "lists"), "zip", tmp_path, "lists")
    upload(ucf_zip.parent, f"{gcs_bucket}/zips")
    upload(lists, f"{gcs_bucket}/lists")
    with serving(ucf_zip.parent) as server:
        places = [lists, archived, f"{gcs_bucket}/lists", f"{gcs_bucket}/zips/lists.zip", f"{server.url}/lists.zip"]

        ingested = [run(ucf_zip, official_split=1, split_lists=str(place)) for place in places]

    assert len({one.digest for one in ingested}) == 1
    manifest = videos_of(tmp_path)
    assert Counter((video.label, video.split) for video in manifest.videos) == {
        **{(label, "train"): 4 for label in manifest.labels},
        **{(label, "validation"): 2 for label in manifest.labels},
        **{(label, "test"): 1 for label in manifest.labels},
    }
    assert ingested[0].counts["left_out"] == 2
    assert "1 of its rows name no video" in capsys.readouterr().out


def test_official_lists_that_are_not_there_or_of_another_set_are_named(
    tmp_path: Path, ucf_zip: Path, hmdb: Path, run: Any
) -> None:
    lists = ucf_lists(tmp_path / "lists")

    with pytest.raises(StepError, match="no lists of official split 2"):
        run(ucf_zip, official_split=2, split_lists=str(lists))
    with pytest.raises(StepError, match="name none of the 16 videos"):
        run(ucf_zip, official_split=1, split_lists=str(hmdb))
    with pytest.raises(StepError, match="holds no split list"):
        run(ucf_zip, official_split=1, split_lists=str(tmp_path / "made"))
    with pytest.raises(StepError, match="no official split 4"):
        run(ucf_zip, official_split=4)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("no_columns.csv", "file;class\na.mp4;Yodel\n", "has the columns file;class.*needs label and one of path, uri"),
        ("empty.csv", "", r"has the columns \(none\)"),
        ("nothing.txt", "gone.mp4 Yodel\n../a.mp4 Yodel\n", "1 of its videos are not there, 1 of its lines"),
        ("broken.jsonl", "{\n[]\n", "has the columns"),
        ("kinetics.csv", "label,youtube_id\nYodel,AAAAAAAAAAA\n", "1 are missing"),
    ],
)
def test_a_list_that_names_no_video_is_refused_with_what_was_found(
    tmp_path: Path, run: Any, name: str, text: str, message: str
) -> None:
    (tmp_path / name).write_text(text)

    with pytest.raises(StepError, match=message):
        run(tmp_path / name)


def test_the_step_takes_every_parameter_of_sources_and_splits(
    tmp_path: Path, classes: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = write_csv(classes / "mine.csv", [{**row, "group": "", "split": ""} for row in rows_of(classes)])

    def step(**parameters: Any) -> dict[str, float]:
        digest = ingest_videos.python_func(
            source=str(table),
            store_dir=str(tmp_path / "store"),
            videos=Dataset(uri=str(tmp_path / "videos")),
            report=Metrics(uri=str(tmp_path / "report")),
            record=Artifact(uri=str(tmp_path / "record")),
            source_type="csv",
            validation_share=1,
            test_share=0.25,
            group_by="pattern",
            group_pattern=r"/(session\d)/",
            **parameters,
        )
        assert read_manifest(tmp_path / "videos").digest == digest
        metrics: dict[str, float] = json.loads((tmp_path / "report").read_text())
        return metrics

    first = step()
    shutil.copytree(tmp_path / "videos", tmp_path / "earlier")
    again = step(previous_videos=str(tmp_path / "earlier"))

    assert {name: first[f"videos_{name}"] for name in ("train", "validation", "test")} == {
        "train": 8,
        "validation": 4,
        "test": 4,
    }
    assert (first["groups"], first["new"], again["new"], first["leak_of_random_split"]) == (8, 16, 0, 0.5)
    assert read_manifest(tmp_path / "videos").digest == read_manifest(tmp_path / "earlier").digest
    assert "a random split by video would have put 50% of test videos beside one" in capsys.readouterr().out


def test_lists_and_folders_are_not_read_over_http(run: Any) -> None:
    with pytest.raises(StepError, match=r"cannot be read as csv: over http\(s\) only zips are"):
        run("http://127.0.0.1:9/list.csv?sig=s3cret", source_type="csv")


def test_a_bucket_that_is_not_there_is_named(gcs_bucket: str, run: Any) -> None:
    with pytest.raises(StepError, match="404"):
        run(f"{gcs_bucket}-not/folder")
    with pytest.raises(StepError, match="holds no video"):
        run(f"{gcs_bucket}/folder")
