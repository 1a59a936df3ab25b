"""The fake KFP API; prism, which checks each request and answer against KFP's specification; recorded runs."""

import json
import os
import shutil
import socket
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from kfp import compiler

from pipelines.cli import main
from pipelines.cluster.client import Api
from pipelines.cluster.submission import Changes, Placement, create_run, experiment_id, prepare, reference, upload
from pipelines.console import Console
from pipelines.demo.videos import write_demo_zip
from pipelines.local_run import start
from pipelines.runs import Run
from pipelines.workspace import Workspace
from tests.cluster.backend_layout import SMALL, Put, Recorded, laid_out, put_gs, small_pipeline
from tests.cluster.fake_kfp import API, TOKEN, FakeKfp, Fault, handler

SPEC_VARIABLE = "REELFLOW_KFP_API_SPEC"


@pytest.fixture(scope="session")
def serving() -> Iterator[FakeKfp]:
    state = FakeKfp()
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler(state))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_port}"
    yield state
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def fake(serving: FakeKfp) -> FakeKfp:
    serving.reset()
    return serving


@pytest.fixture(scope="session")
def prism(serving: FakeKfp, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    spec, program = os.environ.get(SPEC_VARIABLE), shutil.which("prism")
    if not spec:
        pytest.skip(f"{SPEC_VARIABLE} does not name KFP's API specification (kfp-api-v2beta1.swagger.json)")
    if not program:
        pytest.skip("prism is not installed; `make test-cluster` gets it with npm")
    relaxed = tmp_path_factory.mktemp("spec") / "kfp.json"
    relaxed.write_text(json.dumps(_any_int64(json.loads(Path(spec).read_text()))))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = relaxed.with_suffix(".log").open("w")
    command = [program, "proxy", "--errors", "--host", "127.0.0.1", "--port", str(port), str(relaxed), serving.url]
    process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
    url = f"http://127.0.0.1:{port}"
    deadline = time.monotonic() + 60
    while not _answers(url) and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.2)
    yield url
    process.terminate()
    process.wait()
    log.close()


@pytest.fixture
def host(fake: FakeKfp, prism: str) -> str:
    """The API behind prism."""
    return prism


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Call the command line, impatiently, with the token in the environment."""
    from pipelines.cluster.client import Patience
    from pipelines.cluster.watching import Watching

    monkeypatch.setattr(
        "pipelines.cluster.client.Patience",
        lambda timeout_s=30.0: Patience(timeout_s=timeout_s, pauses_s=(0.01, 0.02)),
    )
    monkeypatch.setattr("pipelines.cluster.watching.Watching", lambda: Watching(every_s=0.02, outage_s=1.0))
    monkeypatch.setenv("REELFLOW_KFP_TOKEN", TOKEN)
    return lambda *arguments: CliRunner().invoke(main, list(arguments))


def _answers(url: str) -> bool:
    request = urllib.request.Request(f"{url}{API}healthz", headers={"Authorization": f"Bearer {TOKEN}"})
    try:
        with urllib.request.urlopen(request, timeout=5) as response:
            return bool(response.status == 200)
    except OSError:
        return False


def _any_int64(value: Any) -> Any:
    """Let fields of format int64 be numbers too: protobuf's JSON takes both, and kfp.Client sends numbers."""
    if isinstance(value, dict):
        relaxed = {name: _any_int64(each) for name, each in value.items()}
        if relaxed.get("format") == "int64" and relaxed.get("type") == "string":
            del relaxed["type"], relaxed["format"]
        return relaxed
    return [_any_int64(each) for each in value] if isinstance(value, list) else value


@pytest.fixture
def fault(fake: FakeKfp) -> Callable[..., None]:
    """Plant a fault in the API."""

    def plant(method: str, path: str, **how: Any) -> None:
        fake.faults.append(Fault(method, path, **how))

    return plant


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("compiled") / "small.yaml"
    compiler.Compiler().compile(small_pipeline, str(path))
    return path


@pytest.fixture(scope="session")
def done(compiled: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run of the small pipeline, as it lies on this machine."""
    folder = tmp_path_factory.mktemp("done")
    write_demo_zip(folder / "UCF101.zip", groups_per_class=4, clips_per_group=1)
    given = {"source": str(folder / "UCF101.zip"), **SMALL}
    return start(Workspace.at(str(folder / "work")), given, console=Console(), compiled=compiled)


@pytest.fixture
def record(fake: Any, done: Run, compiled: Path) -> Callable[..., Recorded]:
    """Submit the small pipeline to the fake, and lay out in a bucket what its run left."""

    def submit(root: str, put: Put, *, url: str = "", tell_root: bool = True) -> Recorded:
        api = Api(url or fake.url, token=lambda: TOKEN)
        given = {name: value for name, value in done.parameters.items() if not name.endswith("_dir")}
        prepared = prepare(given, changes=Changes(), compiled=compiled)
        run = create_run(
            api,
            reference(upload(api, prepared)),
            experiment=experiment_id(api, "tests"),
            parameters=prepared.parameters,
            placement=Placement(pipeline_root=root if tell_root else ""),
            pipeline=prepared.pipeline,
        )
        fake.runs[run["run_id"]]["state"] = "SUCCEEDED"
        records = laid_out(done, root=root, run_id=run["run_id"], put=put)
        return Recorded(url=api.host, run_id=run["run_id"], root=root, put=put, records=records)

    return submit


@pytest.fixture
def in_gcs(record: Callable[..., Recorded], gcs_bucket: str) -> Recorded:
    return record(f"{gcs_bucket}/v2/artifacts", put_gs)


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def put_s3(s3_server: str, monkeypatch: pytest.MonkeyPatch) -> Put:
    import boto3

    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_server)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "minio")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "minio123")
    client = boto3.client("s3", region_name="us-east-1")
    client.create_bucket(Bucket="mlpipeline")

    def put(uri: str, data: bytes) -> None:
        bucket, _, name = uri.partition("://")[2].partition("/")
        client.put_object(Bucket=bucket, Key=name, Body=data)

    return put


@pytest.fixture
def leave(done: Run) -> Callable[..., None]:
    """Lay out in a bucket what a run of the fake would have left, logs too, as clusters that publish them do."""

    def lay_out(run_id: str, *, root: str) -> None:
        for uri, _ in laid_out(done, root=root, run_id=run_id, put=put_gs).values():
            put_gs(uri.replace("/record/step.json", "/executor-logs"), b"decoded\n")

    return lay_out
