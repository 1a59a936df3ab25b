"""HMDB51 as it is unpacked: a folder per class, whose files are named after the video that they were cut from."""

from components.ingest_videos.listing import Reading, Source
from components.ingest_videos.sources.class_folders import classified_files


def hmdb51(source: str, reading: Reading) -> Source:
    """Open HMDB51's class folders; its split files may lie among them or elsewhere, see `split_lists`."""
    return classified_files(source, reading, video_source="hmdb51")
