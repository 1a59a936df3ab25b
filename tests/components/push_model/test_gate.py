import json
import multiprocessing
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from kfp import dsl

from components.contract.accepted import accepted_root, read_accepted
from components.contract.errors import StepError
from components.contract.statistics import read_statistics
from components.push_model import folder_publication
from components.push_model.component import push_model
from components.push_model.gate import Pushed, push, read_candidate
from components.serving.directory import ServingDirectory


def pushed(judged, serving_dir, *, folder=None) -> Pushed:
    candidate = read_candidate(**judged.arguments)
    return push(
        candidate, serving_dir=serving_dir, run_key="key", folder=folder or judged.root / "pushed", check=serves
    )


def serves(model: Path) -> None:
    assert (model / "saved_model" / "saved_model.pb").is_file()


def served_version(serving_dir) -> int | None:
    record = ServingDirectory(serving_dir).served(warn=print)
    return record.version if record else None


def versions(serving_dir) -> list[str]:
    return sorted(path.name for path in Path(serving_dir).iterdir())


def test_model_with_a_passing_verdict_becomes_version_1_with_a_record(judge, serving_dir):
    judged = judge()

    result = pushed(judged, serving_dir)

    assert (result.pushed, result.version) == (True, 1)
    assert result.reason == f"Version 1 is served from {serving_dir}."
    served = Path(serving_dir) / "1"
    assert (served / "variables" / "variables.index").read_bytes() == b"a" * 1000
    record = read_accepted(accepted_root(serving_dir) / "1")
    assert record.model_digest == judged.model_digest
    assert record.labels == ("run", "sit")
    statistics = read_statistics(accepted_root(serving_dir) / "1" / "statistics")
    assert statistics.digest == record.statistics_digest
    assert not list((accepted_root(serving_dir) / "staging").iterdir())


def test_serving_directory_holds_nothing_but_versions(judge, serving_dir):
    pushed(judge("a"), serving_dir)
    pushed(judge("b"), serving_dir)

    assert versions(serving_dir) == ["1", "2"]


def test_refused_model_is_recorded_with_its_reason_and_nothing_is_published(judge, serving_dir):
    judged = judge(may_push=False)

    result = pushed(judged, serving_dir)

    stored = json.loads((judged.root / "pushed" / "pushed.json").read_text())
    assert stored["pushed"] is False
    assert stored["version"] is None
    assert "less than the 0.80 asked for" in stored["reason"]
    assert result.metrics == {"pushed": 0}
    assert not Path(serving_dir).exists()


def test_same_model_twice_is_published_once(judge, serving_dir):
    judged = judge()
    pushed(judged, serving_dir)

    second = pushed(judged, serving_dir)

    assert (second.pushed, second.version) == (False, 1)
    assert second.reason == "Already served as version 1."
    assert versions(serving_dir) == ["1"]


def test_same_result_has_the_same_digest(judge, serving_dir):
    judged = judge()
    pushed(judged, serving_dir)

    second = pushed(judged, serving_dir)
    third = pushed(judged, serving_dir, folder=judged.root / "elsewhere")

    assert second.digest == third.digest


def test_verdict_about_another_model_is_refused(judge, serving_dir):
    judged = judge(about="f" * 64)

    with pytest.raises(StepError, match="about the model ffffffffffff"):
        pushed(judged, serving_dir)

    assert not Path(serving_dir).exists()


def test_number_of_a_removed_version_is_not_given_again(judge, serving_dir, tmp_path):
    pushed(judge("a"), serving_dir)
    pushed(judge("b"), serving_dir)
    (Path(serving_dir) / "2").rename(tmp_path / "removed_model")
    (accepted_root(serving_dir) / "2").rename(tmp_path / "removed_record")

    result = pushed(judge("c"), serving_dir)

    assert result.version == 3


def test_version_that_somebody_put_there_is_not_touched(judge, serving_dir):
    theirs = Path(serving_dir) / "7"
    theirs.mkdir(parents=True)
    (theirs / "saved_model.pb").write_text("theirs")

    result = pushed(judge(), serving_dir)

    assert result.version == 8
    assert (theirs / "saved_model.pb").read_text() == "theirs"


def test_folder_that_appears_under_the_claimed_number_is_not_overwritten(judge, serving_dir, monkeypatch):
    theirs = Path(serving_dir) / "1"
    stage_record = folder_publication._stage_record

    def stage_while_somebody_copies(*arguments, **options):
        theirs.mkdir()
        (theirs / "saved_model.pb").write_text("theirs")
        stage_record(*arguments, **options)

    monkeypatch.setattr(folder_publication, "_stage_record", stage_while_somebody_copies)

    with pytest.raises(StepError, match="nothing was overwritten"):
        pushed(judge(), serving_dir)

    assert (theirs / "saved_model.pb").read_text() == "theirs"
    assert served_version(serving_dir) is None


def test_model_changed_while_it_was_copied_is_not_published(judge, serving_dir, monkeypatch):
    copytree = folder_publication.shutil.copytree

    def copy_badly(source, target, *options):
        copytree(source, target, *options)
        saved_model = Path(target) / "saved_model.pb"
        if saved_model.exists():
            saved_model.write_bytes(b"cut")

    monkeypatch.setattr(folder_publication.shutil, "copytree", copy_badly)

    with pytest.raises(StepError, match=r"these files differ: saved_model\.pb"):
        pushed(judge(), serving_dir)

    assert versions(serving_dir) == []


def push_in_a_process(judged, serving_dir, start):
    start.wait()
    pushed(judged, serving_dir)


def test_eight_pushes_at_once_give_eight_versions(judge, serving_dir):
    judged = [judge(f"model{number}") for number in range(8)]
    context = multiprocessing.get_context("fork")
    start = context.Event()
    processes = [context.Process(target=push_in_a_process, args=(one, serving_dir, start)) for one in judged]

    for process in processes:
        process.start()
    start.set()
    for process in processes:
        process.join()

    assert [process.exitcode for process in processes] == [0] * 8
    assert versions(serving_dir) == [str(number) for number in range(1, 9)]
    records = [read_accepted(accepted_root(serving_dir) / str(number)) for number in range(1, 9)]
    assert {record.model_digest for record in records} == {one.model_digest for one in judged}
    for record in records:
        served = (Path(serving_dir) / str(record.version) / "saved_model.pb").read_bytes()
        assert served in {f"graph model{number}".encode() for number in range(8)}


KILLED = """
import os, signal, sys
from pathlib import Path
from components.push_model import folder_publication
from components.push_model.gate import push, read_candidate

rename, left = os.rename, int(sys.argv[1])
def rename_then_die(source, target):
    global left
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    left -= 1
    rename(source, target)
folder_publication.os.rename = rename_then_die
root = Path(sys.argv[2])
candidate = read_candidate(
    model=root / "model", model_digest="", evaluation=root / "evaluation", evaluation_digest="",
    statistics=root / "statistics",
)
push(candidate, serving_dir=sys.argv[3], run_key="key", folder=root / "pushed", check=print)
"""


def push_killed_before_rename(number: int, judged, serving_dir) -> None:
    repository = Path(folder_publication.__file__).parents[2]
    command = [sys.executable, "-c", KILLED, str(number), str(judged.root), serving_dir]
    ended = subprocess.run(command, env={**os.environ, "PYTHONPATH": str(repository)}, check=False)
    assert ended.returncode == -signal.SIGKILL


def test_push_killed_before_it_published_leaves_nothing_to_serve_and_the_next_one_tidies_up(judge, serving_dir):
    judged = judge()
    push_killed_before_rename(0, judged, serving_dir)
    served_after_the_kill = versions(serving_dir)

    result = pushed(judged, serving_dir)

    assert served_after_the_kill == []
    assert (result.pushed, result.version) == (True, 2)
    assert versions(serving_dir) == ["2"]
    assert not list((accepted_root(serving_dir) / "staging").iterdir())


def test_push_killed_between_model_and_record_is_finished_by_the_next_one(judge, serving_dir):
    judged = judge()
    push_killed_before_rename(1, judged, serving_dir)
    served_after_the_kill = versions(serving_dir)
    accepted_after_the_kill = served_version(serving_dir)

    result = pushed(judged, serving_dir)

    assert served_after_the_kill == ["1"]
    assert accepted_after_the_kill is None
    assert (result.pushed, result.version) == (False, 1)
    assert versions(serving_dir) == ["1"]
    assert read_accepted(accepted_root(serving_dir) / "1").model_digest == judged.model_digest


def test_push_that_still_runs_is_not_tidied_away(judge, serving_dir):
    pushed(judge("a"), serving_dir)
    root = accepted_root(serving_dir)

    with folder_publication._claimed_version(ServingDirectory(serving_dir), root) as version:
        (root / "staging" / str(version) / "model").mkdir(parents=True)
        folder_publication.finish_interrupted(root)
        while_it_runs = (root / "staging" / str(version)).exists()
    folder_publication.finish_interrupted(root)

    assert while_it_runs
    assert not (root / "staging" / str(version)).exists()


def test_step_publishes_and_leaves_its_outputs(judge, serving_dir, tmp_path, monkeypatch):
    monkeypatch.setattr("components.push_model.infra_validation.check_it_serves", lambda model, limits: serves(model))
    judged = judge()
    outputs = {name: tmp_path / "out" / name for name in ("pushed", "report", "record")}

    digest = push_model.python_func(
        model=dsl.Model(uri=str(judged.root / "model")),
        model_digest=judged.model_digest,
        evaluation=dsl.Artifact(uri=str(judged.root / "evaluation")),
        evaluation_digest=judged.evaluation_digest,
        statistics=dsl.Artifact(uri=str(judged.root / "statistics")),
        serving_dir=serving_dir,
        run_key="key",
        pushed=dsl.Artifact(uri=str(outputs["pushed"])),
        report=dsl.Metrics(uri=str(outputs["report"])),
        record=dsl.Artifact(uri=str(outputs["record"])),
    )

    assert json.loads((outputs["pushed"] / "finished.json").read_text())["digest"] == digest
    assert json.loads((outputs["pushed"] / "pushed.json").read_text())["version"] == 1
    assert json.loads(outputs["report"].read_text()) == {"pushed": 1, "version": 1}
    assert json.loads((outputs["record"] / "step.json").read_text())["status"] == "succeeded"
