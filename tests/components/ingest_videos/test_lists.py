"""Parsers of names and lists: whatever they are given, they never crash and never give a path that climbs."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.contract.errors import StepError
from components.ingest_videos.listing import Reading
from components.ingest_videos.names import hmdb_recording, plain_label, plain_path, recording_of, split_named
from components.ingest_videos.sources.kinetics import kinetics_stems
from components.ingest_videos.sources.path_list import path_list_rows
from components.ingest_videos.sources.rows import source_of_rows
from components.ingest_videos.sources.tables import csv_cells, csv_header, jsonl_cells, table_rows
from components.ingest_videos.store import VideoStore

any_cell = st.text() | st.text(alphabet="../\\a:gs\0\n ,\"'", max_size=20)


@given(
    recording=st.from_regex(r"[A-Za-z0-9_-]{1,30}", fullmatch=True),
    label=st.from_regex(r"[a-z]{1,10}(_[a-z]{1,10})?", fullmatch=True),
    clip=st.integers(0, 99),
)
def test_every_name_of_hmdb51_is_understood(recording: str, label: str, clip: int) -> None:
    name = f"{recording}_{label}_h_cm_np1_le_goo_{clip}.avi"

    assert hmdb_recording(name, label) == recording
    assert recording_of(f"{label}/{name}", label) == recording


@given(name=any_cell, label=any_cell)
def test_any_name_of_hmdb51_is_refused_or_gives_a_plain_recording(name: str, label: str) -> None:
    for tried in (name, f"{name}_{label}_h_cm_np1_le_goo_0.avi"):
        recording = hmdb_recording(tried, label)

        assert recording is None or (recording.isprintable() and not set("/\\") & set(recording))


@given(text=any_cell)
def test_any_text_of_a_list_is_refused_or_gives_a_plain_path_label_and_split(text: str) -> None:
    path, label = plain_path(text), plain_label(text)

    assert path is None or (path.isprintable() and ".." not in path.replace("\\", "/").split("/"))
    assert label is None or label.isprintable()
    assert split_named(text) in (None, "train", "validation", "test")


@given(text=st.text() | st.lists(any_cell, max_size=9).map("\n".join))
def test_any_text_as_a_path_list_gives_rows_or_refusals_one_per_line(text: str) -> None:
    rows = path_list_rows(text)

    assert len(rows.rows) + len(rows.refused) == sum(bool(line.strip()) for line in text.split("\n"))
    assert all(row.path and row.label and not row.label.split()[1:] for row in rows.rows)


@given(path=st.from_regex(r"[a-z]( ?[a-z]){0,9}\.avi", fullmatch=True), label=st.from_regex(r"[a-z]+", fullmatch=True))
def test_a_line_of_a_path_list_is_split_on_its_last_blank(path: str, label: str) -> None:
    (row,) = path_list_rows(f"{path}  {label}\r").rows

    assert (row.path, row.label) == (path, label)


@given(text=st.text() | st.lists(any_cell, max_size=9).map("\n".join))
def test_any_text_as_a_csv_or_json_lines_gives_rows_or_refusals(text: str) -> None:
    csv_header(text)

    for cells in (csv_cells(f"path,label\n{text}"), csv_cells(text), jsonl_cells(text)):
        rows = table_rows(cells)

        assert all(isinstance(row.path, str) and isinstance(row.label, str) for row in rows.rows)


@given(
    cells=st.dictionaries(st.sampled_from(["path", "Label ", "split", "group"]), st.none() | st.integers() | any_cell)
)
def test_any_json_object_gives_a_row_of_texts(cells: dict[str, object]) -> None:
    (row,) = table_rows(jsonl_cells(json.dumps(cells))).rows

    assert {type(row.path), type(row.label), type(row.split), type(row.group)} == {str}


@given(
    cells=st.dictionaries(st.sampled_from(["youtube_id", "label", "time_start", "time_end", "split"]), any_cell),
    youtube_id=st.just("AbC_-123456") | any_cell,
)
def test_any_row_of_kinetics_is_refused_or_gives_plain_names(cells: dict[str, str], youtube_id: str) -> None:
    for tried in (cells, {**cells, "youtube_id": youtube_id, "label": "yodel"}):
        stems = kinetics_stems(tried)

        assert isinstance(stems, str) or not any(set(stem) & set("/\\.\0") for stem in stems)


@given(text=st.lists(any_cell, min_size=1, max_size=5).map(lambda cells: "\n".join(f"{cell}.avi x" for cell in cells)))
def test_no_line_of_a_list_reaches_a_file_above_its_folder(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    folder = tmp_path_factory.getbasetemp() / "listed" / "inside"
    folder.mkdir(parents=True, exist_ok=True)
    (folder.parent / "secret.avi").write_bytes(b"secret")
    (folder / "plain.avi").write_bytes(b"plain")
    rows = path_list_rows(f"{text}\n../secret.avi x\na/../../secret.avi x\nplain.avi x")

    source = source_of_rows(str(folder / "list.txt"), rows, Reading(store=VideoStore(str(folder / "store")), workers=1))

    located = source.fetch([video.name for video in source.listed({"x"})]).located
    assert [Path(found.uri).name for found in located.values()] == ["plain.avi"]


def test_a_cell_that_is_too_long_is_refused_and_the_rest_are_read() -> None:
    cells = f"path,label\na.avi,x\n{'b' * 200_000}.avi,x\nc.avi,x\n"

    rows = table_rows(csv_cells(cells))

    assert [row.path for row in rows.rows] == ["a.avi", "c.avi"]
    assert list(rows.refused) == ["line 3"]


def test_a_list_that_is_no_text_is_refused(tmp_path: Path) -> None:
    from components.ingest_videos.sources.path_list import path_list

    (tmp_path / "list.txt").write_bytes(b"\xff\xfe\x00a")

    with pytest.raises(StepError, match="no UTF-8 text"):
        path_list(str(tmp_path / "list.txt"), Reading(store=VideoStore(str(tmp_path / "store")), workers=1))
