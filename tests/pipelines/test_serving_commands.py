import json
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from components.contract.accepted import Accepted, finish_accepted
from components.contract.clips import ClipGeometry
from components.contract.files import emptied
from components.serving.directory import ServingDirectory
from pipelines.cli import main


@pytest.fixture
def serving_dir(tmp_path: Path) -> str:
    """A serving directory of three versions, the newest served."""
    directory = ServingDirectory(str(tmp_path / "models" / "actions"))
    for version in (1, 2, 3):
        accepted = Accepted(
            version=version,
            model="small",
            model_digest=f"{version}" * 64,
            clips_digest="clips",
            statistics_digest="statistics",
            labels=("run", "sit"),
            geometry=ClipGeometry(n_frames=4, frame_height=24, frame_width=32),
            preparation={},
            verdict={"may_push": True, "scores": {"accuracy": 0.9}},
            run_fingerprint="fingerprint",
            baseline_version=None,
            pushed_at="2026-01-01T00:00:00.000+00:00",
        )
        directory.models.create(f"{version}/saved_model.pb", b"graph")
        finish_accepted(emptied(Path(directory.records.uri) / str(version)), accepted)
        directory.serve(version, by="push", why=f"reason {version}")
    return directory.uri


def run(*arguments: str):
    return CliRunner().invoke(main, [*arguments])


def test_models_are_listed_with_since_when_and_why(serving_dir: str) -> None:
    listed = json.loads(run("models", "--serving-dir", serving_dir, "--json").stdout)

    assert [(row["version"], row["served"], row["why"]) for row in listed] == [
        (3, True, "reason 3"),
        (2, False, "reason 2"),
        (1, False, "reason 1"),
    ]
    assert "▶" in run("models", "--serving-dir", serving_dir).stdout


def test_rollback_serves_the_version_before_and_says_so_in_the_list_and_the_servers_config(serving_dir: str) -> None:
    rolled_back = run("rollback", "--why", "it is slow", "--serving-dir", serving_dir)

    listed = json.loads(run("models", "--serving-dir", serving_dir, "--json").stdout)
    config = run("models", "--serving-dir", serving_dir, "--for", "tf-serving", "--base-path", "/models/actions").stdout
    assert rolled_back.exit_code == 0
    assert f"Version 2 is served from {serving_dir}." in rolled_back.stdout
    assert [row["version"] for row in listed if row["served"]] == [2]
    assert listed[0]["why"] == "Rolled back: it is slow"
    assert "specific { versions: 2 }" in config
    assert 'base_path: "/models/actions"' in config


def test_kserve_manifest_names_the_served_version(serving_dir: str) -> None:
    printed = run(
        "models", "--serving-dir", serving_dir, "--for", "kserve", "--base-path", "pvc://models/actions"
    ).stdout

    assert yaml.safe_load(printed)["spec"]["predictor"]["model"]["storageUris"][0]["uri"] == "pvc://models/actions/3"


@pytest.mark.parametrize("version", ["9", "3"])
def test_rollback_to_what_is_not_there_or_served_fails_with_a_remedy(serving_dir: str, version: str) -> None:
    refused = run("rollback", version, "--why", "x", "--serving-dir", serving_dir)

    assert refused.exit_code == 1
    assert "Remedy: Give one of 1, 2, 3." in refused.stderr


def test_nothing_served_is_said(tmp_path: Path) -> None:
    empty = run("models", "--serving-dir", str(tmp_path / "models"))
    config = run("models", "--serving-dir", str(tmp_path / "models"), "--for", "kserve")

    assert "No version in" in empty.stdout
    assert config.exit_code == 1
    assert "Nothing is served from" in config.stderr


def test_predict_without_a_model_or_a_video_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no video")

    no_video = run("predict", str(tmp_path), str(tmp_path))
    missing = run("predict", str(tmp_path), str(tmp_path / "missing.mp4"))

    assert no_video.exit_code == 2
    assert "There is no video in" in no_video.stderr
    assert missing.exit_code == 2
    assert "is not there" in missing.stderr
