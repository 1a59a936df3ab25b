import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from components.contract.errors import StepError
from components.contract.files import sha256_of_file
from components.ingest_videos.store import VideoStore


def stored_videos(store: Path) -> list[Path]:
    return sorted((store / "videos").glob("??/*"))


def partial_files(store: Path) -> list[Path]:
    return sorted((store / "videos" / "partial").glob("*/*"))


def test_a_second_ingest_fetches_nothing_even_from_another_address(
    tmp_path: Path, archive: Path, serving: Any, run: Any
) -> None:
    with serving(archive.parent) as first:
        digest = run(f"{first.url}/UCF101.zip").digest
    moved = shutil.copy(archive, archive.with_name("mirror.zip"))

    with serving(Path(moved).parent) as second:
        again = run(f"{second.url}/mirror.zip", videos="again")

    assert second.asked == []
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


def test_a_store_that_is_no_local_folder_is_refused() -> None:
    with pytest.raises(StepError, match="not a local folder"):
        VideoStore("gs://bucket/store")


def test_two_ingests_share_a_store_at_the_same_time(tmp_path: Path, archive: Path, run: Any) -> None:
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(4) as pool:
        ingested = list(pool.map(lambda number: run(archive, videos=f"videos{number}"), range(4)))

    assert len({one.digest for one in ingested}) == 1
    assert len(stored_videos(tmp_path / "store")) == 36
    assert partial_files(tmp_path / "store") == []
