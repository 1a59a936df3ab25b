"""UCF101: a zip, far or near, or a folder, whose files are named `v_<Class>_g<GG>_c<CC>.avi`."""

import zipfile
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from components.contract.buckets import is_bucket_uri
from components.contract.errors import StepError
from components.ingest_videos.addresses import scheme_of, shown, suffix_of
from components.ingest_videos.archive import Archive, open_archive
from components.ingest_videos.fetch import fetch_members
from components.ingest_videos.listing import Fetched, Listed, Reading, Source
from components.ingest_videos.names import UcfName, ucf_name
from components.ingest_videos.sources.files import FilesSource, VideoFile, entries_below

_SOURCE = "ucf101"


def ucf101(source: str, reading: Reading) -> Source:
    """Open UCF101, or what is laid out like it."""
    in_bucket = is_bucket_uri(source)
    is_folder = suffix_of(source) != ".zip" if in_bucket else not scheme_of(source) and Path(source).is_dir()
    if is_folder:
        return _flat_folder(source, reading)
    archive = open_archive(source, copies=reading.store.copies, authorization=reading.authorization)
    return UcfArchive(archive, shown=shown(source), reading=reading)


class UcfArchive:
    """UCF101's zip; what is chosen of it is fetched into the store.

    Args:
        archive: The opened zip.
        shown: Its address for errors.
        reading: Where videos go, and how many are fetched at a time.
    """

    n_missing = 0
    refused: Mapping[str, str] = {}

    def __init__(self, archive: Archive, *, shown: str, reading: Reading) -> None:
        self._archive, self._reading = archive, reading
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

    def listed(self, labels: Collection[str]) -> list[Listed]:
        """List the members of these classes."""
        wanted = [parsed for parsed in self._names.values() if parsed.label in labels]
        return sorted((_listed(parsed) for parsed in wanted), key=lambda video: video.name)

    def contents(self, names: Sequence[str]) -> dict[str, str]:
        """Members that the archive says to be equal."""
        members = {name: self._members[name] for name in names}
        return {name: f"{info.CRC:08x}-{info.file_size}" for name, info in members.items()}

    def fetch(self, names: Sequence[str]) -> Fetched:
        """Fetch members that the store lacks."""
        chosen = {name: self._members[name] for name in names}
        return fetch_members(self._archive, chosen, store=self._reading.store, workers=self._reading.workers)

    def close(self) -> None:
        """Close the archive."""
        self._archive.close()


def _listed(parsed: UcfName) -> Listed:
    return Listed(name=parsed.name, label=parsed.label, source=_SOURCE)


def _flat_folder(folder: str, reading: Reading) -> Source:
    entries = [entry for entry in entries_below(folder) if len(entry.parts) == 1]
    files = [
        VideoFile(listed=_listed(parsed), uri=entry.uri, remote=entry.remote)
        for entry in entries
        if (parsed := ucf_name(entry.parts[0]))
    ]
    if not files:
        raise StepError(
            f"{folder} holds no video named v_<Class>_g<GG>_c<CC>.avi.", remedy="Check source and source_type."
        )
    return FilesSource(files, reading=reading, n_ignored=len(entries) - len(files))
