"""A text file with lines `path label`; the last blank parts the two."""

from components.ingest_videos.listing import Reading, Source
from components.ingest_videos.sources.rows import Row, Rows, list_text, source_of_rows


def path_list(source: str, reading: Reading) -> Source:
    """Open a list of videos; paths are relative to its folder."""
    return source_of_rows(source, path_list_rows(list_text(source)), reading)


def path_list_rows(text: str) -> Rows:
    """Parse the lines of a list: paths may hold blanks, labels may not."""
    rows = Rows()
    for number, line in enumerate(text.split("\n"), start=1):
        words = line.strip().rsplit(maxsplit=1)
        if len(words) == 2:
            rows.rows.append(Row(line=number, path=words[0], label=words[1]))
        elif words:
            rows.refused[f"line {number}"] = "it is not `path label`"
    return rows
