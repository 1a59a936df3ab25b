"""Checkpoints: everything that a training goes on from after it was killed, in one file that appears at once."""

import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from components.contract.code_digest import step_code_digest
from components.contract.errors import StepError
from components.contract.files import replacing, sha256_of_json

_FOLDER = "training"
_NAME = "checkpoint.npz"
_PROGRESS = "progress"

Arrays = list[np.ndarray[Any, Any]]


@dataclass(frozen=True)
class Checkpoint:
    """A training after an epoch.

    Attributes:
        state: Weights, averages, the optimizer's memory, the number of steps.
        best: The weights of the best epoch so far; empty where none are kept.
        rows: The history so far, one JSON object per epoch.
    """

    state: Arrays
    best: Arrays
    rows: list[dict[str, Any]]


class CheckpointFile:
    """The place of a training's last checkpoint.

    Args:
        store_dir: Folder that outlives runs; the file is below it. "" keeps no checkpoints.
        training: All that makes the training what it is: clips, model, recipe. With the code's digest it is the
            file's name, so that no other training goes on from it.
    """

    def __init__(self, store_dir: str, training: Mapping[str, Any]) -> None:
        if "://" in store_dir:
            raise StepError(
                f"store_dir is {store_dir!r}; checkpoints are kept in folders only.",
                remedy="Give a folder of this machine or of a mounted volume.",
            )
        key = sha256_of_json({"training": dict(training), "code": step_code_digest("train_model")})
        self._path = Path(store_dir) / _FOLDER / key[:32] / _NAME if store_dir else None

    def write(self, checkpoint: Checkpoint) -> None:
        """Replace the checkpoint, all or nothing."""
        if self._path is None:
            return
        progress = np.frombuffer(json.dumps(checkpoint.rows).encode(), np.uint8)
        arrays = {
            **{f"state_{index}": value for index, value in enumerate(checkpoint.state)},
            **{f"best_{index}": value for index, value in enumerate(checkpoint.best)},
        }
        with replacing(self._path) as temporary, temporary.open("wb") as file:
            # numpy's stub takes the names for its own options
            np.savez(file, **{_PROGRESS: progress}, **arrays)  # type: ignore[arg-type, unused-ignore]

    def read(self) -> Checkpoint | None:
        """Return the checkpoint, or None where there is none; one that cannot be read counts as none."""
        if self._path is None or not self._path.is_file():
            return None
        try:
            with self._path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
                return Checkpoint(
                    state=_numbered(stored, "state_"),
                    best=_numbered(stored, "best_"),
                    rows=json.loads(stored[_PROGRESS].tobytes()),
                )
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            print(f"{self._path} is no checkpoint and is passed over ({error}); training starts anew.")
            return None

    def remove(self) -> None:
        """Forget the checkpoint of a training that is done."""
        if self._path is not None:
            self._path.unlink(missing_ok=True)
            if self._path.parent.is_dir() and not any(self._path.parent.iterdir()):
                self._path.parent.rmdir()


def _numbered(stored: Any, prefix: str) -> Arrays:
    n_arrays = sum(name.startswith(prefix) for name in stored.files)
    return [stored[f"{prefix}{index}"] for index in range(n_arrays)]
