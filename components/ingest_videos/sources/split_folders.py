"""A folder per split with a folder per class in each: `train/<Class>/<video>`, here or in a bucket."""

from components.contract.errors import StepError
from components.ingest_videos.addresses import shown
from components.ingest_videos.listing import Listed, Reading, Source
from components.ingest_videos.names import split_named
from components.ingest_videos.sources.files import Entry, FilesSource, VideoFile, entries_below


def split_folders(source: str, reading: Reading) -> Source:
    """Open split folders, named as people name them: train, val, valid, validation, test …, in any case."""
    entries = [entry for entry in entries_below(source) if len(entry.parts) > 2]
    files = [file for entry in entries if (file := _video_file(entry))]
    if not files:
        raise StepError(
            f"{shown(source)} holds no video in folders of splits and classes.",
            remedy=f"Expected {shown(source).rstrip('/')}/train/<Class>/<video>, and validation and test likewise.",
        )
    return FilesSource(files, reading=reading, n_ignored=len(entries) - len(files))


def _video_file(entry: Entry) -> VideoFile | None:
    split_folder, label, *folders, _ = entry.parts
    split = split_named(split_folder)
    if split is None or not entry.is_video:
        return None
    # With the split's folder: the same name may stand in two of them.
    listed = Listed(name="/".join(entry.parts), label=label, folder="/".join(folders), split=split)
    return VideoFile(listed=listed, uri=entry.uri, remote=entry.remote)
