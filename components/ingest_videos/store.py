"""The store of fetched videos: files by the checksum of their bytes, and a journal of where they came from.

<store_dir>/videos/<sha256[:2]>/<sha256><suffix>   the videos
<store_dir>/videos/members.jsonl                   which archive member has which checksum
<store_dir>/videos/partial/<random>/               what a running ingest is writing
<store_dir>/videos/archives/                       copies of whole archives
"""

import hashlib
import itertools
import os
import zlib
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from components.contract.errors import StepError
from components.contract.files import sha256_of_file
from components.ingest_videos.disk_space import check_space
from components.ingest_videos.download import Copies
from components.ingest_videos.journal import Entry, Journal, MemberKey, read_journal
from components.ingest_videos.listing import Located
from components.ingest_videos.partial_folder import own_folder

_CHUNK_BYTES = 1 << 20


class VideoStore:
    """Keeps videos by content, so that nothing is fetched twice.

    Args:
        store_dir: A local folder; made when something is written.
    """

    def __init__(self, store_dir: str) -> None:
        if "://" in store_dir:
            raise StepError(
                f"The store {store_dir} is not a local folder.", remedy="Give a folder that all steps can read."
            )
        self._root = Path(store_dir).absolute() / "videos"
        self._journal_path = self._root / "members.jsonl"
        self.copies = Copies(self._root / "archives")

    def known(self, keys: Collection[MemberKey]) -> dict[MemberKey, Located]:
        """Return those of these members whose bytes are here and whole."""
        found: dict[MemberKey, Located] = {}
        for key, entry in read_journal(self._journal_path, keys).items():
            path = self._path(entry.sha256, key.name)
            if _is_whole(path, n_bytes=key.bytes, entry=entry):
                found[key] = Located(uri=str(path), bytes=key.bytes, sha256=entry.sha256)
        return found

    def left_unnoted(self, keys: Collection[MemberKey]) -> dict[MemberKey, Located]:
        """Return those of these members that a killed ingest stored and did not come to note.

        A file counts when its bytes have the checksum that it is named by, and a member's size and CRC-32.
        """
        of_size: defaultdict[int, list[MemberKey]] = defaultdict(list)
        for key in keys:
            of_size[key.bytes].append(key)
        found: dict[MemberKey, Located] = {}
        for path in sorted(self._root.glob("[0-9a-f][0-9a-f]/*")):
            candidates = of_size.get(path.stat().st_size, [])
            if not candidates:
                continue
            sha256, crc32 = _checksums(path)
            if path.name.partition(".")[0] != sha256:
                continue
            for key in candidates:
                if key.crc32 == crc32 and self._path(sha256, key.name) == path:
                    found[key] = Located(uri=str(path), bytes=key.bytes, sha256=sha256)
        return found

    @contextmanager
    def writing(self, *, n_bytes: int) -> Iterator["Writing"]:
        """Give a place to write from; it vanishes with what is half written in it when the block ends.

        What killed ingests left is removed first: theirs are those whose lock nobody holds.

        Args:
            n_bytes: How much will be written.

        Raises:
            StepError: If the disk has no room for it.
        """
        partial = self._root / "partial"
        partial.mkdir(parents=True, exist_ok=True)
        with ExitStack() as stack:
            folder = stack.enter_context(own_folder(partial))
            check_space(folder, n_bytes)
            rows = stack.enter_context(self._journal_path.open("a"))
            if rows.tell() and not _ends_a_line(self._journal_path):
                rows.write("\n")  # a kill cut the last row: it must not spoil ours
            journal = Journal(rows)
            stack.callback(journal.flush)
            yield Writing(folder, journal, self._path)

    def _path(self, sha256: str, name: str) -> Path:
        return self._root / sha256[:2] / f"{sha256}.{name.rpartition('.')[2]}"


class Writing:
    """Adds videos to a store; made by `VideoStore.writing`. Threads may `add` at the same time."""

    def __init__(self, folder: Path, journal: Journal, path_of: Callable[[str, str], Path]) -> None:
        self._folder, self._path_of = folder, path_of
        self._numbers = itertools.count()
        self.note = journal.note

    def add(self, key: MemberKey, content: Iterable[bytes]) -> Located:
        """Copy `content` into the store, all or nothing.

        Raises:
            StepError: If the disk refuses; what reading `content` raises goes through.
        """
        unfinished = self._folder / f"{next(self._numbers)}.part"
        checksum = hashlib.sha256()
        descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        try:
            for piece in content:
                checksum.update(piece)
                _write(descriptor, piece)
        except BaseException:
            unfinished.unlink()
            raise
        finally:
            os.close(descriptor)
        path = self._path_of(checksum.hexdigest(), key.name)
        path.parent.mkdir(exist_ok=True)
        unfinished.replace(path)
        return Located(uri=str(path), bytes=key.bytes, sha256=checksum.hexdigest())


def _write(descriptor: int, piece: bytes) -> None:
    left = memoryview(piece)
    try:
        while left:
            left = left[os.write(descriptor, left) :]
    except OSError as error:
        raise StepError(
            f"The store cannot be written: {error.strerror}.", remedy="Free space on its disk, or give another store."
        ) from error


def _ends_a_line(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read() == b"\n"


def _is_whole(path: Path, *, n_bytes: int, entry: Entry) -> bool:
    # As git does: a file whose size and time of change are those noted is not read again.
    try:
        state = path.stat()
    except OSError:
        return False
    if state.st_size != n_bytes:
        return False
    return state.st_mtime_ns == entry.mtime_ns or sha256_of_file(path) == entry.sha256


def _checksums(path: Path) -> tuple[str, int]:
    sha256, crc32 = hashlib.sha256(), 0
    with path.open("rb") as file:
        while piece := file.read(_CHUNK_BYTES):
            sha256.update(piece)
            crc32 = zlib.crc32(piece, crc32)
    return sha256.hexdigest(), crc32
