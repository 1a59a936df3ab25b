"""What a second ingest keeps and notices of the first."""

import json
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from components.contract.buckets import upload_file
from components.contract.errors import StepError
from components.contract.videos import Split, read_manifest
from components.ingest_videos.previous import Previous
from components.ingest_videos.splits import Shares


def make_videos(folder: Path, groups: range, *, label: str = "SitDown") -> Path:
    for group in groups:
        path = folder / label / f"v_{label}_g{group:02d}_c01.avi"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(path.name.encode())
    return folder


def splits_in(folder: Path) -> dict[str, Split]:
    return {video.group: video.split for video in read_manifest(folder).videos}


def test_groups_stay_in_their_split_while_the_source_grows_and_shrinks(tmp_path: Path, run: Any) -> None:
    source = make_videos(tmp_path / "mine", range(1, 8))
    run(source)
    before = splits_in(tmp_path / "videos")

    make_videos(source, range(8, 41))
    (source / "SitDown" / "v_SitDown_g02_c01.avi").unlink()
    run(source)

    after = splits_in(tmp_path / "videos")
    assert len(after) == 39
    assert all(after[group] == split for group, split in before.items() if group != "SitDown/g02")
    counts = Shares(validation=0.15, test=0.15).counts(39)
    assert {split: list(after.values()).count(split) for split in counts} == counts


def test_a_fresh_store_starts_anew_and_always_in_the_same_way(tmp_path: Path, run: Any) -> None:
    source = make_videos(tmp_path / "mine", range(1, 8))
    run(source, store="grown")
    make_videos(source, range(8, 41))
    run(source, store="grown")

    digests = {run(source, store=f"fresh{number}").digest for number in range(2)}

    assert len(digests) == 1


def test_other_shares_start_anew(tmp_path: Path, run: Any) -> None:
    source = make_videos(tmp_path / "mine", range(1, 21))
    run(source)

    run(source, shares=Shares(validation=2, test=5))

    assert list(splits_in(tmp_path / "videos").values()).count("test") == 5


def test_a_named_manifest_keeps_its_splits_in_another_store(tmp_path: Path, run: Any, gcs_bucket: str) -> None:
    source = make_videos(tmp_path / "mine", range(1, 8))
    run(source, videos="first")
    make_videos(source, range(8, 41))
    for path in sorted((tmp_path / "first").iterdir()):
        upload_file(path, f"{gcs_bucket}/first/{path.name}")

    for number, where in enumerate((str(tmp_path / "first"), f"{gcs_bucket}/first")):
        run(source, store=f"other{number}", previous_videos=where)

        assert splits_in(tmp_path / "videos").items() >= splits_in(tmp_path / "first").items()


def test_a_manifest_that_is_none_is_named(tmp_path: Path, run: Any) -> None:
    source = make_videos(tmp_path / "mine", range(1, 8))

    with pytest.raises(StepError):
        run(source, previous_videos=str(tmp_path / "nowhere"))
    with pytest.raises(StepError, match="is no manifest's folder"):
        run(source, previous_videos="https://host/manifest?sig=s3cret")


def test_new_changed_and_removed_videos_are_noticed_once_and_said(
    tmp_path: Path, run: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    source = make_videos(tmp_path / "mine", range(1, 8))
    first = run(source)
    capsys.readouterr()
    make_videos(source, range(8, 10))
    (source / "SitDown" / "v_SitDown_g01_c01.avi").write_bytes(b"another take")
    (source / "SitDown" / "v_SitDown_g02_c01.avi").unlink()

    second = run(source)
    said = capsys.readouterr().out
    third = run(source)

    counts = [{name: one.counts[name] for name in ("new", "changed", "removed")} for one in (first, second, third)]
    assert counts == [
        {"new": 7, "changed": 0, "removed": 0},
        {"new": 2, "changed": 1, "removed": 1},
        {"new": 0, "changed": 0, "removed": 0},
    ]
    assert "new since the last ingest: 'SitDown/v_SitDown_g08_c01.avi'" in said
    assert "changed since the last ingest: 'SitDown/v_SitDown_g01_c01.avi'" in said
    assert "removed since the last ingest: 'SitDown/v_SitDown_g02_c01.avi'" in said
    assert "nothing is new, changed or removed" in capsys.readouterr().out


def test_taking_fewer_videos_or_classes_removes_nothing(tmp_path: Path, run: Any) -> None:
    source = make_videos(tmp_path / "mine", range(1, 8))
    make_videos(source, range(1, 8), label="Yodel")
    run(source)

    fewer = run(source, classes=("Yodel",), videos_per_class=3)
    again = run(source)

    assert (fewer.counts["removed"], again.counts["removed"], again.counts["new"]) == (0, 0, 0)


def test_a_grown_archive_gives_only_what_is_new(
    tmp_path: Path, write_zip: Callable[..., Path], serving: Any, run: Any
) -> None:
    (tmp_path / "www").mkdir()
    write_zip(tmp_path / "www" / "UCF101.zip", n_groups=4)
    with serving(tmp_path / "www") as server:
        first = run(f"{server.url}/UCF101.zip?sig=one")
        before = splits_in(tmp_path / "videos")
        write_zip(tmp_path / "www" / "UCF101.zip", n_groups=6)

        grown = run(f"{server.url}/UCF101.zip?sig=two")

    assert (first.counts["fetched"], grown.counts["fetched"], grown.counts["new"]) == (24, 12, 12)
    assert splits_in(tmp_path / "videos").items() >= before.items()


def test_what_is_remembered_holds_no_signature(
    tmp_path: Path, write_zip: Callable[..., Path], serving: Any, run: Any
) -> None:
    (tmp_path / "www").mkdir()
    write_zip(tmp_path / "www" / "UCF101.zip", n_groups=3)
    with serving(tmp_path / "www") as server:
        run(f"{server.url}/UCF101.zip?sig=s3cret")

    kept = [path for path in (tmp_path / "store").rglob("*") if path.suffix in (".json", ".jsonl")]
    assert {path.parent.name for path in kept} >= {"splits", "listings"}
    assert not any("s3cret" in path.read_text() for path in kept)


def test_two_ingests_at_once_assign_every_group_once(tmp_path: Path) -> None:
    def assigned(number: int) -> dict[str, Split]:
        split: Split = ("train", "test")[number % 2]
        memory = Previous(str(tmp_path), source="mine", split_parameters={})
        return memory.assign(lambda stored: {"a": stored.get("a", split), f"b{number}": "train"})

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(assigned, range(24)))

    assert len({splits["a"] for splits in results}) == 1
    (kept,) = (tmp_path / "splits").glob("*.json")
    assert len(json.loads(kept.read_text())) == 25


def test_a_memory_that_cannot_be_read_is_named_and_its_removal_mends_it(tmp_path: Path, run: Any) -> None:
    source = make_videos(tmp_path / "mine", range(1, 8))
    run(source)
    (kept,) = (tmp_path / "store" / "splits").glob("*.json")
    kept.write_text("{")

    with pytest.raises(StepError, match="Remove it"):
        run(source)

    shutil.rmtree(tmp_path / "store" / "splits")
    assert run(source).counts["new"] == 0


def test_a_store_that_cannot_be_written_is_named(tmp_path: Path, run: Any) -> None:
    source = make_videos(tmp_path / "mine", range(1, 8))
    (tmp_path / "store").write_text("a file")

    with pytest.raises(StepError, match="store cannot be written"):
        run(source)
