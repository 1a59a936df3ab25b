import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipelines.console import Console
from pipelines.local_run import StepFailedError, resume, start
from pipelines.parameters import ParameterError
from pipelines.runs import Run, find_run
from pipelines.workspace import Workspace, WorkspaceError


def statuses(run: Run) -> dict[str, str]:
    return {state.step: state.status for state in run.steps}


def test_run_executes_the_compiled_pipeline_and_records_each_step(
    workspace: Workspace, compiled: Path, numbers: Path, console: Console
) -> None:
    run = start(workspace, {"source": str(numbers), "start": 10}, console=console, compiled=compiled)

    assert run.status == "succeeded"
    assert statuses(run) == {"list_numbers": "succeeded", "add_numbers": "succeeded", "show_total": "succeeded"}
    record = run.record("add_numbers")
    assert record is not None
    assert record["status"] == "succeeded"
    assert record["metrics"] == {"total": 16}
    assert record["parameters"]["start"] == 10
    assert record["inputs"]["numbers"]["digest"] == record["parameters"]["numbers_digest"]
    assert find_run(workspace, "latest") == run


def test_same_run_again_hits_the_cache_by_digest_even_when_the_source_moved(
    workspace: Workspace, compiled: Path, numbers: Path, tmp_path: Path, console: Console
) -> None:
    start(workspace, {"source": str(numbers)}, console=console, compiled=compiled)
    moved = numbers.rename(tmp_path / "moved.txt")

    again = start(workspace, {"source": str(moved)}, console=console, compiled=compiled)

    assert statuses(again) == {"list_numbers": "succeeded", "add_numbers": "cached", "show_total": "cached"}


def test_changed_source_runs_what_depends_on_it(
    workspace: Workspace, compiled: Path, numbers: Path, console: Console
) -> None:
    start(workspace, {"source": str(numbers)}, console=console, compiled=compiled)
    numbers.write_text("1\n2\n3\n4\n")

    again = start(workspace, {"source": str(numbers)}, console=console, compiled=compiled)

    assert set(statuses(again).values()) == {"succeeded"}


def test_changed_code_of_a_step_runs_that_step(
    workspace: Workspace, compiled: Path, numbers: Path, console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    start(workspace, {"source": str(numbers)}, console=console, compiled=compiled)
    monkeypatch.setattr(
        "pipelines.local_run.step_code_digest", lambda step: "changed" if step == "add_numbers" else step
    )
    start(workspace, {"source": str(numbers)}, console=console, compiled=compiled)
    monkeypatch.setattr(
        "pipelines.local_run.step_code_digest", lambda step: "changed again" if step == "add_numbers" else step
    )

    again = start(workspace, {"source": str(numbers)}, console=console, compiled=compiled)

    # its bytes came out the same, so what follows has nothing new
    assert statuses(again) == {"list_numbers": "succeeded", "add_numbers": "succeeded", "show_total": "cached"}


def test_lost_output_is_made_again(workspace: Workspace, compiled: Path, numbers: Path, console: Console) -> None:
    run = start(workspace, {"source": str(numbers)}, console=console, compiled=compiled)
    total = run.step("add_numbers").output_path("total")
    assert total is not None
    total.rename(total.with_name("elsewhere"))

    again = start(workspace, {"source": str(numbers)}, console=console, compiled=compiled)

    assert statuses(again)["add_numbers"] == "succeeded"


def test_user_error_in_a_step_names_step_reason_and_remedy(
    workspace: Workspace, compiled: Path, tmp_path: Path, console: Console
) -> None:
    with pytest.raises(StepFailedError) as failure:
        start(workspace, {"source": str(tmp_path / "absent")}, console=console, compiled=compiled)

    assert failure.value.state.step == "list_numbers"
    assert failure.value.reason == f"There is no file {tmp_path / 'absent'}."
    assert failure.value.remedy == "Give a file that exists."
    assert find_run(workspace, "latest").status == "failed"


def test_failed_run_resumes_after_its_finished_steps(
    workspace: Workspace, compiled: Path, tmp_path: Path, numbers: Path, console: Console
) -> None:
    source = tmp_path / "late.txt"
    source.write_text("1\nx\n")
    with pytest.raises(StepFailedError, match="ValueError"):
        start(workspace, {"source": str(source)}, console=console, compiled=compiled)
    failed = find_run(workspace, "latest")
    listed = failed.step("list_numbers").output_path("numbers")
    assert listed is not None

    with pytest.raises(StepFailedError):
        resume(workspace, failed, console=console, compiled=compiled)

    again = find_run(workspace, "latest")
    assert again.name == failed.name
    assert statuses(again) == {"list_numbers": "resumed", "add_numbers": "failed"}


def test_finished_run_has_nothing_to_resume(
    workspace: Workspace, compiled: Path, numbers: Path, console: Console
) -> None:
    run = start(workspace, {"source": str(numbers)}, console=console, compiled=compiled)

    with pytest.raises(WorkspaceError, match="nothing to resume"):
        resume(workspace, run, console=console, compiled=compiled)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_ends_the_running_step_too_and_the_run_resumes(
    workspace: Workspace, compiled: Path, numbers: Path, console: Console, number: signal.Signals
) -> None:
    process = _started(workspace, compiled, numbers, wait_s=60.0)
    log = _wait_for_sleep(workspace)

    process.send_signal(number)
    process.communicate(timeout=30)

    interrupted = find_run(workspace, "latest")
    assert interrupted.status == "interrupted"
    assert not _processes_that_name(str(interrupted.folder))
    assert "sleeping 60.0" in log.read_text()
    interrupted.parameters["wait_s"] = 0.0
    resumed = resume(workspace, interrupted, console=console, compiled=compiled)
    assert statuses(resumed) == {"list_numbers": "resumed", "add_numbers": "resumed", "show_total": "succeeded"}


def test_run_that_was_killed_leaves_no_step_behind_and_resumes_to_the_same_digests(
    workspace: Workspace, compiled: Path, numbers: Path, console: Console, tmp_path: Path
) -> None:
    given = {"source": str(numbers), "wait_s": 3.0}
    undisturbed = start(Workspace.at(str(tmp_path / "other")), given, console=console, compiled=compiled)
    process = _started(workspace, compiled, numbers, wait_s=3.0)
    _wait_for_sleep(workspace)

    process.kill()
    process.communicate(timeout=30)
    killed = find_run(workspace, "latest")
    _wait_until_gone(str(killed.folder))
    status = killed.seen_status()
    resumed = resume(workspace, killed, console=console, compiled=compiled)

    assert status == "died"
    assert statuses(resumed) == {"list_numbers": "resumed", "add_numbers": "resumed", "show_total": "succeeded"}
    assert _digests(resumed) == _digests(undisturbed)


def test_process_that_got_the_number_of_a_killed_run_does_not_hold_it_up(
    workspace: Workspace, compiled: Path, numbers: Path, console: Console
) -> None:
    with pytest.raises(StepFailedError):
        start(workspace, {"source": str(numbers), "broken": True}, console=console, compiled=compiled)
    killed = find_run(workspace, "latest")
    killed.status, killed.parameters["broken"] = "running", False
    with subprocess.Popen(["sleep", "60"]) as other:
        own_start, killed.pid = killed.pid_started, other.pid
        killed.save()

        resumed = resume(workspace, find_run(workspace, "latest"), console=console, compiled=compiled)

        other.kill()
    assert resumed.status == "succeeded"
    assert (resumed.pid, resumed.pid_started) == (os.getpid(), own_start)


def test_run_that_still_runs_is_not_resumed(
    workspace: Workspace, compiled: Path, numbers: Path, console: Console
) -> None:
    process = _started(workspace, compiled, numbers, wait_s=60.0)
    _wait_for_sleep(workspace)

    with pytest.raises(WorkspaceError, match="still runs"):
        resume(workspace, find_run(workspace, "latest"), console=console, compiled=compiled)

    process.terminate()
    process.communicate(timeout=30)


def test_ill_typed_and_unknown_parameters_are_refused_before_anything_runs(
    workspace: Workspace, compiled: Path, console: Console
) -> None:
    with pytest.raises(ParameterError) as refusal:
        start(workspace, {"strat": 1, "start": "many"}, console=console, compiled=compiled)

    assert "There is no parameter strat. Did you mean start?" in str(refusal.value)
    assert "start must be a whole number, not 'many'." in str(refusal.value)
    assert "source is missing" in str(refusal.value)
    assert not workspace.runs.exists()


def test_path_that_kfp_would_rewrite_is_refused(
    tmp_path: Path, workspace: Workspace, compiled: Path, console: Console
) -> None:
    with pytest.raises(WorkspaceError, match="python3"):
        Workspace.at(str(tmp_path / "python3" / "work"))
    with pytest.raises(WorkspaceError, match="parameter source"):
        start(workspace, {"source": "/data/python3/videos"}, console=console, compiled=compiled)


def test_step_that_dies_without_a_word_is_told_apart_from_an_error(
    workspace: Workspace, compiled: Path, numbers: Path, console: Console
) -> None:
    def kill_step() -> None:
        _wait_for_sleep(workspace)
        for pid in _processes_that_name(str(workspace.root)):
            os.kill(pid, signal.SIGKILL)

    import threading

    killer = threading.Thread(target=kill_step)
    killer.start()
    with pytest.raises(StepFailedError, match="ended without a word"):
        start(workspace, {"source": str(numbers), "wait_s": 60.0}, console=console, compiled=compiled)
    killer.join()


def test_runs_with_other_parameters_leave_the_first_record_alone(
    workspace: Workspace, compiled: Path, numbers: Path, console: Console
) -> None:
    first = start(workspace, {"source": str(numbers)}, console=console, compiled=compiled)
    before = (first.folder / "run.json").read_bytes()

    start(workspace, {"source": str(numbers), "start": 5}, console=console, compiled=compiled)

    assert (first.folder / "run.json").read_bytes() == before
    assert json.loads(before)["status"] == "succeeded"


def _started(workspace: Workspace, compiled: Path, numbers: Path, *, wait_s: float) -> "subprocess.Popen[str]":
    program = (
        "import sys; from pathlib import Path; from pipelines.console import Console; "
        "from pipelines.local_run import start; from pipelines.workspace import Workspace; "
        "start(Workspace.at(sys.argv[1]), {'source': sys.argv[2], 'wait_s': float(sys.argv[4])}, console=Console(), "
        "compiled=Path(sys.argv[3]))"
    )
    command = [sys.executable, "-c", program, str(workspace.root), str(numbers), str(compiled), str(wait_s)]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)


def _digests(run: Run) -> dict[str, str]:
    return {state.step: state.outputs["Output"] for state in run.steps}


def _wait_until_gone(text: str) -> None:
    deadline = time.monotonic() + 1.5
    while _processes_that_name(text):
        assert time.monotonic() < deadline, "the step outlives its run"
        time.sleep(0.05)


def _wait_for_sleep(workspace: Workspace) -> Path:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        for log in workspace.runs.glob("*/logs/show_total.log"):
            if "sleeping" in log.read_text():
                return log
        time.sleep(0.1)
    raise TimeoutError("the last step never started")


def _processes_that_name(text: str) -> list[int]:
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            arguments = (folder / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if int(folder.name) != os.getpid() and any(text.encode() in argument for argument in arguments[3:]):
            found.append(int(folder.name))
    return found
