import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipelines.console import Console
from pipelines.containers import find_image
from pipelines.demo.range_server import serve_folder
from pipelines.demo.videos import write_demo_zip
from pipelines.local_run import StepFailedError, resume, start
from pipelines.registry import pinned
from pipelines.runs import Run, find_run
from pipelines.workspace import Workspace, WorkspaceError

pytestmark = pytest.mark.containers

DEMO = {"n_frames": 8, "frame_height": 32, "frame_width": 40, "epochs": 2, "n_bootstrap": 100}


def statuses(run: Run) -> dict[str, str]:
    return {state.step: state.status for state in run.steps}


def record_of(run: Run, step: str) -> dict[str, Any]:
    record = run.record(step)
    assert record is not None
    return record


def test_whole_pipeline_runs_in_containers_and_then_has_nothing_new(
    image: str, tmp_path: Path, workspace: Workspace, console: Console
) -> None:
    write_demo_zip(tmp_path / "served" / "UCF101.zip", groups_per_class=6, clips_per_group=2)

    with serve_folder(tmp_path / "served") as server:
        parameters = {**DEMO, "source": f"{server.url}/UCF101.zip"}
        run = start(workspace, parameters, console=console, image=image)
        again = start(workspace, parameters, console=console, image=image)

    assert set(statuses(run).values()) == {"succeeded"}
    assert len(run.steps) == 7
    for state in run.steps:
        record = record_of(run, state.step)
        assert record["image"] == f"{image}@{find_image(image).digest}"
        assert record["python"].startswith("3.13.")
    assert run.page("evaluate_model").is_file()
    written = [path for path in workspace.root.rglob("*") if not path.is_symlink()]
    assert {path.stat().st_uid for path in written} == {os.getuid()}
    cached = {step for step, status in statuses(again).items() if status == "cached"}
    assert cached == {"extract_frames", "validate_clips", "train_model", "evaluate_model"}
    assert find_run(workspace, run.name).image == image


def test_image_is_run_by_nobody_in_particular_and_cannot_change_its_code(client: Any, image: str) -> None:
    look = "id -u; id -g; touch /opt/reelflow/x /opt/reelflow/components/image.py /opt/venv/x 2>&1 | wc -l; pwd; umask"

    own = client.containers.run(image, ["sh", "-c", look], remove=True).decode().split()
    found = client.images.get(image).attrs["Config"]

    assert own[:3] == ["10001", "10001", "3"]
    assert found["User"] == "10001:10001"
    assert not found.get("Entrypoint")
    assert found["Labels"]["org.opencontainers.image.version"] == image.partition(":")[2]


def test_image_says_how_it_is_used_to_any_user(client: Any, image: str) -> None:
    said = client.containers.run(image, user="54321:54321", remove=True).decode()

    assert "Turn labelled videos into a served video classifier" in said


def test_image_holds_no_tools_of_developers_and_what_it_holds_fits(client: Any, image: str) -> None:
    program = "import importlib.metadata as m, json; print(json.dumps([d.metadata['Name'] for d in m.distributions()]))"

    names = json.loads(client.containers.run(image, ["python3", "-c", program], remove=True))

    assert {"tensorflow", "apache-beam", "av", "kfp", "tensorflow-data-validation", "tensorflow-serving-api"} <= set(
        names
    )
    unneeded = {
        "pytest",
        "mypy",
        "ruff",
        "hypothesis",
        "pip",
        "moto",
        "boto3",
        "botocore",
        "flask",
        "kubernetes",
        "docker",
    }
    assert not unneeded & {name.lower() for name in names if name}


def test_code_digest_is_the_same_in_the_image(client: Any, image: str) -> None:
    program = "from components.contract.code_digest import all_code_digest; print(all_code_digest())"

    inside = client.containers.run(image, ["python3", "-c", program], remove=True).decode().strip()

    assert inside == find_image(image).code_digest
    assert find_image(image).is_of_this_code


def test_local_file_is_read_by_its_relative_name_and_the_output_is_the_callers(
    image: str, compiled: Path, tmp_path: Path, workspace: Workspace, console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("numbers.txt").write_text("1 2 3\n")

    run = start(workspace, {"source": "numbers.txt"}, console=console, compiled=compiled, image=image)

    found = run.step("act").output_path("found")
    assert found is not None
    assert (found / "read.txt").read_text() == "1 2 3\n"
    assert found.stat().st_uid == os.getuid()
    assert "progress: reading\n" in run.log("act").read_text()


def test_container_that_fails_at_once_is_a_failed_step_every_time(
    client: Any, image: str, compiled: Path, workspace: Workspace, console: Console
) -> None:
    for _ in range(5):
        with pytest.raises(StepFailedError, match=r"exit 7"):
            start(workspace, {"what": "exit"}, console=console, compiled=compiled, image=image)

    run = find_run(workspace, "latest")
    assert run.status == "failed"
    assert run.step("act").exit_code == 7
    assert not client.containers.list(all=True, filters={"label": f"reelflow.run={run.name}"})


def test_error_of_a_step_in_a_container_keeps_reason_and_remedy_and_the_run_resumes_in_the_image(
    image: str, compiled: Path, tmp_path: Path, workspace: Workspace, console: Console
) -> None:
    (tmp_path / "numbers.txt").write_text("1\n")
    parameters = {"what": "refuse", "source": str(tmp_path / "numbers.txt")}
    with pytest.raises(StepFailedError) as failure:
        start(workspace, parameters, console=console, compiled=compiled, image=image)
    failed = find_run(workspace, "latest")
    failed.parameters["what"] = "read"

    resumed = resume(workspace, failed, console=console, compiled=compiled)

    assert (failure.value.reason, failure.value.remedy) == ("Found nothing.", "Look again.")
    assert statuses(resumed) == {"act": "succeeded"}
    assert record_of(resumed, "act")["image"].startswith(f"{image}@sha256:")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_ends_the_container_and_the_step_says_so(
    client: Any, image: str, compiled: Path, workspace: Workspace, number: signal.Signals
) -> None:
    process = started(workspace, compiled, image)
    wait_for_sleep(workspace)

    process.send_signal(number)
    process.communicate(timeout=30)

    interrupted = find_run(workspace, "latest")
    assert interrupted.status == "interrupted"
    assert record_of(interrupted, "act")["error"]["type"] == "Terminated"
    assert not client.containers.list(all=True, filters={"label": f"reelflow.run={interrupted.name}"})


def test_run_that_was_killed_resumes_without_the_container_that_it_left(
    client: Any, image: str, compiled: Path, tmp_path: Path, workspace: Workspace, console: Console
) -> None:
    (tmp_path / "numbers.txt").write_text("1\n")
    process = started(workspace, compiled, image)
    wait_for_sleep(workspace)
    process.kill()
    process.communicate(timeout=30)
    killed = find_run(workspace, "latest")
    (left,) = client.containers.list(filters={"label": f"reelflow.run={killed.name}"})
    killed.parameters |= {"what": "read", "source": str(tmp_path / "numbers.txt")}

    resumed = resume(workspace, killed, console=console, compiled=compiled)

    assert statuses(resumed) == {"act": "succeeded"}
    assert left.id not in {container.id for container in client.containers.list(all=True)}


def test_secret_reaches_the_step_and_nothing_that_is_kept(
    client: Any,
    image: str,
    compiled: Path,
    tmp_path: Path,
    workspace: Workspace,
    console: Console,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    secret = "a-secret-of-the-tests"
    monkeypatch.setenv("TOKEN_OF_THE_TESTS", secret)
    monkeypatch.setenv("ANOTHER_OF_THE_TESTS", "not named")
    (tmp_path / "numbers.txt").write_text("1\n")
    given = {"source": str(tmp_path / "numbers.txt"), "token_env": "TOKEN_OF_THE_TESTS"}

    run = start(workspace, given, console=console, compiled=compiled, image=image)

    found = run.step("act").output_path("found")
    assert found is not None
    assert (found / "token.sha256").read_text() == hashlib.sha256(secret.encode()).hexdigest()
    kept = [path.read_bytes() for path in workspace.root.rglob("*") if path.is_file()]
    assert not any(secret.encode() in data for data in kept)
    assert secret not in "".join(capfd.readouterr())


def test_pushed_image_has_the_digest_that_a_submission_names(
    client: Any, serve_registry: Callable[[], str], tmp_path: Path
) -> None:
    (tmp_path / "Dockerfile").write_text("FROM scratch\nCOPY Dockerfile /\n")
    name = f"{serve_registry()}/team/reelflow"
    subprocess.run(["docker", "build", "--tag", f"{name}:0.1.0", str(tmp_path)], check=True)
    subprocess.run(["docker", "push", f"{name}:0.1.0"], check=True)

    by_digest = pinned(f"{name}:0.1.0")

    pushed = client.images.get(f"{name}:0.1.0")
    assert by_digest in pushed.attrs["RepoDigests"]
    client.images.remove(f"{name}:0.1.0", force=True)
    assert client.images.pull(by_digest).id == pushed.id
    client.images.remove(by_digest, force=True)


def test_image_that_is_not_there_is_refused_before_a_run_begins(
    client: Any, compiled: Path, workspace: Workspace, console: Console
) -> None:
    with pytest.raises(WorkspaceError, match="make images"):
        start(workspace, {}, console=console, compiled=compiled, image="reelflow:absent")

    assert not workspace.runs.exists()


def test_daemon_that_does_not_answer_is_named_with_its_remedy(client: Any, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pipelines.cli", "run", "--docker", "--work-dir", str(tmp_path)]

    told = subprocess.run(
        [*command, "--set", "source=videos.zip"],
        env={**os.environ, "DOCKER_HOST": f"unix://{tmp_path}/absent.sock"},
        capture_output=True,
        text=True,
    )

    assert told.returncode == 2
    assert "No Docker daemon answers" in told.stderr
    assert "Traceback" not in told.stderr


def started(workspace: Workspace, compiled: Path, image: str) -> "subprocess.Popen[str]":
    program = (
        "import sys; from pathlib import Path; from pipelines.console import Console; "
        "from pipelines.local_run import start; from pipelines.workspace import Workspace; "
        "start(Workspace.at(sys.argv[1]), {'what': 'sleep'}, console=Console(), compiled=Path(sys.argv[2]), "
        "image=sys.argv[3])"
    )
    command = [sys.executable, "-c", program, str(workspace.root), str(compiled), image]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)


def wait_for_sleep(workspace: Workspace) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if any("sleeping" in log.read_text() for log in workspace.runs.glob("*/logs/act.log")):
            return
        time.sleep(0.1)
    raise TimeoutError("the step never started")
