"""What a cluster's run left in its pipeline root: rerun, scores, logs and expected cache hits.

The runs are real: a compiled pipeline of two of our steps, run by kfp.local in subprocesses; what they left then lies
as KFP's backend lays it out, in a real fake-gcs-server or in moto's S3 server.
"""

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from components.contract import buckets
from pipelines.runs import Run
from tests.cluster.backend_layout import SMALL, Put, Recorded, put_gs

Call = Callable[..., Result]


@pytest.fixture
def rerun(call: Call, tmp_path: Path) -> Call:
    """Rerun a step in a workspace that has nothing yet."""

    def call_rerun(recorded: Recorded, *arguments: str, step: str = "extract_frames") -> Result:
        return call(
            "rerun", recorded.run_id, step, "--host", recorded.url, *arguments, "--work-dir", str(tmp_path / "here")
        )

    return call_rerun


@pytest.mark.cluster
def test_rerun_from_a_gs_bucket_behind_the_specification_gives_the_same_digests(
    record: Callable[..., Recorded], gcs_bucket: str, host: str, rerun: Call, done: Run
) -> None:
    again = rerun(record(f"{gcs_bucket}/v2", put_gs, url=host), "--verify", "--json")

    assert again.exit_code == 0, again.output
    repeated = json.loads(again.stdout.splitlines()[-1])
    recorded = done.record("extract_frames")
    assert recorded is not None
    assert repeated["outputs"]["clips"]["digest"] == recorded["outputs"]["clips"]["digest"]


def test_rerun_from_a_gs_bucket_gives_the_same_digests_and_fetches_inputs_once(
    in_gcs: Recorded, rerun: Call, tmp_path: Path
) -> None:
    first = rerun(in_gcs, "--verify")
    fetched = sorted(path for path in (tmp_path / "here/store/artifacts").rglob("finished.json"))
    times = [path.stat().st_mtime_ns for path in fetched]
    second = rerun(in_gcs, "--verify")

    assert (first.exit_code, second.exit_code) == (0, 0), first.output + second.output
    assert "Same digests as recorded." in first.stdout
    assert len(fetched) == 1
    assert [path.stat().st_mtime_ns for path in fetched] == times


@pytest.mark.parametrize("scheme", ["s3", "minio"])
def test_rerun_from_s3_and_minio_gives_the_same_digests(
    record: Callable[..., Recorded], put_s3: Put, rerun: Call, scheme: str
) -> None:
    recorded = record(f"{scheme}://mlpipeline/v2/artifacts", put_s3)

    again = rerun(recorded, "--verify")

    assert again.exit_code == 0, again.output
    assert "Same digests as recorded." in again.stdout


def test_root_that_the_api_does_not_tell_is_kfps_default_or_the_one_given(
    record: Callable[..., Recorded], put_s3: Put, gcs_bucket: str, rerun: Call
) -> None:
    by_default = rerun(record("minio://mlpipeline/v2/artifacts", put_s3, tell_root=False))
    given = rerun(record(f"{gcs_bucket}/own", put_gs, tell_root=False), "--pipeline-root", f"{gcs_bucket}/own")

    assert by_default.exit_code == 0, by_default.output
    assert given.exit_code == 0, given.output


def test_changed_parameter_gives_other_outputs_and_verify_says_which(in_gcs: Recorded, rerun: Call) -> None:
    changed = rerun(in_gcs, "--set", "n_frames=2")
    verified = rerun(in_gcs, "--set", "n_frames=2", "--verify")

    assert changed.exit_code == 0, changed.output
    assert "Differs from the recorded run: clips" in changed.stdout
    assert verified.exit_code == 1
    (row,) = [line.split() for line in verified.stderr.splitlines() if line.startswith("clips")]
    assert row[-1] == "differs"
    assert "=====" not in verified.output


def test_other_code_is_refused_unless_it_is_asked_for(in_gcs: Recorded, rerun: Call) -> None:
    in_gcs.change("extract_frames", code_digest="0" * 64, reelflow="0.0.9")

    refused = rerun(in_gcs)
    taken = rerun(in_gcs, "--any-code")

    assert refused.exit_code == 1
    assert "ran with other code (Reelflow 0.0.9, 000000000000)" in refused.stderr
    assert "--any-code" in refused.stderr
    assert taken.exit_code == 0, taken.output


def test_record_of_another_step_or_version_is_refused(in_gcs: Recorded, rerun: Call) -> None:
    in_gcs.change("extract_frames", step="train_model")
    of_another_step = rerun(in_gcs)
    in_gcs.change("extract_frames", schema_version=99)
    of_another_version = rerun(in_gcs)
    in_gcs.put(in_gcs.records["extract_frames"][0], b"<html>")
    no_json = rerun(in_gcs)

    assert {each.exit_code for each in (of_another_step, of_another_version, no_json)} == {1}
    assert "is no record of extract_frames" in of_another_step.stderr
    assert "version 99" in of_another_version.stderr
    assert "is not JSON" in no_json.stderr


def test_step_that_left_no_record_is_named_with_the_folder(in_gcs: Recorded, rerun: Call) -> None:
    missing = rerun(in_gcs, step="train_model")

    assert missing.exit_code == 1
    assert f"There is no record of train_model below {in_gcs.root}/video-classification/{in_gcs.run_id}" in (
        missing.stderr
    )


def test_step_from_the_cache_is_rerun_from_the_run_that_did_the_work(in_gcs: Recorded, rerun: Call, fake: Any) -> None:
    later_id = "00000000-1111-2222-3333-444444444444"
    fake.runs[later_id] = {**fake.runs[in_gcs.run_id], "run_id": later_id}
    fake.plans[later_id] = "succeed"
    uri, text = in_gcs.records["evaluate_model"]
    put_gs(uri.replace(in_gcs.run_id, later_id), text.encode())  # its input lies in the earlier run's folder
    later = Recorded(in_gcs.url, later_id, in_gcs.root, in_gcs.put, in_gcs.records)

    again = rerun(later, "--verify")

    assert again.exit_code == 0, again.output
    assert in_gcs.run_id in again.stderr


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda marker: {**marker, "digest": "f" * 64}, "not the promised"),
        (lambda marker: {**marker, "files": {"../../outside": {"sha256": "", "bytes": 0}}}, "which is no file in it"),
        (lambda marker: {}, "cannot be read"),
    ],
)
def test_input_that_is_not_what_was_recorded_is_refused_and_nothing_is_left(
    in_gcs: Recorded, rerun: Call, tmp_path: Path, change: Callable[[Any], Any], message: str
) -> None:
    record = json.loads(in_gcs.records["extract_frames"][1])
    uri = f"{record['inputs']['videos']['uri']}/finished.json"
    put_gs(uri, json.dumps(change(json.loads(buckets.read_bytes(uri)))).encode())

    refused = rerun(in_gcs)

    assert refused.exit_code == 1
    assert message in refused.stderr
    assert not [path for path in (tmp_path / "here/store/artifacts").rglob("*") if path.is_file()]


def test_input_whose_file_was_cut_is_refused(in_gcs: Recorded, rerun: Call) -> None:
    record = json.loads(in_gcs.records["extract_frames"][1])
    put_gs(f"{record['inputs']['videos']['uri']}/manifest.jsonl", b"{")

    refused = rerun(in_gcs)

    assert refused.exit_code == 1
    assert "was cut or changed" in refused.stderr


def test_bucket_that_is_not_there_says_so(record: Callable[..., Recorded], put_s3: Put, rerun: Call) -> None:
    recorded = record("s3://mlpipeline/v2", put_s3)

    in_gs = rerun(recorded, "--pipeline-root", "s3://nowhere/v2")
    no_address = rerun(recorded, "--pipeline-root", "/mnt/v2")

    assert in_gs.exit_code == no_address.exit_code == 1
    assert "is not there (404 NoSuchBucket)" in in_gs.stderr
    assert "is no address in object storage" in no_address.stderr


class Refusing(BaseHTTPRequestHandler):
    """A storage that refuses whoever asks."""

    def do_GET(self) -> None:
        body = b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
        self.send_response(403)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def refusing(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Refusing)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    for variable in ("AWS_ENDPOINT_URL", "STORAGE_EMULATOR_HOST"):
        monkeypatch.setenv(variable, f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key-of-the-tests")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret-of-the-tests")
    yield
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("root", ["s3://mlpipeline/v2", "minio://mlpipeline/v2", "gs://bucket/v2"])
def test_bucket_that_refuses_says_whose_rights_are_missing(
    record: Callable[..., Recorded], rerun: Call, refusing: None, root: str
) -> None:
    recorded = record(root, lambda uri, data: None)

    refused = rerun(recorded)

    assert refused.exit_code == 1
    assert "may not be used with these credentials" in refused.stderr
    assert "secret-of-the-tests" not in refused.output


def test_minio_that_nothing_names_says_how_to_reach_it(
    record: Callable[..., Recorded], rerun: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)

    refused = rerun(record("minio://mlpipeline/v2", lambda uri, data: None))

    assert refused.exit_code == 1
    assert "port-forward svc/minio-service 9000:9000" in refused.stderr


def test_videos_that_only_the_cluster_has_are_named(in_gcs: Recorded, rerun: Call, done: Run) -> None:
    for video in (Path(done.parameters["store_dir"]) / "videos").rglob("*"):
        if video.is_file():
            video.rename(video.with_name(f"{video.name}.away"))
    try:
        refused = rerun(in_gcs)
    finally:
        for video in (Path(done.parameters["store_dir"]) / "videos").rglob("*.away"):
            video.rename(video.with_suffix(""))

    assert refused.exit_code == 1
    assert "videos of the manifest are on the cluster and not on this machine" in refused.stderr


def test_runs_show_their_scores_and_blanks_where_these_cannot_be_read(
    in_gcs: Recorded, record: Callable[..., Recorded], call: Call
) -> None:
    unreadable = record("minio://mlpipeline/v2", lambda uri, data: None)

    listed = call("runs", "--host", in_gcs.url, "--json")
    shown = call("runs", in_gcs.run_id, "--host", in_gcs.url)

    scores = {row["run"]: row["scores"] for row in json.loads(listed.stdout)}
    assert scores == {in_gcs.run_id: {"accuracy": 0.875}, unreadable.run_id: {}}
    assert "Scores are left out where they cannot be read" in listed.stderr
    assert "accuracy: 0.875" in shown.stdout


def test_foreign_record_of_one_run_hides_no_other_runs_scores(
    in_gcs: Recorded, record: Callable[..., Recorded], call: Call
) -> None:
    other = record(in_gcs.root, put_gs)
    other.change("evaluate_model", schema_version=99)

    listed = json.loads(call("runs", "--host", in_gcs.url, "--json").stdout)

    assert {row["run"]: row["scores"] for row in listed} == {in_gcs.run_id: {"accuracy": 0.875}, other.run_id: {}}


def expected(call: Call, url: str, source: str, **changes: Any) -> dict[str, str]:
    settings = {"source": source, **{name: json.dumps(value) for name, value in {**SMALL, **changes}.items()}}
    arguments = [part for name, value in settings.items() for part in ("--set", f"{name}={value}")]
    shown = json.loads(call("submit", "--dry-run", "--host", url, *arguments, "--json").stdout)
    return {step["step"]: step["expected"] for step in shown["steps"]}


def test_dry_run_expects_hits_of_what_is_as_in_the_last_run(in_gcs: Recorded, call: Call, done: Run, fake: Any) -> None:
    fake.requests.clear()

    same = expected(call, in_gcs.url, done.parameters["source"])
    other_frames = expected(call, in_gcs.url, done.parameters["source"], n_frames=5)
    other_source = expected(call, in_gcs.url, "other.zip")

    assert same["ingest_videos"] == same["push_model"] == "runs"
    assert same["extract_frames"] == "hit"
    assert same["train_model"] == "runs"  # the last run had no such step
    assert other_frames["extract_frames"] == "runs"
    assert other_source["extract_frames"] == "unknown"
    assert {request.split()[0] for request in fake.requests} == {"GET"}


def test_dry_run_says_unknown_of_the_step_whose_record_is_gone(in_gcs: Recorded, call: Call, done: Run) -> None:
    uri, _ = in_gcs.records["extract_frames"]
    found = buckets.find_file(uri)
    assert found is not None
    buckets.remove_file(uri, generation=found.generation)

    told = call(
        "submit", "--dry-run", "--host", in_gcs.url, "--set", f"source={done.parameters['source']}", "--json"
    ).stdout

    (step,) = [each for each in json.loads(told)["steps"] if each["step"] == "extract_frames"]
    assert (step["expected"], step["why"]) == ("unknown", "there is no record of it")


def test_dry_run_goes_without_a_cluster_and_without_a_root(call: Call, record: Callable[..., Recorded]) -> None:
    unreadable = record("minio://mlpipeline/v2", lambda uri, data: None)

    by_unreadable = expected(call, unreadable.url, "a.zip")
    by_absent = expected(call, "http://127.0.0.1:1", "a.zip")

    assert by_unreadable == by_absent
    assert by_absent["extract_frames"] == "unknown"
    assert by_absent["ingest_videos"] == "runs"


def test_logs_come_from_the_pod_else_from_the_root_else_the_records_reason_is_told(
    in_gcs: Recorded, call: Call, fake: Any
) -> None:
    at = ("logs", in_gcs.run_id, "extract_frames", "--host", in_gcs.url)
    folder = in_gcs.records["extract_frames"][0].removesuffix("/record/step.json")
    fake.logs = {"video-classification-x7k2p-system-container-impl-11": "from the pod\n"}
    for _ in range(4):  # at each look the fake's run has come to one task more
        call("runs", in_gcs.run_id, "--host", in_gcs.url)

    from_pod = call(*at)
    fake.logs_at_ui = True
    from_ui = call(*at)
    fake.logs = {}
    in_gcs.change("extract_frames", status="failed", error={"type": "StepError", "message": "M.", "remedy": "R."})
    gone = call(*at)
    put_gs(f"{folder}/executor-logs", b"from the root\n")
    from_root = call(*at)

    assert [from_pod.stdout, from_ui.stdout, from_root.stdout] == ["from the pod\n"] * 2 + ["from the root\n"]
    assert gone.exit_code == 1
    assert "Its record says: M. R." in gone.stderr
    assert f"get pods -l pipeline/runid={in_gcs.run_id}" in gone.stderr
    assert call("logs", in_gcs.run_id, "extract", "--host", in_gcs.url).exit_code == 2
