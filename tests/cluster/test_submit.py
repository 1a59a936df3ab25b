"""submit, runs, watch, terminate, retry, against KFP's specification."""

import json
import warnings
from collections.abc import Callable
from typing import Any

import pytest
from click.testing import Result

from pipelines.cluster.client import Api, ApiError

pytestmark = pytest.mark.cluster
Call = Callable[..., Result]
SOURCE = ("--set", "source=https://example.com/UCF101.zip")


def test_submitting_twice_uploads_once_and_starts_two_runs(host: str, fake: Any, call: Call) -> None:
    first = call("submit", "--host", host, *SOURCE)
    second = call("submit", "--host", host, *SOURCE)

    assert (first.exit_code, second.exit_code) == (0, 0), first.output + second.output
    assert "uploaded" in first.stderr
    assert "is there already" in second.stderr
    assert len(fake.pipelines) == len(fake.versions) == len(fake.experiments) == 1
    assert len({run["display_name"] for run in fake.runs.values()}) == 2
    (version,) = fake.versions.values()
    assert version["description"].removeprefix("sha256:").startswith(version["name"].partition("-")[2])


def test_run_has_the_parameters_the_version_and_the_link(host: str, fake: Any, call: Call) -> None:
    where = ("--pipeline-root", "s3://bucket/runs", "--service-account", "trainer", "--experiment", "weekly")

    sent = json.loads(call("submit", "--host", host, *SOURCE, "--set", "epochs=3", *where, "--json").stdout)

    (run,) = fake.runs.values()
    assert sent == {"run": run["run_id"], "link": f"{host}/#/runs/details/{run['run_id']}"}
    assert run["runtime_config"] == {
        "parameters": {
            "source": "https://example.com/UCF101.zip",
            "epochs": 3,
            "store_dir": "/reelflow/store",
            "serving_dir": "/reelflow/serving/video_classifier",
        },
        "pipeline_root": "s3://bucket/runs",
    }
    assert run["service_account"] == "trainer"
    assert fake.experiments[run["experiment_id"]]["display_name"] == "weekly"


def test_namespace_of_a_user_goes_with_all_that_is_made_and_asked_for(host: str, fake: Any, call: Call) -> None:
    team = ("--host", host, "--namespace", "team")

    sent = call("submit", *team, *SOURCE)
    listed = call("runs", *team, "--json")

    assert sent.exit_code == listed.exit_code == 0, sent.output + listed.output
    assert [each["namespace"] for each in (*fake.pipelines.values(), *fake.experiments.values())] == ["team", "team"]
    assert "namespace=team" in dict(zip(fake.requests, fake.queries, strict=True))["GET runs"]
    assert call("submit", "--host", host, "--namespace", "foreign", *SOURCE).exit_code == 1


def test_changed_image_and_gpus_are_a_version_of_their_own(host: str, fake: Any, call: Call) -> None:
    call("submit", "--host", host, *SOURCE)
    image = "registry.example.com/reelflow@sha256:" + "0" * 64

    call("submit", "--host", host, *SOURCE, "--image", image, "--gpus", "0")

    plain, changed = (spec[0]["deploymentSpec"]["executors"] for spec in fake.uploads.values())
    assert {executor["container"]["image"] for executor in changed.values()} == {image}
    assert "accelerator" in plain["exec-train-model"]["container"]["resources"]
    assert "accelerator" not in changed["exec-train-model"]["container"]["resources"]


def test_watched_run_shows_a_line_per_step_and_exits_with_0(host: str, fake: Any, call: Call) -> None:
    fake.cached = {"extract-frames"}

    watched = call("submit", "--host", host, *SOURCE, "--watch")

    assert watched.exit_code == 0, watched.output
    lines = [line.split() for line in watched.stderr.splitlines()]
    assert [line for line in lines if line[0] in "✓=✗"] == [
        ["✓", "ingest_videos", "7", "s"],
        ["=", "extract_frames", "0", "s", "nothing", "new"],
        ["✓", "train_model", "7", "s"],
    ]
    assert "succeeded" in watched.stdout


def test_watched_run_that_fails_names_the_step_and_exits_with_1(host: str, fake: Any, call: Call) -> None:
    fake.plan = "fail"

    watched = call("submit", "--host", host, *SOURCE, "--watch")

    assert watched.exit_code == 1
    assert "✗ extract_frames" in watched.stderr
    assert "Failed: extract_frames" in watched.stdout
    assert "kubectl -n kubeflow get pods -l pipeline/runid=" in watched.stdout


def test_terminated_run_ends_the_watch_with_1(host: str, fake: Any, call: Call) -> None:
    fake.plan = "go on"
    run = json.loads(call("submit", "--host", host, *SOURCE, "--json").stdout)["run"]

    ended = call("terminate", run[:8], "--host", host)
    watched = call("runs", run, "--host", host, "--watch")

    assert ended.exit_code == 0, ended.output
    assert watched.exit_code == 1
    assert "canceled" in watched.stdout
    assert call("terminate", run, "--host", host).exit_code == 2


def test_failed_run_goes_on_after_retry(host: str, fake: Any, call: Call) -> None:
    fake.plan = "fail"
    call("submit", "--host", host, *SOURCE, "--watch")

    again = call("retry", "latest", "--host", host, "--watch")
    once_more = call("retry", "latest", "--host", host)

    assert again.exit_code == 0, again.output
    assert once_more.exit_code == 1
    assert "only a failed or canceled one can go on" in once_more.stderr
    assert len(fake.runs) == 1


def test_runs_are_listed_newest_first_and_shown(host: str, fake: Any, call: Call) -> None:
    for _ in range(3):
        call("submit", "--host", host, *SOURCE)
    call("runs", "latest", "--host", host, "--watch")

    listed = json.loads(call("runs", "--host", host, "--json").stdout)
    shown = json.loads(call("runs", "latest", "--host", host, "--json").stdout)

    assert [row["run"] for row in listed] == list(fake.runs)[::-1]
    assert [row["status"] for row in listed] == ["succeeded", "pending", "pending"]
    assert shown["run"] == listed[0]["run"]
    assert [step["status"] for step in shown["steps"]] == ["succeeded"] * 3
    assert shown["parameters"]["source"] == "https://example.com/UCF101.zip"


def test_kfps_own_client_sees_what_was_submitted(host: str, fake: Any, call: Call) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what kfp.client says of itself
        from kfp.client import Client

        client = Client(host=host, existing_token="a-token-of-the-tests", namespace="team")
    call("submit", "--host", host, *SOURCE)

    (version,) = fake.versions.values()
    (run,) = fake.runs.values()
    assert client.get_pipeline_id("video-classification") == version["pipeline_id"]
    seen = client.list_pipeline_versions(version["pipeline_id"]).pipeline_versions
    assert [each.display_name for each in seen] == [version["display_name"]]
    assert client.get_run(run["run_id"]).runtime_config.parameters == run["runtime_config"]["parameters"]


def test_request_that_the_specification_does_not_know_is_refused(host: str) -> None:
    api = Api(host, token=lambda: "a-token-of-the-tests")

    with pytest.raises(ApiError, match="422"):
        api.create("runs", {"display_name": 5})
