"""The steps' image, built for real, and a pipeline of one step that does in its container what a test wants."""

import contextlib
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kfp import compiler, dsl
from kfp.dsl import Artifact, Dataset, Output

from components.image import IMAGE, component
from pipelines.console import Console
from pipelines.workspace import Workspace

ROOT = Path(__file__).resolve().parents[2]


@component
def act(what: str, source: str, found: Output[Dataset], record: Output[Artifact], token_env: str = "") -> str:
    """Do what a test wants to see done in a container.

    Args:
        what: read, refuse, exit or sleep.
        source: A file.
        found: What was read.
        record: What the step was given and left.
        token_env: Name of an environment variable that holds a secret; its checksum is written beside what was read.
    """
    import os
    import time
    from hashlib import sha256
    from pathlib import Path

    from components.contract.errors import StepError
    from components.contract.files import emptied, write_bytes
    from components.contract.finished import finish
    from components.contract.progress import say
    from components.contract.step_record import step_record

    if what == "exit":
        os._exit(7)
    with step_record(act, locals()):
        if what == "refuse":
            raise StepError("Found nothing.", remedy="Look again.")
        if what == "sleep":
            print("sleeping", flush=True)
            time.sleep(60)
        say("reading")
        folder = emptied(Path(found.path))
        write_bytes(folder / "read.txt", Path(source).read_bytes())
        if token_env:
            write_bytes(folder / "token.sha256", sha256(os.environ[token_env].encode()).hexdigest().encode())
        return finish(folder, kind="read", properties={}).digest


@dsl.pipeline(name="acting")
def acting(store_dir: str, serving_dir: str, what: str = "read", source: str = "", token_env: str = "") -> None:
    act(what=what, source=source, token_env=token_env)


@pytest.fixture(scope="session")
def client() -> Iterator[Any]:
    docker = pytest.importorskip("docker", reason="docker's Python package is missing: run `make setup`")
    if shutil.which("docker") is None:
        pytest.skip("docker's command is missing: install docker.io or docker-ce-cli")
    if subprocess.run(["docker", "version"], capture_output=True).returncode != 0:
        pytest.skip("no Docker daemon answers: start one, or set DOCKER_HOST")
    with contextlib.closing(docker.from_env()) as client:
        yield client


@pytest.fixture(scope="session")
def image(client: Any) -> str:
    subprocess.run(["make", "images"], cwd=ROOT, check=True)
    return IMAGE


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("compiled") / "acting.yaml"
    compiler.Compiler().compile(acting, str(path))
    return path


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace.at(str(tmp_path / "work"))


@pytest.fixture
def console() -> Console:
    return Console(sys.stderr)
