"""What is checked before a cluster is asked: cron, schedule files, and what is read from a run."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pipelines.cluster.cron import CronError, six_fields
from pipelines.cluster.schedule_file import ScheduleError, read_schedules
from pipelines.cluster.watching import steps_of
from pipelines.parameters import ParameterError


@pytest.mark.parametrize(
    ("cron", "six"),
    [
        ("0 3 * * *", "0 0 3 * * *"),
        ("15 0 3 * * *", "15 0 3 * * *"),
        ("*/15 9-17 * JAN,jul MON-FRI", "0 */15 9-17 * JAN,jul MON-FRI"),
        ("  0   3 ? * 0 ", "0 0 3 ? * 0"),
    ],
)
def test_five_fields_get_the_second_0_and_six_stay(cron: str, six: str) -> None:
    assert six_fields(cron) == six


@pytest.mark.parametrize(
    ("cron", "message"),
    [
        ("3 * * *", "has 4 fields"),
        ("60 3 * * *", "'60' is no minutes: it goes from 0 to 59"),
        ("0 24 * * *", "'24' is no hours"),
        ("0 3 0 * *", "day of the month: it goes from 1 to 31"),
        ("0 3 * * 7", "Sunday is 0"),
        ("0 3 * * FRI-MON", "'FRI-MON' is no day of the week"),
        ("0 3 * FEBR *", "'FEBR' is no month"),
        ("*/0 3 * * *", "'*/0' is no minutes"),
        ("@daily", "has 1 fields"),
        ("0 3 * * *; rm", "'*;' is no month"),
    ],
)
def test_cron_that_kfp_would_take_for_another_is_refused(cron: str, message: str) -> None:
    with pytest.raises(CronError) as refusal:
        six_fields(cron)

    assert message in str(refusal.value)


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "schedule.yaml"
    path.write_text(text)
    return path


GOOD = "name: nightly\ncron: 0 3 * * *\ntime_zone: UTC\nparameters: {source: a.zip}\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds no schedule"),
        ("- nightly\n", "must hold `name: value` lines"),
        ("name: [\n", "cannot be read as YAML"),
        (GOOD + "corn: x\n", "There is no field corn. Did you mean cron?"),
        (GOOD.replace("time_zone: UTC\n", ""), "time_zone is missing"),
        (GOOD.replace("UTC", "Europe/Madrid"), "the cluster reads every cron in UTC"),
        (GOOD.replace("0 3 * * *", "0 25 * * *"), "'25' is no hours"),
        (GOOD + "concurrency: 11\n", "concurrency must be a whole number from 1 to 10"),
        (GOOD + "enabled: 'no'\n", "enabled must be true or false"),
        (GOOD + "---\n" + GOOD, "names a schedule twice"),
    ],
)
def test_schedule_file_that_cannot_be_right_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ScheduleError) as refusal:
        read_schedules(written(tmp_path, text))

    assert message in str(refusal.value)


def test_parameters_of_a_schedule_are_checked_too(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match=r"Did you mean source\?"):
        read_schedules(written(tmp_path, GOOD.replace("source", "sourc")))


def test_schedule_in_the_clusters_own_zone_is_taken(tmp_path: Path) -> None:
    text = GOOD.replace("UTC", "Europe/Madrid")

    (wanted,) = read_schedules(written(tmp_path, text), cluster_time_zone="Europe/Madrid")

    assert wanted.schedule.time_zone == "Europe/Madrid"
    assert wanted.schedule.catch_up is False


def task(name: str, state: str, *, end: str = "2026-03-01T10:00:09Z") -> dict[str, Any]:
    return {"display_name": name, "state": state, "start_time": "2026-03-01T10:00:00Z", "end_time": end}


def statuses(run_state: str, *tasks: dict[str, Any]) -> dict[str, str]:
    run = {"state": run_state, "run_details": {"task_details": list(tasks)}}
    return {step.step: step.status for step in steps_of(run)}


def test_step_whose_driver_failed_has_failed() -> None:
    shown = statuses("FAILED", task("root-driver", "SUCCEEDED"), task("train-model-driver", "FAILED"))

    assert shown == {"train_model": "failed"}


def test_step_without_a_last_word_ended_as_the_run_that_succeeded() -> None:
    late = task("train-model", "PENDING", end="0001-01-01T00:00:00Z")

    shown = statuses("SUCCEEDED", task("train-model-driver", "RUNNING"), late)

    assert shown == {"train_model": "succeeded"}


def test_run_without_details_has_no_steps_yet() -> None:
    assert statuses("PENDING") == {}


@pytest.mark.parametrize(
    "arguments",
    [
        ["submit", "--help"],
        ["submit", "--dry-run", "--set", "source=a.zip"],
        ["schedule", "apply", "--help"],
        ["runs", "--help"],
    ],
    ids=" ".join,
)
def test_command_that_asks_no_cluster_imports_no_client(arguments: list[str]) -> None:
    program = (
        "import sys\n"
        "from pipelines.cli import main\n"
        f"try: main({arguments!r})\n"
        "except SystemExit as end: code = end.code\n"
        "slow = ('kfp', 'kfp_server_api', 'kubernetes', 'numpy')\n"
        "print('slow:', [name for name in slow if name in sys.modules], code)"
    )

    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert ran.stdout.splitlines()[-1] == "slow: [] 0"
