import json
from pathlib import Path

import pytest

from components.contract.errors import StepError
from components.contract.files import emptied, replacing, write_json
from components.contract.finished import MARKER_NAME, finish, read_finished


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "whole" / "inner").mkdir(parents=True)
    (tmp_path / "whole" / "a.txt").write_text("a")
    (tmp_path / "whole" / "inner" / "b.txt").write_text("b")
    return tmp_path / "whole"


def test_finished_folder_reads_back_what_was_marked(folder: Path) -> None:
    marked = finish(folder, kind="letters", properties={"n": 2})

    found = read_finished(folder, kind="letters", digest=marked.digest)

    assert found == marked
    assert sorted(found.files) == ["a.txt", "inner/b.txt"]


def test_digest_is_the_same_wherever_the_content_lies_and_other_for_other_content(folder: Path, tmp_path: Path) -> None:
    here = finish(folder, kind="letters", properties={"n": 2})
    there = tmp_path / "there"
    folder.rename(there)

    again = finish(there, kind="letters", properties={"n": 2})
    (there / "a.txt").write_text("A")
    changed = finish(there, kind="letters", properties={"n": 2})

    assert again.digest == here.digest
    assert changed.digest != here.digest


def test_files_with_dates_can_be_left_out_of_the_digest_but_are_still_verified(folder: Path) -> None:
    first = finish(folder, kind="letters", properties={}, content={"a.txt": None})
    (folder / "a.txt").write_text("another day")

    second = finish(folder, kind="letters", properties={}, content={"a.txt": None})

    assert first.digest == second.digest
    (folder / "a.txt").write_text("a third day")
    with pytest.raises(StepError, match="cut or changed"):
        read_finished(folder, kind="letters")


def test_unfinished_folder_is_refused_with_the_remedy(folder: Path) -> None:
    with pytest.raises(StepError, match="not finished") as refusal:
        read_finished(folder, kind="letters")

    assert refusal.value.remedy == "Run the step that writes it again."


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / "a.txt").unlink(), "lacks a.txt"),
        (lambda folder: (folder / "a.txt").write_text("ab"), "cut or changed"),
        (lambda folder: (folder / "a.txt").write_text("x"), "cut or changed"),
        (lambda folder: (folder / MARKER_NAME).write_text("{"), "cannot be read"),
        (lambda folder: (folder / MARKER_NAME).write_text("[]"), "cannot be read"),
    ],
)
def test_damage_is_found(folder: Path, damage: object, message: str) -> None:
    finish(folder, kind="letters", properties={})
    assert callable(damage)
    damage(folder)

    with pytest.raises(StepError, match=message):
        read_finished(folder, kind="letters")


def test_other_kind_version_or_digest_is_refused(folder: Path) -> None:
    finish(folder, kind="letters", properties={})

    with pytest.raises(StepError, match="expected 'numbers'"):
        read_finished(folder, kind="numbers")
    with pytest.raises(StepError, match="not the promised"):
        read_finished(folder, kind="letters", digest="0" * 64)
    marker = json.loads((folder / MARKER_NAME).read_text())
    write_json(folder / MARKER_NAME, {**marker, "schema_version": 99})
    with pytest.raises(StepError, match="version 99"):
        read_finished(folder, kind="letters")


def test_failed_write_leaves_the_old_file_and_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "kept.txt"
    path.write_text("old")

    with pytest.raises(TypeError), replacing(path) as temporary:
        temporary.write_text(None)  # type: ignore[arg-type]

    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_emptied_folder_forgets_an_earlier_try(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "left.txt").write_text("left")

    assert list(emptied(tmp_path / "out").iterdir()) == []
