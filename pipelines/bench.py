"""Benchmarks: find the steps' `benchmark.py` and run each in a process of its own.

`python -m pipelines.bench STEP` prints that step's figures, one JSON line each.
"""

import importlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

_COMPONENTS = Path(__file__).resolve().parent.parent / "components"


def benchmarks() -> dict[str, str]:
    """Return the steps that have a benchmark, by the verb that people call it by."""
    return {path.parent.name.split("_")[0]: path.parent.name for path in sorted(_COMPONENTS.glob("*/benchmark.py"))}


def measure(name: str) -> Iterator[dict[str, Any]]:
    """Run one benchmark and yield its figures as they come.

    Raises:
        RuntimeError: If the benchmark fails.
    """
    command = [sys.executable, "-m", "pipelines.bench", benchmarks()[name]]
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONPATH": str(_COMPONENTS.parent)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("{"):
                yield {"bench": name, **json.loads(line)}
    if process.returncode != 0:
        raise RuntimeError(f"The benchmark {name} failed (exit code {process.returncode}).")


def main(step: str) -> None:
    """Print a step's figures."""
    for figure in importlib.import_module(f"components.{step}.benchmark").figures():
        print(json.dumps(asdict(figure)), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
