import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from kfp.dsl import Artifact, Dataset, Input, Metrics, Output

from components.contract.errors import StepError
from components.contract.finished import finish
from components.contract.progress import Progress
from components.contract.step_record import Terminated, step_record


def work(
    given: Input[Dataset],
    left: Output[Dataset],
    report: Output[Metrics],
    record: Output[Artifact],
    ending: str,
    size: int = 3,
) -> None:
    with step_record(work, locals()) as step:
        Path(left.path).mkdir()
        finish(Path(left.path), kind="left", properties={"size": size})
        step.log_metrics(report, {"size": size})
        _ENDINGS[ending]()


def run(tmp_path: Path, *, ending: str) -> dict[str, Any]:
    (tmp_path / "given").mkdir()
    given = finish(tmp_path / "given", kind="given", properties={})
    artifacts = {"given": Dataset, "left": Dataset, "report": Metrics, "record": Artifact}
    made = {name: kind(name=name, uri=str(tmp_path / name)) for name, kind in artifacts.items()}
    try:
        work(**made, ending=ending)
    except BaseException as error:
        raised: BaseException | None = error
    else:
        raised = None
    record: dict[str, Any] = json.loads((tmp_path / "record" / "step.json").read_text())
    assert record["inputs"] == {"given": {"uri": str(tmp_path / "given"), "digest": given.digest}}
    assert (raised is None) == (record["status"] == "succeeded")
    return record


def test_record_of_a_step_that_ended_well(tmp_path: Path) -> None:
    record = run(tmp_path, ending="nothing")

    assert record["step"] == "work"
    assert record["parameters"]["size"] == 3
    assert record["metrics"] == {"size": 3}
    assert record["outputs"]["left"]["digest"]
    assert json.loads((tmp_path / "report").read_text()) == {"size": 3}
    assert record["peak_memory_bytes"] > 1_000_000
    assert record["seconds"] >= 0


def test_error_of_a_user_is_recorded_with_its_remedy(tmp_path: Path) -> None:
    record = run(tmp_path, ending="user_error")

    assert record["status"] == "failed"
    assert record["error"] == {"type": "StepError", "message": "No video.", "remedy": "Give one."}


def test_bug_is_recorded_with_its_type_and_without_a_remedy(tmp_path: Path) -> None:
    record = run(tmp_path, ending="bug")

    assert record["error"] == {"type": "ZeroDivisionError", "message": "planted", "remedy": None}


def test_terminated_step_says_so_and_the_old_handler_is_back(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGTERM)

    record = run(tmp_path, ending="terminated")

    assert record["error"]["type"] == "Terminated"
    assert signal.getsignal(signal.SIGTERM) == before


def test_progress_tells_count_rate_and_time_left(capsys: pytest.CaptureFixture[str]) -> None:
    times = iter([0.0, 0.5, 2.0, 4.0])
    progress = Progress("videos", 4, clock=lambda: next(times))

    progress.add()
    progress.add()
    progress.add(2, detail="3 MB")

    assert capsys.readouterr().out.splitlines() == [
        "progress: 2/4 videos · 1.0/s · 2 s left",
        "progress: 4/4 videos · 1.0/s · 3 MB",
    ]


def _nothing() -> None:
    return


def _user_error() -> None:
    raise StepError("No video.", remedy="Give one.")


def _bug() -> None:
    raise ZeroDivisionError("planted")


def _terminated() -> None:
    os.kill(os.getpid(), signal.SIGTERM)
    signal.pause()
    raise AssertionError(Terminated)


_ENDINGS: dict[str, Callable[[], None]] = {
    "nothing": _nothing,
    "user_error": _user_error,
    "bug": _bug,
    "terminated": _terminated,
}
