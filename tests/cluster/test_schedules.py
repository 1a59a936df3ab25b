"""Schedules, against KFP's specification."""

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

pytestmark = pytest.mark.cluster
Call = Callable[..., Result]

NIGHTLY = """
name: nightly
cron: 0 3 * * *
time_zone: UTC
parameters:
  source: https://example.com/UCF101.zip
  epochs: 3
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "schedule.yaml"
    path.write_text(NIGHTLY)
    return path


@pytest.fixture
def schedule(call: Call, host: str, file: Path) -> Call:
    """Call a verb of `reelflow schedule`; apply and diff get the file."""

    def call_verb(verb: str, *arguments: str) -> Result:
        given = ["-f", str(file)] if verb in ("apply", "diff") else []
        return call("schedule", verb, *arguments, *given, "--host", host)

    return call_verb


def test_schedule_is_created_as_its_file_says(schedule: Call, fake: Any) -> None:
    applied = schedule("apply")

    assert applied.stdout == "nightly: created\n", applied.output
    (made,) = fake.recurring.values()
    assert made["trigger"] == {"cron_schedule": {"cron": "0 0 3 * * *"}}
    assert made["max_concurrency"] == "1"
    assert made["no_catchup"] is True
    assert made["status"] == "ENABLED"
    assert made["runtime_config"]["parameters"]["epochs"] == 3
    assert made["pipeline_version_reference"]["pipeline_version_id"] in fake.versions


def test_applying_twice_changes_nothing(schedule: Call, fake: Any) -> None:
    schedule("apply")
    before = json.dumps(fake.recurring)

    again = schedule("apply")
    compared = schedule("diff")

    assert again.stdout == "nightly: unchanged\n"
    assert (compared.exit_code, compared.stdout) == (0, "No difference.\n")
    assert json.dumps(fake.recurring) == before
    assert len(fake.versions) == 1
    assert fake.sent("POST", "recurringruns") == 1


def test_changed_cron_changes_exactly_that(schedule: Call, fake: Any, file: Path) -> None:
    schedule("apply")
    (before,) = fake.recurring.values()
    file.write_text(NIGHTLY.replace("0 3", "30 4"))

    compared = schedule("diff", "--json")
    applied = schedule("apply")

    assert compared.exit_code == 1
    assert json.loads(compared.stdout) == [
        {"schedule": "nightly", "field": "cron", "on_cluster": "0 0 3 * * *", "in_file": "0 30 4 * * *"}
    ]
    assert applied.stdout == "nightly: replaced\n"
    (after,) = fake.recurring.values()
    changed = {name for name in before | after if before.get(name) != after.get(name)}
    assert changed - {"created_at"} == {"recurring_run_id", "trigger", "description"}
    assert schedule("diff").exit_code == 0


@pytest.mark.parametrize(
    ("line", "field"),
    [
        ("concurrency: 2", "concurrency"),
        ("catch_up: true", "catch_up"),
        ("experiment: other", "experiment"),
        ("gpus: 0", "version"),
        ("service_account: trainer", "service_account"),
    ],
)
def test_every_field_counts(schedule: Call, file: Path, line: str, field: str) -> None:
    schedule("apply")
    file.write_text(f"{NIGHTLY}{line}\n")

    compared = json.loads(schedule("diff", "--json").stdout)
    applied = schedule("apply")

    assert [row["field"] for row in compared] == [field]
    assert applied.stdout == "nightly: replaced\n"
    assert schedule("apply").stdout == "nightly: unchanged\n"


def test_switching_in_the_file_pauses_without_replacing(schedule: Call, fake: Any, file: Path) -> None:
    schedule("apply")
    before = list(fake.recurring)
    file.write_text(f"{NIGHTLY}enabled: false\n")

    applied = schedule("apply")

    assert applied.stdout == "nightly: paused\n"
    assert list(fake.recurring) == before
    assert [each["status"] for each in fake.recurring.values()] == ["DISABLED"]


def test_apply_that_broke_off_between_the_new_and_the_old_is_mended(
    schedule: Call, fake: Any, file: Path, fault: Callable[..., None]
) -> None:
    schedule("apply")
    file.write_text(NIGHTLY.replace("0 3", "30 4"))
    fault("DELETE", "recurringruns", times=3)
    broken = schedule("apply")
    copies = len(fake.recurring)

    mended = schedule("apply")

    assert broken.exit_code == 1
    assert copies == 2
    assert mended.exit_code == 0
    assert [each["trigger"]["cron_schedule"]["cron"] for each in fake.recurring.values()] == ["0 30 4 * * *"]


def test_schedule_is_paused_resumed_run_now_and_deleted(schedule: Call, fake: Any) -> None:
    schedule("apply")

    paused = schedule("pause", "nightly")
    listed = json.loads(schedule("list", "--json").stdout)
    resumed = schedule("resume", "nightly")
    ran = schedule("run-now", "nightly", "--watch")
    deleted = schedule("delete", "nightly")

    assert (paused.stdout, resumed.stdout, deleted.stdout) == (
        "nightly: paused\n",
        "nightly: resumed\n",
        "nightly: deleted\n",
    )
    assert [(row["name"], row["status"], row["cron"]) for row in listed] == [("nightly", "paused", "0 0 3 * * *")]
    assert ran.exit_code == 0, ran.output
    (run,) = fake.runs.values()
    assert run["runtime_config"]["parameters"]["epochs"] == 3
    assert not fake.recurring
    assert schedule("list").stdout.startswith("No schedules at")


def test_unknown_schedule_is_named_with_the_nearest(schedule: Call) -> None:
    schedule("apply")

    missed = schedule("pause", "nightli")

    assert missed.exit_code == 1
    assert "There is no schedule 'nightli'" in missed.stderr
    assert "Did you mean nightly?" in missed.stderr


def test_several_schedules_in_one_file_over_several_pages(schedule: Call, fake: Any, file: Path) -> None:
    file.write_text("---".join(NIGHTLY.replace("nightly", f"nightly-{number}") for number in range(5)))

    schedule("apply")
    again = schedule("apply")

    assert again.stdout.count("unchanged") == 5
    assert len(json.loads(schedule("list", "--json").stdout)) == len(fake.recurring) == 5


def test_schedule_that_kfps_own_client_made_is_listed_and_taken_over(
    schedule: Call, fake: Any, host: str, file: Path
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what kfp.client says of itself
        from kfp.client import Client

        client = Client(host=host, existing_token="a-token-of-the-tests", namespace="team")
    schedule("apply")
    (ours,) = fake.recurring.values()
    where = {"pipeline_id": ours["pipeline_version_reference"]["pipeline_id"], "experiment_id": ours["experiment_id"]}
    version_id = ours["pipeline_version_reference"]["pipeline_version_id"]
    client.create_recurring_run(job_name="hourly", interval_second=3600, version_id=version_id, **where)
    schedule("delete", "nightly")
    client.create_recurring_run(
        job_name="nightly", cron_expression="0 0 5 * * *", version_id=version_id, no_catchup=True, **where
    )

    listed = json.loads(schedule("list", "--json").stdout)
    compared = json.loads(schedule("diff", "--json").stdout)
    applied = schedule("apply")

    assert [(row["name"], row["cron"]) for row in listed] == [("hourly", "every 3600 s"), ("nightly", "0 0 5 * * *")]
    assert [row["field"] for row in compared] == ["cron", "parameters"]
    assert applied.stdout == "nightly: replaced\n"
