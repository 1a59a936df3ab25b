"""A tiny pipeline of three steps that need nothing heavy, compiled, and a workspace to run it in."""

import sys
from pathlib import Path

import pytest
from kfp import compiler, dsl
from kfp.dsl import Artifact, Dataset, Input, Metrics, Output

from components.image import component
from pipelines.console import Console
from pipelines.workspace import Workspace


@component
def list_numbers(source: str, numbers: Output[Dataset], record: Output[Artifact]) -> str:
    """Read the numbers of a file.

    Args:
        source: File with a number a line.
        numbers: The numbers.
        record: What the step was given and left.
    """
    from pathlib import Path

    from components.contract.errors import StepError
    from components.contract.files import emptied, write_bytes
    from components.contract.finished import finish
    from components.contract.step_record import step_record

    with step_record(list_numbers, locals()):
        if not Path(source).is_file():
            raise StepError(f"There is no file {source}.", remedy="Give a file that exists.")
        folder = emptied(Path(numbers.path))
        write_bytes(folder / "numbers.txt", Path(source).read_bytes())
        return finish(folder, kind="numbers", properties={}).digest


@component
def add_numbers(
    numbers: Input[Dataset],
    numbers_digest: str,
    total: Output[Dataset],
    report: Output[Metrics],
    record: Output[Artifact],
    start: int = 0,
) -> str:
    """Add the numbers.

    Args:
        numbers: The numbers.
        numbers_digest: Their digest.
        total: Their sum.
        report: The sum as a metric.
        record: What the step was given and left.
        start: Where to start from.
    """
    from pathlib import Path

    from components.contract.files import emptied, write_json
    from components.contract.finished import finish, read_finished
    from components.contract.progress import Progress
    from components.contract.step_record import step_record

    with step_record(add_numbers, locals()) as step:
        read_finished(Path(numbers.path), kind="numbers", digest=numbers_digest)
        values = [int(line) for line in (Path(numbers.path) / "numbers.txt").read_text().split()]
        Progress("numbers", len(values)).add(len(values))
        folder = emptied(Path(total.path))
        write_json(folder / "total.json", start + sum(values))
        step.log_metrics(report, {"total": start + sum(values)})
        return finish(folder, kind="total", properties={}).digest


@component
def show_total(
    total: Input[Dataset], total_digest: str, record: Output[Artifact], wait_s: float = 0.0, broken: bool = False
) -> str:
    """Return the total's digest, late or never where a test wants that.

    Args:
        total: The sum.
        total_digest: Its digest.
        record: What the step was given and left.
        wait_s: Seconds to sleep.
        broken: Whether to fail as a bug would.
    """
    import time

    from components.contract.step_record import step_record

    with step_record(show_total, locals()):
        print(f"sleeping {wait_s}", flush=True)
        time.sleep(wait_s)
        if broken:
            raise ZeroDivisionError("planted")
        return total_digest


@dsl.pipeline(name="tiny")
def tiny(
    source: str, store_dir: str, serving_dir: str, start: int = 0, wait_s: float = 0.0, broken: bool = False
) -> None:
    listed = list_numbers(source=source)
    listed.set_caching_options(False)
    added = add_numbers(numbers=listed.outputs["numbers"], numbers_digest=listed.outputs["Output"], start=start)
    show_total(total=added.outputs["total"], total_digest=added.outputs["Output"], wait_s=wait_s, broken=broken)


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("compiled") / "tiny.yaml"
    compiler.Compiler().compile(tiny, str(path))
    return path


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace.at(str(tmp_path / "work"))


@pytest.fixture
def numbers(tmp_path: Path) -> Path:
    path = tmp_path / "numbers.txt"
    path.write_text("1\n2\n3\n")
    return path


@pytest.fixture
def console() -> Console:
    return Console(sys.stderr)
