"""Which archive member has which checksum: a row is written once its video is safely on the disk."""

import json
import os
import zipfile
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from components.ingest_videos.listing import Located

# A kill costs nothing that is pending (see VideoStore.left_unnoted), only a machine that fails does.
_BATCH = 256
_SYNCED_AT_ONCE = 16  # a file system commits them together: 1.1 to 2.2 times as fast as one by one


@dataclass(frozen=True)
class MemberKey:
    """What an archive says of a member's content; the archive's address does not matter."""

    name: str
    bytes: int
    crc32: int


@dataclass(frozen=True)
class Entry:
    """What was noted of a stored video: its checksum, and when its file was last changed."""

    sha256: str
    mtime_ns: int


def key_of(info: zipfile.ZipInfo) -> MemberKey:
    """Return the key of an archive's member."""
    return MemberKey(name=info.filename, bytes=info.file_size, crc32=info.CRC)


def read_journal(path: Path, wanted: Collection[MemberKey]) -> dict[MemberKey, Entry]:
    """Return what is noted of `wanted` members; rows that a kill cut are passed over."""
    entries: dict[MemberKey, Entry] = {}
    if not path.is_file():
        return entries
    with path.open() as rows:
        for line in rows:
            try:
                row: dict[str, Any] = json.loads(line)
                key = MemberKey(name=row["name"], bytes=row["bytes"], crc32=row["crc32"])
                entry = Entry(sha256=row["sha256"], mtime_ns=row["mtime_ns"])
            except (ValueError, KeyError, TypeError):
                continue
            if key in wanted:
                entries[key] = entry
    return entries


class Journal:
    """Appends rows in batches: the videos reach the disk before the rows that tell of them.

    Args:
        file: The journal, open for appending.
    """

    def __init__(self, file: IO[str]) -> None:
        self._file = file
        self._pending: list[tuple[MemberKey, Located]] = []

    def note(self, key: MemberKey, located: Located) -> None:
        """Enter a stored video with the next batch; call it from one thread."""
        self._pending.append((key, located))
        if len(self._pending) >= _BATCH:
            self.flush()

    def flush(self) -> None:
        """Bring what is pending to the disk: the videos, their folders, then the rows."""
        paths = [Path(located.uri) for _, located in self._pending]
        with ThreadPoolExecutor(_SYNCED_AT_ONCE) as pool:
            list(pool.map(_sync, paths))
            list(pool.map(_sync, sorted({path.parent for path in paths})))
        for key, located in self._pending:
            self._file.write(json.dumps(_row(key, located), sort_keys=True) + "\n")
        self._pending = []
        self._file.flush()
        os.fsync(self._file.fileno())


def _row(key: MemberKey, located: Located) -> dict[str, Any]:
    return {
        "name": key.name,
        "bytes": key.bytes,
        "crc32": key.crc32,
        "sha256": located.sha256,
        "mtime_ns": Path(located.uri).stat().st_mtime_ns,
    }


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
