"""Pushes to a bucket of a real server: all or nothing without a rename."""

import json
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from components.contract import buckets
from components.contract.errors import StepError
from components.find_baseline.baseline import copy_baseline
from components.push_model.gate import Pushed, push, read_candidate
from components.serving.directory import ServingDirectory


@pytest.fixture
def bucket_dir(gcs_bucket):
    return f"{gcs_bucket}/models/actions"


def pushed(judged, serving_dir) -> Pushed:
    candidate = read_candidate(**judged.arguments)
    return push(candidate, serving_dir=serving_dir, run_key="key", folder=judged.root / "pushed", check=lambda _: None)


def served(serving_dir) -> int | None:
    record = ServingDirectory(serving_dir).served(warn=print)
    return record.version if record else None


def names(uri: str) -> list[str]:
    return [file.uri.removeprefix(f"{uri}/") for file in buckets.list_files(uri)]


def test_model_is_published_recorded_and_found_again_by_the_next_run(judge, bucket_dir, tmp_path):
    judged = judge()

    result = pushed(judged, bucket_dir)
    found = copy_baseline(bucket_dir, run_key="another run", folder=tmp_path / "baseline")

    assert (result.pushed, result.version) == (True, 1)
    assert names(bucket_dir) == ["1/saved_model.pb", "1/variables/variables.index"]
    assert found.version == 1
    assert (tmp_path / "baseline/saved_model/variables/variables.index").read_bytes() == b"a" * 1000
    config = buckets.read_bytes(f"{bucket_dir}.accepted/models.config").decode()
    assert "versions: 1 " in config


def test_same_model_twice_is_published_once(judge, bucket_dir):
    judged = judge()
    pushed(judged, bucket_dir)

    second = pushed(judged, bucket_dir)

    assert (second.pushed, second.version) == (False, 1)
    assert {name.split("/")[0] for name in names(bucket_dir)} == {"1"}


def test_rolled_back_model_is_not_pushed_again_by_a_run_that_finds_nothing_new(judge, bucket_dir):
    pushed(judge("a"), bucket_dir)
    bad = judge("b")
    pushed(bad, bucket_dir)
    ServingDirectory(bucket_dir).roll_back(None, why="It is slow.")

    again = pushed(bad, bucket_dir)

    assert (again.pushed, again.version) == (False, None)
    assert again.reason == "Not pushed. This model is version 2, which was rolled back: It is slow."
    assert served(bucket_dir) == 1


KILLED = """
import os, signal, sys
from pathlib import Path
from components.contract import buckets
from components.push_model.gate import push, read_candidate

upload, left = buckets._uploaded, int(sys.argv[1])
def upload_then_die(*arguments):
    global left
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    left -= 1
    return upload(*arguments)
buckets._uploaded = upload_then_die
root = Path(sys.argv[2])
candidate = read_candidate(
    model=root / "model", model_digest="", evaluation=root / "evaluation", evaluation_digest="",
    statistics=root / "statistics",
)
push(candidate, serving_dir=sys.argv[3], run_key="key", folder=root / "pushed", check=print)
"""


def push_killed_before_object(number: int, judged, serving_dir) -> int:
    repository = Path(buckets.__file__).parents[2]
    command = [sys.executable, "-c", KILLED, str(number), str(judged.root), serving_dir]
    return subprocess.run(command, env={**os.environ, "PYTHONPATH": str(repository)}, check=False).returncode


def test_push_killed_before_each_object_in_turn_never_shows_half_a_model_and_the_next_one_serves(judge, gcs_bucket):
    first, second = judge("a"), judge("b")
    returncode, number = -signal.SIGKILL, 0
    ends = []

    while returncode == -signal.SIGKILL:
        serving_dir = f"{gcs_bucket}/killed-{number}/actions"
        pushed(first, serving_dir)
        returncode = push_killed_before_object(number, second, serving_dir)
        configured = buckets.read_bytes(f"{serving_dir}.accepted/models.config").decode()
        version = int(configured.split("versions: ")[1].split(" ")[0])
        is_whole = f"{version}/saved_model.pb" in names(serving_dir)
        after_the_kill, result = served(serving_dir), pushed(second, serving_dir)
        ends.append((is_whole, after_the_kill, served(serving_dir) == result.version, result.reason))
        number += 1

    assert returncode == 0
    assert number >= 9  # claim, two files of the model, record, findings, two markers, history, config; then unharmed
    assert all(is_whole and is_served for is_whole, _, is_served, _ in ends)
    assert [after for _, after, _, _ in ends] == sorted(after for _, after, _, _ in ends)
    assert {reason.split(" ")[0] for _, _, _, reason in ends} == {"Version", "Already"}


def push_in_a_process(judged, serving_dir) -> "subprocess.Popen[bytes]":
    repository = Path(buckets.__file__).parents[2]
    command = [sys.executable, "-c", KILLED, "-1", str(judged.root), serving_dir]
    return subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(repository)})


def test_eight_pushes_at_once_give_eight_versions_and_none_is_lost(judge, bucket_dir):
    judged = [judge(f"model{number}") for number in range(8)]

    processes = [push_in_a_process(one, bucket_dir) for one in judged]
    codes = [process.wait() for process in processes]

    directory = ServingDirectory(bucket_dir)
    assert codes == [0] * 8
    assert directory.complete_versions() == list(range(1, 9))
    assert {directory.record(version).model_digest for version in range(1, 9)} == {one.model_digest for one in judged}
    assert served(bucket_dir) == 8


def test_object_that_appears_meanwhile_is_not_overwritten(judge, bucket_dir, monkeypatch):
    upload_file = buckets.upload_file

    def somebody_is_quicker(path, uri, **options):
        if uri.endswith("saved_model.pb"):
            buckets.write_bytes(uri, b"theirs")
        return upload_file(path, uri, **options)

    monkeypatch.setattr(buckets, "upload_file", somebody_is_quicker)

    with pytest.raises(StepError, match="nothing was overwritten"):
        pushed(judge(), bucket_dir)

    assert buckets.read_bytes(f"{bucket_dir}/1/saved_model.pb") == b"theirs"
    assert served(bucket_dir) is None


def test_what_a_push_left_that_died_two_days_ago_is_removed_and_its_number_is_not_used_again(judge, bucket_dir):
    long_ago = (datetime.now(UTC) - timedelta(days=2)).isoformat()
    buckets.write_bytes(f"{bucket_dir}.accepted/claims/1", json.dumps({"claimed_at": long_ago}).encode())
    buckets.write_bytes(f"{bucket_dir}/1/variables/variables.index", b"half")
    buckets.write_bytes(f"{bucket_dir}/2/theirs", b"no claim of ours")

    result = pushed(judge(), bucket_dir)

    assert result.version == 3
    assert {name.split("/")[0] for name in names(bucket_dir)} == {"2", "3"}
