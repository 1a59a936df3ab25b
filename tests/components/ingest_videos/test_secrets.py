import shutil
from pathlib import Path
from typing import Any

import pytest
from kfp.dsl import Artifact, Dataset, Metrics

from components.contract.errors import StepError
from components.ingest_videos.component import ingest_videos


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
        server.faults.always = "503"
        step(f"{server.url}/UCF101.zip{signed}")
        server.faults.always = "cut"
        step(f"{server.url}/UCF101.zip{signed}")
    step(f"{server.url}/UCF101.zip{signed}")
    step(f"http://user:s3cret@[bad/UCF101.zip{signed}")

    assert sum("127.0.0.1" in text for text in shown) >= 5
    assert not [text for text in shown if "s3cret" in text]
