"""Copies of whole archives, for servers that give no parts and for when most parts are wanted."""

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import IO

from components.contract.errors import StepError
from components.contract.files import write_json
from components.ingest_videos.disk_space import check_space
from components.ingest_videos.fetch_progress import FetchProgress
from components.ingest_videos.ranges import RangeReader
from components.ingest_videos.retrying import UnreachableError, persistently
from components.ingest_videos.version import FileVersion

_CHUNK_BYTES = 1 << 20


class Copies:
    """Keeps whole archives, each under the checksum of its address as it is shown: what signs it does not matter.

    A copy that a kill cut is gone on with, as long as the server has the same version.

    Args:
        folder: Where they are; made when it is written to.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def has(self, reader: RangeReader) -> bool:
        """Say whether the version that the server has was copied to its end."""
        path = self._path(reader)
        return path.is_file() and _noted(path) == reader.version and _is_certain(reader.version)

    def bring(self, reader: RangeReader) -> Path:
        """Return the path of a whole copy of what the server has; ask for what is missing of it.

        Raises:
            StepError: If the server keeps failing, the archive is replaced meanwhile, or the disk is full.
        """
        path = self._path(reader)
        self._folder.mkdir(parents=True, exist_ok=True)
        with _locked(path.with_suffix(".lock")):
            if self.has(reader):
                return path
            path.unlink(missing_ok=True)
            unfinished = path.with_suffix(".part")
            if _noted(path) != reader.version or not _is_certain(reader.version):
                unfinished.unlink(missing_ok=True)
            if reader.version:
                write_json(_note_of(path), asdict(reader.version))
            with unfinished.open("ab") as file:
                _fill(file, reader)
            unfinished.replace(path)
        return path

    def drop(self, reader: RangeReader) -> None:
        """Remove the copy, if there is one."""
        path = self._path(reader)
        with _locked(path.with_suffix(".lock")):
            for gone in (path, path.with_suffix(".part"), _note_of(path)):
                gone.unlink(missing_ok=True)

    def _path(self, reader: RangeReader) -> Path:
        return self._folder / f"{hashlib.sha256(reader.shown.encode()).hexdigest()[:32]}.zip"


def _fill(file: IO[bytes], reader: RangeReader) -> None:
    total = reader.version.n_bytes if reader.version else None
    check_space(Path(file.name).parent, (total or 0) - file.tell())
    progress = FetchProgress(n_bytes=total, n_bytes_before=file.tell(), of="the archive")
    persistently(partial(_append, file, reader, progress), what=reader.shown, done=lambda: progress.n_bytes)
    os.fsync(file.fileno())


def _append(file: IO[bytes], reader: RangeReader, progress: FetchProgress) -> None:
    total = reader.version.n_bytes if reader.version else None
    if total is not None and file.tell() == total:
        return
    body, start = reader.open_rest(file.tell())
    with body:
        if start != file.tell():
            file.truncate(start)  # the server ignores ranges: it begins anew
            file.seek(start)
        while piece := body.read(_CHUNK_BYTES):
            _write(file, piece)
            progress.count(len(piece))
    if total is not None and file.tell() != total:
        raise UnreachableError("the answer was shorter than the archive")


def _write(file: IO[bytes], piece: bytes) -> None:
    try:
        file.write(piece)
        file.flush()
    except OSError as error:
        raise StepError(
            f"The store cannot be written: {error.strerror}.", remedy="Free space on its disk, or give another store."
        ) from error


def _is_certain(version: FileVersion | None) -> bool:
    return bool(version and version.n_bytes and version.validator)


def _note_of(path: Path) -> Path:
    return path.with_suffix(".json")


def _noted(path: Path) -> FileVersion | None:
    try:
        return FileVersion(**json.loads(_note_of(path).read_text()))
    except (OSError, ValueError, TypeError):
        return None


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
