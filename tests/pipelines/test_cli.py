import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from pipelines.bench import benchmarks
from pipelines.cli import main
from pipelines.console import Console
from pipelines.local_run import start
from pipelines.runs import Run
from pipelines.single_step import step_names
from pipelines.workspace import Workspace

HEAVY = ("tensorflow", "apache_beam", "cv2", "kubernetes", "tensorflow_data_validation", "pandas", "numpy", "pyarrow")


def call(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments))


@pytest.fixture
def recorded(workspace: Workspace, compiled: Path, numbers: Path, console: Console) -> Run:
    return start(workspace, {"source": str(numbers)}, console=console, compiled=compiled)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["compile", "--check"],
        ["params"],
        ["runs", "--work-dir", "nowhere"],
        ["step", "--help"],
        ["step", "train_model", "--help"],
        ["doctor"],
    ],
    ids=" ".join,
)
def test_light_command_imports_nothing_heavy(arguments: list[str]) -> None:
    program = (
        "import sys\n"
        "from pipelines.cli import main\n"
        f"try: main({arguments!r})\n"
        "except SystemExit as end: code = end.code\n"
        f"print('heavy:', [name for name in {HEAVY!r} if name in sys.modules], code)"
    )

    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert ran.stdout.splitlines()[-1] == "heavy: [] 0"


def test_every_command_has_help_with_an_example() -> None:
    for name in main.commands:
        shown = call(name, "--help")

        assert shown.exit_code == 0
        assert f"reelflow {name}" in shown.output, name


def test_every_step_is_a_command_with_its_parameters_described() -> None:
    for name in step_names():
        shown = call("step", name, "--help")

        assert shown.exit_code == 0, shown.output
        assert "--out" in shown.output


def test_step_names_are_the_folders_with_a_component() -> None:
    assert step_names() == [
        "evaluate_model",
        "extract_frames",
        "find_baseline",
        "ingest_videos",
        "push_model",
        "train_model",
        "validate_clips",
    ]


def test_each_benchmark_goes_by_its_verb() -> None:
    assert set(benchmarks()) == {"ingest", "extract", "train", "validate", "evaluate"}


def test_runs_are_listed_shown_and_compared(
    recorded: Run, workspace: Workspace, compiled: Path, numbers: Path, console: Console
) -> None:
    other = start(workspace, {"source": str(numbers), "start": 5}, console=console, compiled=compiled)
    where = ["--work-dir", str(workspace.root), "--json"]

    listed = json.loads(call("runs", *where).output)
    shown = json.loads(call("runs", recorded.name, *where).output)
    differences = json.loads(call("runs", recorded.name, "latest", *where).output)

    assert [(row["run"], row["status"]) for row in listed] == [(recorded.name, "succeeded"), (other.name, "succeeded")]
    assert [step["step"] for step in shown["steps"]] == ["list_numbers", "add_numbers", "show_total"]
    assert differences == [{"what": "parameter", "name": "start", recorded.name: "null", other.name: "5"}]


def test_unknown_run_is_wrong_usage(recorded: Run, workspace: Workspace) -> None:
    shown = call("runs", "2001", "--work-dir", str(workspace.root))

    assert shown.exit_code == 2
    assert "there is no run '2001'" in shown.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "--set", "epochz=3"], "Did you mean epochs?"),
        (["run", "--set", "epochs=three", "--set", "source=x"], "epochs must be a whole number, not 'three'."),
        (["run"], "source is missing"),
        (["run", "--params", "absent.yaml"], "absent.yaml cannot be read"),
        (["run", "--resume", "latest", "--no-cache"], "--resume takes the run's own parameters"),
        (["run", "--set", "source=x", "--work-dir", "/data/python3/work"], "contains 'python3'"),
        (["step", "extract_frames", "--videos", "nowhere"], "nowhere"),
        (["bench", "nothing"], "There is no benchmark nothing"),
    ],
)
def test_wrong_usage_says_why_and_exits_with_2(arguments: list[str], message: str, tmp_path: Path) -> None:
    if "--work-dir" not in arguments and arguments[0] == "run":
        arguments = [*arguments, "--work-dir", str(tmp_path)]

    shown = call(*arguments)

    assert shown.exit_code == 2, shown.output
    assert message in shown.output
    assert not list(tmp_path.iterdir())


def test_failed_step_exits_with_1_and_names_reason_remedy_and_how_to_resume(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pipelines.cli", "run", "--work-dir", str(tmp_path / "work")]
    command += ["--set", f"source={tmp_path / 'absent.zip'}"]

    ran = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "COLUMNS": "200"})

    assert ran.returncode == 1
    assert "ingest_videos failed: " in ran.stderr
    assert "absent.zip" in ran.stderr
    assert "Remedy: " in ran.stderr
    assert "reelflow run --resume" in ran.stderr


def test_doctor_knows_what_is_here_and_names_remedies() -> None:
    checks = json.loads(call("doctor", "--json").output)

    states = {check["name"]: check["state"] for check in checks}
    assert states["tensorflow"] == "ok"
    assert all(check["remedy"] for check in checks if check["state"] != "ok")


def test_gc_keeps_what_kept_runs_need(
    recorded: Run, workspace: Workspace, compiled: Path, numbers: Path, console: Console
) -> None:
    middle = start(workspace, {"source": str(numbers), "start": 5}, console=console, compiled=compiled)
    cached = start(workspace, {"source": str(numbers)}, console=console, compiled=compiled)
    orphan = workspace.store / "videos" / "ab" / "abc.avi"
    orphan.parent.mkdir(parents=True)
    orphan.write_bytes(b"video")
    where = ["--work-dir", str(workspace.root), "--json", "--keep", "1"]

    planned = json.loads(call("gc", "--dry-run", *where).output)
    existed = middle.folder.exists() and orphan.exists()
    call("gc", *where)

    assert existed
    assert {entry["why"] for entry in planned} == {
        "run older than the newest 1",
        "cache entry of a removed run",
        "video that no run needs",
    }
    assert not middle.folder.exists()
    assert not orphan.exists()
    assert recorded.folder.exists()  # the newest run's cached outputs lie in it
    assert cached.folder.exists()
    again = start(workspace, {"source": str(numbers)}, console=console, compiled=compiled)
    assert [state.status for state in again.steps] == ["succeeded", "cached", "cached"]
