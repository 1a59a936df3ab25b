from collections.abc import Iterator
from pathlib import Path

import pytest

from components.contract import code_digest
from components.contract.code_digest import all_code_digest, step_code_digest


@pytest.fixture
def sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    for folder in ("train_model", "push_model", "contract", "video"):
        (tmp_path / "components" / folder).mkdir(parents=True)
        (tmp_path / "components" / folder / "code.py").write_text("pass\n")
    (tmp_path / "requirements.lock").write_text("numpy==2\n")
    monkeypatch.setattr(code_digest, "_COMPONENTS", tmp_path / "components")
    monkeypatch.setattr(code_digest, "_LOCK", tmp_path / "requirements.lock")
    forget()
    yield tmp_path
    forget()


def forget() -> None:
    step_code_digest.cache_clear()
    all_code_digest.cache_clear()


@pytest.mark.parametrize(
    ("changed", "train_changes", "push_changes"),
    [
        ("components/train_model/code.py", True, False),
        ("components/contract/code.py", True, True),
        ("components/video/code.py", True, True),
        ("requirements.lock", True, True),
        ("components/train_model/benchmark.py", False, False),
    ],
)
def test_changed_line_changes_the_digest_of_the_steps_that_use_it(
    sources: Path, changed: str, train_changes: bool, push_changes: bool
) -> None:
    before = step_code_digest("train_model"), step_code_digest("push_model"), all_code_digest()
    forget()

    (sources / changed).write_text("changed\n")

    assert (step_code_digest("train_model") != before[0]) == train_changes
    assert (step_code_digest("push_model") != before[1]) == push_changes
    assert (all_code_digest() != before[2]) == (train_changes or push_changes)
