"""Ingests that are killed at random, and the one that goes on."""

import os
import random
import signal
import subprocess
import sys
import time
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

from components.contract.files import sha256_of_file
from components.contract.videos import read_manifest

_N_KILLS = 10
_WORKERS = 4
_CODE = """
import sys
from pathlib import Path
from components.ingest_videos.ingest import ingest
from components.ingest_videos.selection import Selection
from components.ingest_videos.splits import Shares
url, videos, store, classes = sys.argv[1:]
selection = Selection(classes=tuple(classes.split()), videos_per_class=0, shares=Shares(validation=0.15, test=0.15))
print("begun", flush=True)
ingest(url, Path(videos), store_dir=store, source_type="auto", fetch_workers=4, selection=selection)
"""


def _started(url: str, tmp_path: Path, classes: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", _CODE, url, str(tmp_path / "killed"), str(tmp_path / "store"), classes],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
        text=True,
    )


def _killed_at_random(url: str, tmp_path: Path, *, classes: str, longest_s: float) -> None:
    """Start an ingest ten times and kill it each time; then let one end."""
    chance = random.Random(0)
    for _ in range(_N_KILLS):
        with _started(url, tmp_path, classes) as process:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(chance.uniform(0, longest_s))
            process.send_signal(signal.SIGKILL)
        assert not (tmp_path / "killed" / "finished.json").exists()
    with _started(url, tmp_path, classes) as process:
        process.communicate()
    assert process.returncode == 0


def _left_overs(store: Path) -> list[Path]:
    return [*(store / "videos" / "partial").glob("*/*"), *(store / "videos" / "archives").glob("*.[jpz]*")]


def test_after_ten_kills_the_result_is_the_same_and_no_member_was_fetched_twice_but_those_in_flight(
    tmp_path: Path, write_zip: Any, serving: Any, run: Any
) -> None:
    (tmp_path / "www").mkdir()
    archive = write_zip(tmp_path / "www" / "UCF101.zip", classes=("Archery", "SitDown", "YoYo"), n_groups=25, n_clips=8)
    expected = run(archive, store="near", classes=("SitDown",))
    with serving(archive.parent) as server:
        server.faults.delay_s = 0.08

        _killed_at_random(f"{server.url}/UCF101.zip", tmp_path, classes="SitDown", longest_s=0.8)

    asked = Counter(server.asked)
    assert read_manifest(tmp_path / "killed", digest=expected.digest).labels == ("SitDown",)
    assert len(asked) == 200
    assert 0 < sum(asked.values()) - len(asked) <= _N_KILLS * _WORKERS
    stored = sorted((tmp_path / "store" / "videos").glob("??/*"))
    assert len(stored) == 200
    assert all(sha256_of_file(path) == path.stem for path in stored)
    assert _left_overs(tmp_path / "store") == []


def test_after_ten_kills_a_download_has_gone_on_where_it_was(tmp_path: Path, serving: Any, run: Any) -> None:
    (tmp_path / "www").mkdir()
    noise = random.Random(0)
    with zipfile.ZipFile(tmp_path / "www" / "UCF101.zip", "w") as archive:
        for group in range(1, 25):
            archive.writestr(f"UCF101/v_SitDown_g{group:02d}_c01.avi", noise.randbytes(1 << 20))
    expected = run(tmp_path / "www" / "UCF101.zip", store="near")
    with serving(tmp_path / "www") as server:
        server.faults.bytes_per_s = 8 << 20

        _killed_at_random(f"{server.url}/UCF101.zip", tmp_path, classes="", longest_s=0.4)

    starts = [int(asked.removeprefix("bytes=")[:-1] or 0) for asked in server.asked]
    assert read_manifest(tmp_path / "killed", digest=expected.digest).labels == ("SitDown",)
    assert starts == sorted(starts)
    assert starts[-1] > 1 << 20
    assert _left_overs(tmp_path / "store") == []
