import json
import shutil
from pathlib import Path

import pytest
from kfp import dsl

from components.contract.accepted import (
    Accepted,
    accepted_root,
    finish_accepted,
    read_baseline,
    run_fingerprint,
)
from components.contract.clips import ClipGeometry
from components.contract.errors import StepError
from components.contract.files import emptied
from components.contract.statistics import finish_statistics, read_statistics
from components.find_baseline.baseline import copy_baseline
from components.find_baseline.component import find_baseline


@pytest.fixture
def serving_dir(tmp_path):
    return str(tmp_path / "models" / "actions")


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "baseline"


def accept(serving_dir, version: int, *, run_key: str = "other", baseline_version: int | None = None) -> None:
    saved_model = emptied(Path(serving_dir) / str(version))
    (saved_model / "saved_model.pb").write_text(f"graph {version}")
    record = emptied(accepted_root(serving_dir) / str(version))
    (emptied(record / "statistics") / "findings.json").write_text("[]\n")
    statistics = finish_statistics(record / "statistics", clips_digest=f"clips {version}", n_clips={"train": 3})
    accepted = Accepted(
        version=version,
        model="small",
        model_digest=f"model {version}",
        clips_digest=f"clips {version}",
        statistics_digest=statistics.digest,
        labels=("run", "sit"),
        geometry=ClipGeometry(n_frames=4, frame_height=24, frame_width=32),
        preparation={"sampler": "even"},
        verdict={"may_push": True},
        run_fingerprint=run_fingerprint(run_key),
        baseline_version=baseline_version,
        pushed_at="2026-01-01T00:00:00.000+00:00",
    )
    finish_accepted(record, accepted)


def test_nothing_accepted_gives_a_finished_folder_without_a_version(serving_dir, folder):
    found = copy_baseline(serving_dir, run_key="key", folder=folder)

    assert found.version is None
    assert read_baseline(folder, digest=found.digest).accepted is None


def test_newest_version_comes_with_its_record_statistics_and_model(serving_dir, folder):
    for version in (2, 9, 10):
        accept(serving_dir, version)

    found = copy_baseline(serving_dir, run_key="key", folder=folder)

    baseline = read_baseline(folder, digest=found.digest)
    assert found.version == 10
    assert baseline.accepted.labels == ("run", "sit")
    assert read_statistics(folder / "statistics").digest == baseline.accepted.statistics_digest
    assert (folder / "saved_model" / "saved_model.pb").read_text() == "graph 10"


def test_repeated_run_compares_with_what_the_first_one_compared_with(serving_dir, folder):
    accept(serving_dir, 1)
    first = copy_baseline(serving_dir, run_key="key", folder=folder)
    accept(serving_dir, 2, run_key="key", baseline_version=1)

    repeated = copy_baseline(serving_dir, run_key="key", folder=folder)

    assert repeated == first
    assert repeated.version == 1


def test_repeated_first_run_has_no_baseline_again(serving_dir, folder):
    first = copy_baseline(serving_dir, run_key="key", folder=folder)
    accept(serving_dir, 1, run_key="key", baseline_version=None)

    repeated = copy_baseline(serving_dir, run_key="key", folder=folder)

    assert repeated == first


def test_repeated_run_whose_baseline_is_gone_compares_with_the_newest(serving_dir, folder, capsys):
    accept(serving_dir, 2, run_key="key", baseline_version=1)

    repeated = copy_baseline(serving_dir, run_key="key", folder=folder)

    assert repeated.version == 2
    assert "Version 1 cannot be compared with again" in capsys.readouterr().out


def test_run_with_other_data_or_parameters_compares_with_the_newest(serving_dir, folder):
    accept(serving_dir, 1)
    accept(serving_dir, 2, run_key="key", baseline_version=1)

    found = copy_baseline(serving_dir, run_key="another key", folder=folder)

    assert found.version == 2


def test_version_that_is_no_longer_served_is_passed_over(serving_dir, folder):
    accept(serving_dir, 1)
    accept(serving_dir, 2)
    shutil.rmtree(Path(serving_dir) / "2")

    found = copy_baseline(serving_dir, run_key="key", folder=folder)

    assert found.version == 1


@pytest.mark.parametrize("damage", ["cut", "nonsense"])
def test_damaged_record_is_passed_over_with_a_sentence_that_names_it(serving_dir, folder, capsys, damage):
    accept(serving_dir, 1)
    accept(serving_dir, 2)
    record = accepted_root(serving_dir) / "2"
    if damage == "cut":
        (record / "accepted.json").write_text("{")
    else:
        (record / "finished.json").write_text("[]")

    found = copy_baseline(serving_dir, run_key="key", folder=folder)

    said = capsys.readouterr().out
    assert found.version == 1
    assert "The record of version 2 is passed over" in said
    assert str(record) in said


def test_digest_does_not_depend_on_where_things_lie(tmp_path):
    for place in ("here", "there/deeper"):
        accept(str(tmp_path / place / "actions"), 1)

    here = copy_baseline(str(tmp_path / "here" / "actions"), run_key="key", folder=tmp_path / "one")
    there = copy_baseline(str(tmp_path / "there/deeper" / "actions"), run_key="key", folder=tmp_path / "two")

    assert here.digest == there.digest


@pytest.mark.parametrize("serving_dir", ["gs://bucket", "s3://bucket/models", "/", ""])
def test_place_that_cannot_be_served_from_is_refused(serving_dir, folder):
    with pytest.raises(StepError, match="The serving directory"):
        copy_baseline(serving_dir, run_key="key", folder=folder)


def test_step_writes_what_it_found_and_its_record(serving_dir, tmp_path):
    accept(serving_dir, 1)

    digest, _ = found_by_step(serving_dir, tmp_path)

    assert read_baseline(tmp_path / "out" / "baseline", digest=digest).accepted.version == 1
    stored = json.loads((tmp_path / "out" / "record" / "step.json").read_text())
    assert stored["outputs"]["baseline"]["digest"] == digest


@pytest.mark.parametrize(
    ("initial_model", "starts_from"),
    [("champion", "{serving_dir}/2"), ("", ""), ("gs://bucket/models/7", "gs://bucket/models/7")],
)
def test_training_starts_from_the_served_version_only_when_asked_to(serving_dir, tmp_path, initial_model, starts_from):
    accept(serving_dir, 1)
    accept(serving_dir, 2)

    _, address = found_by_step(serving_dir, tmp_path, initial_model=initial_model)

    assert address == starts_from.format(serving_dir=serving_dir)


def test_training_starts_from_scratch_where_no_champion_is_served_yet(serving_dir, tmp_path, capsys):
    _, address = found_by_step(serving_dir, tmp_path, initial_model="champion")

    assert address == ""
    assert "Training starts from scratch." in capsys.readouterr().out


def test_repeated_run_starts_from_what_the_first_one_started_from(serving_dir, tmp_path):
    accept(serving_dir, 1)
    accept(serving_dir, 2, run_key="key", baseline_version=1)

    _, address = found_by_step(serving_dir, tmp_path, initial_model="champion")

    assert address == f"{serving_dir}/1"


def found_by_step(serving_dir, tmp_path, *, initial_model: str = "") -> tuple[str, str]:
    return find_baseline.python_func(
        serving_dir=serving_dir,
        run_key="key",
        initial_model=initial_model,
        baseline=dsl.Artifact(uri=str(tmp_path / "out" / "baseline")),
        record=dsl.Artifact(uri=str(tmp_path / "out" / "record")),
    )
