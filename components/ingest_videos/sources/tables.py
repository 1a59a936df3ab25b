"""CSV and JSON lines whose header, or keys, say what the columns are."""

import csv
import io
import json
from collections.abc import Iterator, Mapping
from typing import Any

from components.contract.errors import StepError
from components.ingest_videos.addresses import shown
from components.ingest_videos.listing import Reading, Source
from components.ingest_videos.sources.rows import Row, Rows, list_text, source_of_rows

PATH_COLUMNS = ("path", "uri", "video")

_LABEL_COLUMN = "label"


def csv_table(source: str, reading: Reading) -> Source:
    """Open a CSV with the columns path (or uri, or video) and label, and maybe split, group and source."""
    text = list_text(source)
    check_columns(source, csv_header(text), one_of=PATH_COLUMNS)
    return source_of_rows(source, table_rows(csv_cells(text)), reading)


def jsonl_table(source: str, reading: Reading) -> Source:
    """Open JSON lines with the keys that a CSV has as columns."""
    text = list_text(source)
    keys = {key for _, cells in jsonl_cells(text) if not isinstance(cells, str) for key in cells}
    check_columns(source, keys, one_of=PATH_COLUMNS)
    return source_of_rows(source, table_rows(jsonl_cells(text)), reading)


def csv_header(text: str) -> set[str]:
    """Return the names of a CSV's columns in lower case."""
    try:
        return set(_header(next(csv.reader(io.StringIO(text, newline="")), [])))
    except csv.Error:
        return set()


def check_columns(source: str, found: set[str], *, one_of: tuple[str, ...]) -> None:
    """Raise a StepError unless a table has a label and one of these columns."""
    if _LABEL_COLUMN in found and found & set(one_of):
        return
    raise StepError(
        f"{shown(source)} has the columns {', '.join(sorted(found))[:200] or '(none)'}.",
        remedy=f"Its header needs {_LABEL_COLUMN} and one of {', '.join(one_of)}.",
    )


def csv_cells(text: str) -> Iterator[tuple[int, Mapping[str, str] | str]]:
    """Give every line's number and its cells by column, or why it cannot be read."""
    reader = csv.reader(io.StringIO(text, newline=""))
    header: list[str] | None = None
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield reader.line_num, f"it is no CSV ({error})"
            continue
        if header is None:
            header = _header(row)
        elif row:
            yield reader.line_num, dict(zip(header, row, strict=False))


def jsonl_cells(text: str) -> Iterator[tuple[int, Mapping[str, str] | str]]:
    """Give every line's number and its values by key, or why it cannot be read."""
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            value: Any = json.loads(line)
        except (ValueError, RecursionError):
            yield number, "it is no JSON"
            continue
        if not isinstance(value, dict):
            yield number, "it is no JSON object"
            continue
        yield number, {key.strip().casefold(): _text(cell) for key, cell in value.items()}


def table_rows(cells: Iterator[tuple[int, Mapping[str, str] | str]]) -> Rows:
    """Return the rows of a table."""
    rows = Rows()
    for number, row in cells:
        if isinstance(row, str):
            rows.refused[f"line {number}"] = row
            continue
        path = next((row[column] for column in PATH_COLUMNS if row.get(column)), "")
        others = {name: row.get(name, "") for name in ("label", "split", "group", "source")}
        rows.rows.append(Row(line=number, path=path, **others))
    return rows


def _header(row: list[str]) -> list[str]:
    return [name.strip().casefold() for name in row]


def _text(cell: Any) -> str:
    # A label or a group may be a number; what has parts is none of our columns.
    return str(cell) if isinstance(cell, str | int | float) and not isinstance(cell, bool) else ""
