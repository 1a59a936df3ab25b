"""Which code a result came from: a digest of the sources that can change it."""

import hashlib
from functools import cache
from pathlib import Path

_COMPONENTS = Path(__file__).resolve().parent.parent
_LOCK = _COMPONENTS.parent / "requirements.lock"
_SHARED = ("contract", "video")
# Shared by some steps only, so that a change there does not extract or train anew.
_SHARED_BY_SOME = {"serving": ("find_baseline", "evaluate_model", "push_model")}


@cache
def step_code_digest(step: str) -> str:
    """Return the digest of a step's folder, of what it shares with others, and of the lock."""
    shared = [*_SHARED, *(name for name, steps in _SHARED_BY_SOME.items() if step in steps)]
    return _digest([_COMPONENTS / step, *(_COMPONENTS / name for name in shared)])


@cache
def all_code_digest() -> str:
    """Return the digest of all steps and of the lock."""
    return _digest([_COMPONENTS])


def _digest(folders: list[Path]) -> str:
    files = sorted(
        path
        for folder in folders
        for path in folder.rglob("*")
        if path.is_file() and path.suffix != ".pyc" and path.name != "benchmark.py"
    )
    checksum = hashlib.sha256()
    for path in [*files, *([_LOCK] if _LOCK.is_file() else [])]:
        checksum.update(f"{path.relative_to(_COMPONENTS.parent)}\0{path.stat().st_size}\0".encode())
        checksum.update(path.read_bytes())
    return checksum.hexdigest()
