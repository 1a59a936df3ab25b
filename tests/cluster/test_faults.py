"""What goes wrong between here and a cluster: the fake API without prism, so that nothing stands between."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from pipelines.cluster.client import Api, ApiError, Patience
from pipelines.cluster.connection import Connection, token_source
from pipelines.cluster.watching import Watching, watch
from pipelines.console import Console

Call = Callable[..., Result]
Plant = Callable[..., None]
TOKEN = "a-token-of-the-tests"
SOURCE = ("--set", "source=https://example.com/UCF101.zip")


def test_api_that_is_down_is_named_with_a_way_to_reach_it(call: Call) -> None:
    down = call("runs", "--host", "http://127.0.0.1:1")

    assert down.exit_code == 1
    assert "http://127.0.0.1:1 cannot be reached: [Errno 111] Connection refused" in down.stderr
    assert "port-forward" in down.stderr


@pytest.mark.parametrize(("status", "tries"), [(503, 3), (500, 3), (429, 3), (400, 1)])
def test_only_what_may_pass_is_tried_again(call: Call, fake: Any, fault: Plant, status: int, tries: int) -> None:
    fault("GET", "runs", status=status, times=9)

    failed = call("runs", "--host", fake.url)

    assert failed.exit_code == 1
    assert f"refused GET runs: {status} upstream connect error" in failed.stderr
    assert fake.sent("GET", "runs") == tries


def test_passing_fault_is_not_noticed(call: Call, fake: Any, fault: Plant) -> None:
    fault("GET", "pipelines", status=503, times=2)
    fault("POST", "runs", status=502, times=1)

    sent = call("submit", "--host", fake.url, *SOURCE)

    assert sent.exit_code == 0, sent.output
    assert len(fake.runs) == 1


@pytest.mark.parametrize("path", ["pipelines", "pipelines/upload_version", "experiments", "runs"])
def test_lost_answer_leaves_nothing_twice(call: Call, fake: Any, fault: Plant, path: str) -> None:
    fault("POST", path, status=502, after_doing=True)

    sent = call("submit", "--host", fake.url, *SOURCE)

    assert sent.exit_code == 0, sent.output
    assert len(fake.pipelines) == len(fake.versions) == len(fake.experiments) == len(fake.runs) == 1


def test_slow_answer_is_given_up_and_asked_for_again(call: Call, fake: Any, fault: Plant) -> None:
    fault("GET", "runs", status=0, wait_s=0.5)

    listed = call("runs", "--host", fake.url, "--timeout", "0.2")
    fault("GET", "runs", status=0, wait_s=0.5, times=3)
    gave_up = call("runs", "--host", fake.url, "--timeout", "0.2")

    assert listed.exit_code == 0, listed.output
    assert gave_up.exit_code == 1
    assert "gave no answer within 0.2 s" in gave_up.stderr


def test_wrong_token_says_how_to_give_one_and_never_shows_it(call: Call, fake: Any, tmp_path: Path) -> None:
    secret = tmp_path / "token"
    secret.write_text("wrong-token\n")

    refused = call("runs", "--host", fake.url, "--token-file", str(secret))

    assert refused.exit_code == 1
    assert "401" in refused.stderr
    assert "--token-file" in refused.stderr
    assert "wrong-token" not in refused.output
    assert fake.sent("GET", "runs") == 1


def test_foreign_namespace_is_refused_with_the_apis_reason(call: Call, fake: Any) -> None:
    refused = call("runs", "--host", fake.url, "--namespace", "foreign")

    assert refused.exit_code == 1
    assert "403 User 'me' is not authorized" in refused.stderr
    assert "namespace foreign" in refused.stderr


def test_unknown_run_is_named(call: Call, fake: Any) -> None:
    by_id = call("runs", "00000000-0000-0000-0000-000000000000", "--host", fake.url)
    by_prefix = call("terminate", "abc", "--host", fake.url)

    assert by_id.exit_code == by_prefix.exit_code == 1
    assert "There is no run 00000000-0000-0000-0000-000000000000" in by_id.stderr
    assert "there is no run 'abc'" in by_prefix.stderr


def test_sign_in_page_is_told_apart_from_the_api(call: Call, fake: Any, fault: Plant) -> None:
    fault("GET", "runs", status=302)

    turned_away = call("runs", "--host", fake.url)

    assert turned_away.exit_code == 1
    assert "answers with a web page" in turned_away.stderr
    assert "sign in" in turned_away.stderr


def test_watch_outlives_an_outage(call: Call, fake: Any, fault: Plant) -> None:
    run = json.loads(call("submit", "--host", fake.url, *SOURCE, "--json").stdout)["run"]
    api = Api(fake.url, token=lambda: TOKEN, patience=Patience(pauses_s=()))
    fault("GET", f"runs/{run}", times=3)

    watched = watch(api, run, console=Console(), watching=Watching(every_s=0.02))

    assert watched["state"] == "SUCCEEDED"


def test_watch_ends_when_the_api_stays_away(call: Call, fake: Any, fault: Plant) -> None:
    run = json.loads(call("submit", "--host", fake.url, *SOURCE, "--json").stdout)["run"]
    api = Api(fake.url, token=lambda: TOKEN, patience=Patience(pauses_s=()))
    fault("GET", f"runs/{run}", times=1000)

    with pytest.raises(ApiError, match="503"):
        watch(api, run, console=Console(), watching=Watching(every_s=0.02, outage_s=0.1))


def test_watch_gives_a_hint_where_nothing_happens(
    call: Call, fake: Any, fault: Plant, capsys: pytest.CaptureFixture[str]
) -> None:
    fake.plan = "go on"
    run = json.loads(call("submit", "--host", fake.url, *SOURCE, "--json").stdout)["run"]
    api = Api(fake.url, token=lambda: TOKEN, patience=Patience(pauses_s=()))
    fault("GET", f"runs/{run}", status=0, times=40)
    fault("GET", f"runs/{run}", status=401)

    with pytest.raises(ApiError, match="401"):
        watch(api, run, console=Console(), watching=Watching(every_s=0.01, hint_after_s=0.2))

    assert "a pod may be waiting for a node" in capsys.readouterr().err


@pytest.mark.parametrize("host", ["localhost:8080", "ftp://x", "nonsense"])
def test_host_that_is_no_address_is_refused(call: Call, host: str) -> None:
    refused = call("runs", "--host", host)

    assert refused.exit_code == 1
    assert "is not the address of an API" in refused.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--set", "sourc=x"], "Did you mean source?"),
        (["--set", "epochs=many"], "epochs must be a whole number"),
        ([], "source is missing"),
        ([*SOURCE, "--image", "registry/reelflow:9.9"], "is of version 9.9"),
        ([*SOURCE, "--image", "registry:5000/reelflow"], "is without a version"),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_is_sent(
    call: Call, fake: Any, arguments: list[str], message: str
) -> None:
    refused = call("submit", "--host", fake.url, *arguments)

    assert refused.exit_code in (1, 2)
    assert message in refused.output
    assert not fake.requests


def test_dry_run_changes_nothing_and_needs_no_host(call: Call, fake: Any) -> None:
    shown = json.loads(call("submit", "--dry-run", *SOURCE, "--host", fake.url, "--json").stdout)
    without_host = call("submit", "--dry-run", *SOURCE)

    assert shown["parameters"]["source"] == "https://example.com/UCF101.zip"
    assert shown["version"].endswith(shown["digest"][:12])
    assert "Nothing is sent" in without_host.stdout
    assert {step["expected"] for step in shown["steps"]} == {"runs", "unknown"}
    assert {request.split()[0] for request in fake.requests} == {"GET"}


def test_token_file_is_read_anew_for_each_request(fake: Any, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("old")
    api = Api(fake.url, token=token_source(file), patience=Patience(pauses_s=()))
    with pytest.raises(ApiError, match="401"):
        api.get("healthz")
    file.write_text(TOKEN)

    answer = api.get("healthz")

    assert answer == {"multi_user": False}


def test_host_in_the_environment_does_not_hide_local_runs(
    call: Call, fake: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("REELFLOW_KFP_HOST", fake.url)

    listed = call("runs", "--work-dir", str(tmp_path))

    assert "No runs in" in listed.stdout
    assert not fake.requests


def test_pod_finds_host_and_token_by_itself(fake: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(f"{TOKEN}\n")
    monkeypatch.setenv("KF_PIPELINES_SA_TOKEN_PATH", str(file))
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    monkeypatch.setattr("pipelines.cluster.connection.IN_CLUSTER_HOST", fake.url)

    api = Connection(host="", namespace="", token_file=None, timeout_s=5.0).api()

    assert api.get("healthz") == {"multi_user": False}
