import shutil
from pathlib import Path
from typing import Any

import pytest
from kfp.dsl import Artifact, Dataset, Metrics

from components.contract.errors import StepError
from components.ingest_videos.access import address_of
from components.ingest_videos.archive import open_archive
from components.ingest_videos.component import ingest_videos


def test_nothing_that_is_kept_or_shown_holds_what_an_address_is_signed_with(
    tmp_path: Path, archive: Path, serving: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("components.ingest_videos.retrying._WAITS_S", (0.0, 0.0))
    shown = []

    def step(source: str, *, source_auth_env: str = "") -> None:
        outputs = {
            "videos": Dataset(uri=str(tmp_path / "out" / "videos")),
            "report": Metrics(uri=str(tmp_path / "out" / "report")),
            "record": Artifact(uri=str(tmp_path / "out" / "record")),
        }
        try:
            ingest_videos.python_func(
                source=source, store_dir=str(tmp_path / "store"), source_auth_env=source_auth_env, **outputs
            )
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
        monkeypatch.setenv("SIGNED_URL", f"{server.url}/UCF101.zip{signed}")
        monkeypatch.setenv("SOURCE_AUTHORIZATION", "Bearer s3cret")
        step("env:SIGNED_URL", source_auth_env="SOURCE_AUTHORIZATION")
        assert server.authorizations == {"", "Bearer s3cret"}
        shutil.rmtree(tmp_path / "store")
        server.faults.always = "503"
        step("env:SIGNED_URL", source_auth_env="SOURCE_AUTHORIZATION")
        step(f"{server.url}/UCF101.zip{signed}")
        server.faults.always = "cut"
        step(f"{server.url}/UCF101.zip{signed}")
    step(f"{server.url}/UCF101.zip{signed}")
    step(f"http://user:s3cret@[bad/UCF101.zip{signed}")

    assert sum("127.0.0.1" in text for text in shown) >= 5
    assert not [text for text in shown if "s3cret" in text]


@pytest.mark.parametrize(
    ("value", "message"),
    [(None, "'SIGNED_URL', which is not set"), ("", "which is not set"), ("a\nb", "characters that no request can")],
)
def test_a_variable_that_holds_no_secret_is_named(
    monkeypatch: pytest.MonkeyPatch, value: str | None, message: str
) -> None:
    monkeypatch.delenv("SIGNED_URL", raising=False)
    if value is not None:
        monkeypatch.setenv("SIGNED_URL", value)

    with pytest.raises(StepError, match=message):
        address_of("env:SIGNED_URL")


def test_an_authorization_does_not_travel_unencrypted() -> None:
    with pytest.raises(StepError, match=r"http://host/a.zip would travel unencrypted") as raised:
        open_archive("http://host/a.zip?X-Signature=s3cret", authorization="Bearer s3cret")

    assert "s3cret" not in str(raised.value)


def test_an_authorization_is_not_handed_on_to_another_host(archive: Path, serving: Any) -> None:
    with serving(archive.parent) as other, serving(archive.parent) as server:
        server.redirect = other.url.replace("127.0.0.1", "localhost")
        open_archive(f"{server.url}/UCF101.zip", authorization="Bearer s3cret").close()

    assert server.authorizations == {"Bearer s3cret"}
    assert other.authorizations == {""}
