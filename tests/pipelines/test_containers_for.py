from pathlib import Path

import pytest

from pipelines.containers import Image, containers_for
from pipelines.workspace import Workspace

IMAGE = Image(name="reelflow:0", digest="sha256:0", code_digest="")


def containers(tmp_path: Path, **parameters: str):
    own = {"store_dir": str(tmp_path / "work/store"), "serving_dir": str(tmp_path / "work/serving/model")}
    return containers_for(Workspace.at(str(tmp_path / "work")), {**own, **parameters}, IMAGE)


def test_list_is_mounted_with_the_videos_beside_it(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data/list.csv").write_text("path,label\n")

    assert containers(tmp_path, source=str(tmp_path / "data/list.csv")).readable == (tmp_path / "data",)
    assert containers(tmp_path, source=str(tmp_path / "data")).readable == (tmp_path / "data",)


def test_variables_that_parameters_name_reach_the_container_and_nothing_else_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)

    given = containers(tmp_path, source="env:SIGNED_URL", source_auth_env="TOKEN", other_env="")

    assert given.secrets == ("SIGNED_URL", "TOKEN")
    assert given.readable == ()
