"""The store of fetched videos: files by the checksum of their bytes, and an index of where they came from.

<store_dir>/videos/<sha256[:2]>/<sha256><suffix>   the videos
<store_dir>/videos/members.jsonl                   which archive member has which checksum
<store_dir>/videos/partial/<random>/               what a running ingest is writing
"""

import fcntl
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from components.contract.errors import StepError
from components.contract.files import sha256_of_file
from components.ingest_videos.listing import Located

_CHUNK_BYTES = 1 << 20
_LOCK_NAME = "lock"


@dataclass(frozen=True)
class MemberKey:
    """What an archive says of a member's content; the archive's address does not matter."""

    name: str
    bytes: int
    crc32: int


@dataclass(frozen=True)
class _Entry:
    sha256: str
    mtime_ns: int


class VideoStore:
    """Keeps videos by content, so that nothing is fetched twice. Threads may `add` at the same time.

    Args:
        store_dir: A local folder; made when something is written.
    """

    def __init__(self, store_dir: str) -> None:
        if "://" in store_dir:
            raise StepError(
                f"The store {store_dir} is not a local folder.", remedy="Give a folder that all steps can read."
            )
        self._root = Path(store_dir).absolute() / "videos"
        self._index_path = self._root / "members.jsonl"

    def known(self) -> dict[MemberKey, Located]:
        """Return the members whose bytes are here and whole."""
        found: dict[MemberKey, Located] = {}
        for key, entry in self._entries().items():
            path = self._path(entry.sha256, key.name)
            if _is_whole(path, n_bytes=key.bytes, entry=entry):
                found[key] = Located(uri=str(path), bytes=key.bytes, sha256=entry.sha256)
        return found

    @contextmanager
    def writing(self) -> Iterator["Writing"]:
        """Give a place to write from; it vanishes with what is half written in it when the block ends.

        What killed ingests left is removed first: theirs are those whose lock nobody holds.
        """
        partial = self._root / "partial"
        partial.mkdir(parents=True, exist_ok=True)
        with ExitStack() as stack:
            folder = stack.enter_context(_own_folder(partial))
            index = stack.enter_context(self._index_path.open("a"))
            if index.tell() and not self._index_path.read_bytes().endswith(b"\n"):
                index.write("\n")  # a kill cut the last row: it must not spoil ours
            yield Writing(folder, index, self._path)

    def _path(self, sha256: str, name: str) -> Path:
        return self._root / sha256[:2] / f"{sha256}.{name.rpartition('.')[2]}"

    def _entries(self) -> dict[MemberKey, _Entry]:
        entries: dict[MemberKey, _Entry] = {}
        if not self._index_path.is_file():
            return entries
        for line in self._index_path.read_text().splitlines():
            try:
                row: dict[str, Any] = json.loads(line)
                key = MemberKey(name=row["name"], bytes=row["bytes"], crc32=row["crc32"])
                entries[key] = _Entry(sha256=row["sha256"], mtime_ns=row["mtime_ns"])
            except (ValueError, KeyError, TypeError):
                continue  # a row that a kill cut: its member is fetched again
        return entries


class Writing:
    """Adds videos to a store; made by `VideoStore.writing`."""

    def __init__(self, folder: Path, index: IO[str], path_of: Callable[[str, str], Path]) -> None:
        self._folder, self._index, self._path_of = folder, index, path_of

    def add(self, key: MemberKey, content: IO[bytes]) -> Located:
        """Copy `content` into the store, all or nothing.

        Raises:
            StepError: If the disk refuses; what reading `content` raises goes through.
        """
        handle, name = tempfile.mkstemp(suffix=".part", dir=self._folder)
        checksum = hashlib.sha256()
        with os.fdopen(handle, "wb") as file:
            while chunk := content.read(_CHUNK_BYTES):
                checksum.update(chunk)
                _written(file, chunk)
        path = self._path_of(checksum.hexdigest(), key.name)
        path.parent.mkdir(exist_ok=True)
        Path(name).chmod(0o644)  # mkstemp makes it 0600; other users' steps read the store
        Path(name).replace(path)
        return Located(uri=str(path), bytes=key.bytes, sha256=checksum.hexdigest())

    def note(self, key: MemberKey, located: Located) -> None:
        """Enter an added video into the index; call it from one thread."""
        row = {
            "name": key.name,
            "bytes": key.bytes,
            "crc32": key.crc32,
            "sha256": located.sha256,
            "mtime_ns": Path(located.uri).stat().st_mtime_ns,
        }
        self._index.write(json.dumps(row, sort_keys=True) + "\n")
        self._index.flush()


def _written(file: IO[bytes], chunk: bytes) -> None:
    try:
        file.write(chunk)
        file.flush()
    except OSError as error:
        raise StepError(
            f"The store cannot be written: {error.strerror}.", remedy="Free space on its disk, or give another store."
        ) from error


def _is_whole(path: Path, *, n_bytes: int, entry: _Entry) -> bool:
    # As git does: a file whose size and time of change are those noted is not read again.
    try:
        state = path.stat()
    except OSError:
        return False
    if state.st_size != n_bytes:
        return False
    return state.st_mtime_ns == entry.mtime_ns or sha256_of_file(path) == entry.sha256


@contextmanager
def _own_folder(partial: Path) -> Iterator[Path]:
    """Make a locked folder below `partial`, remove those that nobody holds the lock of, remove it at the end."""
    with ExitStack() as stack:
        with (partial / _LOCK_NAME).open("w") as gate:  # nobody may clear away a folder that is not locked yet
            fcntl.flock(gate, fcntl.LOCK_EX)
            _remove_abandoned(partial)
            folder = Path(tempfile.mkdtemp(dir=partial))
            lock = stack.enter_context((folder / _LOCK_NAME).open("w"))
            fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _remove_abandoned(partial: Path) -> None:
    for folder in sorted(path for path in partial.iterdir() if path.is_dir()):
        try:
            with (folder / _LOCK_NAME).open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
        except OSError:
            continue  # its owner lives, or removed it just now
