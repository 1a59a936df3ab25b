"""Recognizing a video container by its first bytes, whatever the file is called.

FFmpeg opens far more than videos: images, playlists and scripts that name other files or addresses. Only what is
listed here is handed to it.
"""

from typing import Literal

Container = Literal["avi", "mp4", "matroska", "mpeg_ps", "mpeg_ts", "mpeg_video", "flv", "asf", "ogg", "gif"]

HEAD_BYTES = 512

# Still images in the same box format as MP4.
_IMAGE_BRANDS = frozenset({b"avif", b"heic", b"heix", b"heim", b"heis", b"mif1", b"jxl "})
_QUICKTIME_BOXES = frozenset({b"moov", b"mdat", b"wide", b"free", b"skip"})
_PREFIXES: tuple[tuple[bytes, Container], ...] = (
    (b"\x1a\x45\xdf\xa3", "matroska"),
    (b"\x00\x00\x01\xba", "mpeg_ps"),
    (b"\x00\x00\x01\xb3", "mpeg_video"),
    (b"FLV\x01", "flv"),
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "asf"),
    (b"OggS", "ogg"),
    (b"GIF87a", "gif"),
    (b"GIF89a", "gif"),
)
_TS_SYNC = 0x47


def container_of(head: bytes) -> Container | None:
    """Return the container whose first bytes these are, or None where it is not a video container.

    Args:
        head: The first HEAD_BYTES of the file, or all of a shorter one.
    """
    if head[:4] == b"RIFF" and head[8:12] == b"AVI ":
        return "avi"
    if head[4:8] == b"ftyp":
        return None if head[8:12] in _IMAGE_BRANDS else "mp4"
    if head[4:8] in _QUICKTIME_BOXES:
        return "mp4"
    for prefix, container in _PREFIXES:
        if head.startswith(prefix):
            return container
    return "mpeg_ts" if _is_transport_stream(head) else None


def _is_transport_stream(head: bytes) -> bool:
    # Packets of 188 bytes, or of 192 with a time stamp first, each starting with the sync byte.
    return any(
        len(head) > start + 2 * size and all(head[start + n * size] == _TS_SYNC for n in range(3))
        for start, size in ((0, 188), (4, 192))
    )
