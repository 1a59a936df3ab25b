"""A folder with one folder of videos per class, here or in a bucket."""

from components.contract.errors import StepError
from components.ingest_videos.addresses import shown
from components.ingest_videos.listing import Listed, Reading, Source
from components.ingest_videos.names import VIDEO_SUFFIXES
from components.ingest_videos.sources.files import Entry, FilesSource, VideoFile, entries_below


def class_folders(source: str, reading: Reading) -> Source:
    """Open `<Class>/<video>`; folders between the two may be there, and may name the recording."""
    return classified_files(source, reading)


def classified_files(source: str, reading: Reading, *, video_source: str = "") -> Source:
    """Open class folders whose videos all have the same `source`."""
    entries = [entry for entry in entries_below(source) if len(entry.parts) > 1]
    files = [_video_file(entry, video_source) for entry in entries if entry.is_video]
    if not files:
        raise StepError(
            f"{shown(source)} holds no video.",
            remedy=f"Expected {shown(source).rstrip('/')}/<Class>/<video>, with one of {', '.join(VIDEO_SUFFIXES)}, "
            "or files named like UCF101's.",
        )
    return FilesSource(files, reading=reading, n_ignored=len(entries) - len(files))


def _video_file(entry: Entry, video_source: str) -> VideoFile:
    label, *folders, _ = entry.parts
    listed = Listed(name="/".join(entry.parts), label=label, folder="/".join(folders), source=video_source)
    return VideoFile(listed=listed, uri=entry.uri, remote=entry.remote)
