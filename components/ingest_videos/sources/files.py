"""Video files that lie one by one: local ones stay where they are, those of buckets are fetched into the store."""

import os
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from components.contract.buckets import RemoteFile, find_file, is_bucket_uri, list_files
from components.contract.errors import StepError
from components.contract.files import sha256_of_file
from components.contract.progress import Progress, say
from components.ingest_videos.bucket_video import content_of, crc32c_of, key_of_video
from components.ingest_videos.fetch_progress import FetchProgress
from components.ingest_videos.inflating import CorruptError
from components.ingest_videos.listing import Fetched, Listed, Located, Reading
from components.ingest_videos.names import is_video_name
from components.ingest_videos.store import Writing

# Deeper than any layout; a symbolic link to a folder above ends here.
_MOST_FOLDERS = 8

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


@dataclass(frozen=True)
class VideoFile:
    """A video and where it lies.

    Attributes:
        listed: What is known of it.
        uri: Absolute local path, or gs://.
        remote: What a listing of the bucket said, where there was one.
    """

    listed: Listed
    uri: str
    remote: RemoteFile | None = None


@dataclass(frozen=True)
class Entry:
    """A file below a folder.

    Attributes:
        parts: Folders and name, from the folder on.
        uri: Absolute local path, or gs://.
        remote: What the bucket said of it.
    """

    parts: tuple[str, ...]
    uri: str
    remote: RemoteFile | None = None

    @property
    def is_video(self) -> bool:
        """Whether its name is a video's."""
        return is_video_name(self.parts[-1]) and all(part.isprintable() for part in self.parts)


def entries_below(root: str) -> list[Entry]:
    """List all files below a local folder or a folder of a bucket, sorted; hidden folders are passed over.

    Raises:
        StepError: If there is no such folder.
    """
    if is_bucket_uri(root):
        bare = root.rstrip("/") + "/"
        return [
            Entry(parts=tuple(file.uri.removeprefix(bare).split("/")), uri=file.uri, remote=file)
            for file in list_files(root)
        ]
    folder = Path(root).absolute()
    if not folder.is_dir():
        raise StepError(f"{root} is not a folder.", remedy="Give the folder that holds the videos.")
    found = []
    for path, folders, names in os.walk(folder, followlinks=True):
        inside = Path(path).relative_to(folder).parts
        folders[:] = sorted(name for name in folders if not name.startswith(".") and len(inside) < _MOST_FOLDERS)
        found += [Entry(parts=(*inside, name), uri=str(Path(path, name))) for name in names]
    return sorted(found, key=lambda entry: entry.parts)


class FilesSource:
    """Videos that lie one by one.

    Args:
        files: The videos; names are unique.
        reading: Where those of buckets go, and how many are read at a time.
        n_ignored: Other files beside them.
        n_missing: Videos that a list names and that are not there.
        refused: Rows of a list that were refused, with the reason.
    """

    def __init__(
        self,
        files: Sequence[VideoFile],
        *,
        reading: Reading,
        n_ignored: int = 0,
        n_missing: int = 0,
        refused: Mapping[str, str] | None = None,
    ) -> None:
        self._files = {file.listed.name: file for file in files}
        self._store, self._workers = reading.store, reading.workers
        self._read: dict[str, Located | OSError] = {}
        self._remote: dict[str, RemoteFile | None] = {}
        self.labels = {file.listed.label for file in files}
        self.n_ignored, self.n_missing = n_ignored, n_missing
        self.refused = dict(refused or {})

    def listed(self, labels: Collection[str]) -> list[Listed]:
        """List the files of these classes."""
        return sorted(
            (file.listed for file in self._files.values() if file.listed.label in labels), key=lambda video: video.name
        )

    def contents(self, names: Sequence[str]) -> dict[str, str]:
        """Read local files for their checksum; a bucket has its own."""
        local, far = self._parted(names)
        read = self._read_files(local)
        remote = self._found(far)
        texts = {name: located.sha256[:16] for name in local if isinstance(located := read[name], Located)}
        return texts | {name: f"{crc32c_of(file):08x}-{file.bytes}" for name in far if (file := remote[name])}

    def fetch(self, names: Sequence[str]) -> Fetched:
        """Say where local files are, with their checksums, and bring those of buckets that the store lacks into it."""
        local, far = self._parted(names)
        fetched = Fetched()
        read = self._read_files(local)
        for name in local:
            located = read[name]
            if isinstance(located, Located):
                fetched.located[name] = located
            else:
                fetched.rejected[name] = located.strerror or type(located).__name__
        fetched.n_fetched = len(fetched.located)
        if far:
            self._fetch_far(far, fetched)
        return fetched

    def close(self) -> None:
        """Nothing is held open."""

    def _parted(self, names: Iterable[str]) -> tuple[list[str], list[str]]:
        local: list[str] = []
        far: list[str] = []
        for name in names:
            (far if is_bucket_uri(self._files[name].uri) else local).append(name)
        return local, far

    def _read_files(self, names: Sequence[str]) -> dict[str, Located | OSError]:
        unread = [name for name in names if name not in self._read]
        progress = Progress("videos", total=len(unread))
        n_bytes = 0
        with ThreadPoolExecutor(self._workers) as pool:
            paths = [self._files[name].uri for name in unread]
            for name, read in zip(unread, pool.map(_located, paths), strict=True):
                self._read[name] = read
                n_bytes += read.bytes if isinstance(read, Located) else 0
                progress.add(detail=f"{n_bytes / 1e6:.1f} MB read")
        return self._read

    def _found(self, names: Sequence[str]) -> dict[str, RemoteFile | None]:
        unknown = [name for name in names if name not in self._remote]

        def find(name: str) -> RemoteFile | None:
            return self._files[name].remote or find_file(self._files[name].uri)

        self._remote |= dict(zip(unknown, _all_of(find, unknown, workers=self._workers), strict=True))
        return self._remote

    def _fetch_far(self, names: Sequence[str], fetched: Fetched) -> None:
        remote = self._found(names)
        known = self._store.known({key_of_video(file) for name in names if (file := remote[name])})
        missing: dict[str, RemoteFile] = {}
        for name in names:
            file = remote[name]
            if file is None:
                fetched.rejected[name] = "it is not in the bucket"
            elif located := known.get(key_of_video(file)):
                fetched.located[name] = located
                fetched.n_reused += 1
            else:
                missing[name] = file
        if fetched.n_reused:
            say(f"{fetched.n_reused} of {len(names)} videos are in the store already")
        if missing:
            n_bytes = sum(file.bytes for file in missing.values())
            with self._store.writing(n_bytes=n_bytes) as writing:
                self._fetch_missing(missing, writing, FetchProgress(n_bytes=n_bytes, n_videos=len(missing)), fetched)

    def _fetch_missing(
        self, missing: Mapping[str, RemoteFile], writing: Writing, progress: FetchProgress, fetched: Fetched
    ) -> None:
        def fetch(file: RemoteFile) -> Located | CorruptError:
            try:
                return writing.add(key_of_video(file), content_of(file))
            except CorruptError as corrupt:
                return corrupt

        results = _all_of(fetch, list(missing.values()), workers=self._workers)
        for (name, file), located in zip(missing.items(), results, strict=True):
            if isinstance(located, CorruptError):
                fetched.rejected[name] = str(located)
            else:
                writing.note(key_of_video(file), located)
                fetched.located[name] = located
                fetched.n_fetched += 1
            progress.count(file.bytes, n_videos=1)


def _located(path: str) -> Located | OSError:
    try:
        return Located(uri=path, bytes=Path(path).stat().st_size, sha256=sha256_of_file(Path(path)))
    except OSError as error:
        return error


def _all_of(work: Callable[[_Item], _Result], items: Sequence[_Item], *, workers: int) -> Iterable[_Result]:
    """Do `work` for every item, several at a time, and give the results in order; after an error nothing new begins."""
    pool = ThreadPoolExecutor(workers)
    try:
        yield from pool.map(work, items)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
