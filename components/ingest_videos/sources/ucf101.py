"""UCF101: a zip, far or near, or a folder, whose files are named `v_<Class>_g<GG>_c<CC>.avi`."""

import zipfile
from collections.abc import Collection, Sequence
from pathlib import Path

from components.contract.errors import StepError
from components.ingest_videos.addresses import scheme_of, shown
from components.ingest_videos.archive import Archive, open_archive
from components.ingest_videos.fetch import fetch_members
from components.ingest_videos.listing import Candidate, Fetched, Source
from components.ingest_videos.names import UcfName, ucf_name
from components.ingest_videos.sources.class_folders import FolderSource, VideoFile
from components.ingest_videos.store import VideoStore


def ucf101(source: str, store: VideoStore, workers: int, authorization: str = "") -> Source:
    """Open UCF101, or what is laid out like it."""
    if not scheme_of(source) and Path(source).is_dir():
        return _flat_folder(Path(source), workers)
    archive = open_archive(source, copies=store.copies, authorization=authorization)
    return UcfArchive(archive, shown=shown(source), store=store, workers=workers)


class UcfArchive:
    """UCF101's zip; what is chosen of it is fetched into the store.

    Args:
        archive: The opened zip.
        shown: Its address for errors.
        store: Where videos go.
        workers: How many are fetched at a time.
    """

    recordings_known = True

    def __init__(self, archive: Archive, *, shown: str, store: VideoStore, workers: int) -> None:
        self._archive, self._store, self._workers = archive, store, workers
        self._names: dict[str, UcfName] = {}
        self._members: dict[str, zipfile.ZipInfo] = {}
        for info in archive.members:
            parsed = ucf_name(info.orig_filename)  # the name as stored: zipfile cuts others at a NUL
            if parsed and parsed.name not in self._names:
                self._names[parsed.name] = parsed
                self._members[parsed.name] = info
        self.n_ignored = len(archive.members) - len(self._names)
        self.labels = {parsed.label for parsed in self._names.values()}
        if not self._names:
            raise StepError(
                f"{shown} holds no video: none of its {len(archive.members)} members is named "
                "v_<Class>_g<GG>_c<CC>.avi.",
                remedy="Give a zip laid out like UCF101's, or unpack it and give folders of classes.",
            )

    def candidates(self, labels: Collection[str]) -> list[Candidate]:
        """List the members of these classes."""
        wanted = (parsed for parsed in self._names.values() if parsed.label in labels)
        return [Candidate(name=name.name, label=name.label, group=name.group) for name in wanted]

    def fetch(self, names: Sequence[str]) -> Fetched:
        """Fetch members that the store lacks."""
        chosen = {name: self._members[name] for name in names}
        return fetch_members(self._archive, chosen, store=self._store, workers=self._workers)

    def close(self) -> None:
        """Close the archive."""
        self._archive.close()


def _flat_folder(folder: Path, workers: int) -> Source:
    paths = sorted(path for path in folder.iterdir() if path.is_file())
    parsed = {path: ucf_name(path.name) for path in paths}
    files = [
        VideoFile(name=name.name, path=path, label=name.label, group=name.group)
        for path, name in parsed.items()
        if name
    ]
    return FolderSource(folder, files, n_ignored=len(paths) - len(files), workers=workers)
