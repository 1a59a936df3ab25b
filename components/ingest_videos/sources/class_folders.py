"""A folder with one folder of videos per class; the videos stay where they are."""

from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from components.contract.errors import StepError
from components.contract.files import sha256_of_file
from components.contract.progress import Progress
from components.ingest_videos.listing import Candidate, Fetched, Located, Source
from components.ingest_videos.names import VIDEO_SUFFIXES, ucf_name
from components.ingest_videos.store import VideoStore


@dataclass(frozen=True)
class VideoFile:
    """A video in a folder.

    Attributes:
        name: Unique within the source.
        path: Where it lies.
        label: Class name.
        group: Its group, or None where the name does not say.
    """

    name: str
    path: Path
    label: str
    group: str | None


def class_folders(source: str, store: VideoStore, workers: int, authorization: str = "") -> Source:
    """Open a folder of class folders. A name like UCF101's says the group; else equal files are one group."""
    root = Path(source)
    if not root.is_dir():
        raise StepError(f"{source} is not a folder.", remedy="Give a folder with one folder of videos per class.")
    paths = sorted(path for folder in root.iterdir() if folder.is_dir() for path in folder.iterdir() if path.is_file())
    files = [_video_file(path) for path in paths if _looks_like_a_video(path)]
    return FolderSource(root, files, n_ignored=len(paths) - len(files), workers=workers)


class FolderSource:
    """Videos that are used where they lie.

    Args:
        root: The folder, for errors.
        files: The videos in it.
        n_ignored: Other files in it.
        workers: How many are read at a time.
    """

    def __init__(self, root: Path, files: Sequence[VideoFile], *, n_ignored: int, workers: int) -> None:
        if not files:
            raise StepError(
                f"{root} holds no video.",
                remedy=f"Expected {root.name}/<Class>/<video>, with one of {', '.join(VIDEO_SUFFIXES)}, "
                "or files named like UCF101's.",
            )
        self._files = {file.name: file for file in files}
        self._workers = workers
        self._read: dict[str, Located | OSError] = {}
        self.labels = {file.label for file in files}
        self.n_ignored = n_ignored
        self.recordings_known = all(file.group for file in files)

    def candidates(self, labels: Collection[str]) -> list[Candidate]:
        """List the files of these classes; those whose group must be told by their bytes are read."""
        wanted = [file for file in self._files.values() if file.label in labels]
        self._read_files([file for file in wanted if file.group is None])
        return [Candidate(name=file.name, label=file.label, group=self._group(file)) for file in wanted]

    def fetch(self, names: Sequence[str]) -> Fetched:
        """Say where the files are; those not read yet are read for their checksum."""
        self._read_files([self._files[name] for name in names])
        fetched = Fetched()
        for name in names:
            read = self._read[name]
            if isinstance(read, Located):
                fetched.located[name] = read
            else:
                fetched.rejected[name] = read.strerror or type(read).__name__
        fetched.n_fetched = len(fetched.located)
        return fetched

    def close(self) -> None:
        """Nothing is held open."""

    def _group(self, file: VideoFile) -> str:
        if file.group is not None:
            return file.group
        read = self._read[file.name]
        return f"{file.label}/{read.sha256[:16] if isinstance(read, Located) else file.name}"

    def _read_files(self, files: Sequence[VideoFile]) -> None:
        unread = [file for file in files if file.name not in self._read]
        progress = Progress("videos", total=len(unread))
        n_bytes = 0
        with ThreadPoolExecutor(self._workers) as pool:
            for file, read in zip(unread, pool.map(_located, [file.path for file in unread]), strict=True):
                self._read[file.name] = read
                n_bytes += read.bytes if isinstance(read, Located) else 0
                progress.add(detail=f"{n_bytes / 1e6:.1f} MB read")


def _located(path: Path) -> Located | OSError:
    try:
        return Located(uri=str(path.absolute()), bytes=path.stat().st_size, sha256=sha256_of_file(path))
    except OSError as error:
        return error


def _looks_like_a_video(path: Path) -> bool:
    return path.suffix.lower() in VIDEO_SUFFIXES and not path.name.startswith(".")


def _video_file(path: Path) -> VideoFile:
    label = path.parent.name
    parsed = ucf_name(path.name)
    group = f"{label}/{parsed.recording}" if parsed else None
    return VideoFile(name=f"{label}/{path.name}", path=path, label=label, group=group)
