"""What a container's own structure says of its file: is all of it there, and for how long is its video shown?

Decoding does not tell: a cut file only ends early, and a whole one may show fewer frames than it holds (edit lists) or
than its length and rate suggest (variable frame rate, sound that goes on).
"""

import struct
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from components.video.containers import Container

_MOST_BOXES = 1_000_000
# What stands at the top of an MP4 file; anything else there is not a box, but bytes that someone appended.
_TOP_BOXES = frozenset(b"ftyp moov mdat moof mfra free skip wide uuid sidx ssix styp meta udta pdin prft emsg".split())
_MATROSKA_ELEMENTS = (b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67")  # the EBML header; the segment, which is all the rest


def missing_bytes(file: BinaryIO, *, container: Container, n_bytes: int) -> int:
    """Return how many bytes the file lacks at its end; 0 where the container does not say how long it is.

    Args:
        file: The video.
        container: Its container.
        n_bytes: Its size.
    """
    ends = {"avi": _avi_end, "mp4": _mp4_end, "matroska": _matroska_end}
    return max(0, ends[container](file, n_bytes) - n_bytes) if container in ends else 0


def mp4_shown_s(file: BinaryIO, *, n_bytes: int) -> float:
    """Return for how long an MP4 file shows its video, its edit list obeyed; 0 where the file does not say."""
    for movie in _boxes(file, 0, n_bytes):
        if movie.kind != b"moov":
            continue
        ticks_per_s = 0
        for box in _boxes(file, movie.start, movie.end):
            if box.kind == b"mvhd":
                ticks_per_s = _number(file, box, narrow=(12, ">I"), wide=(20, ">I"))
            elif box.kind == b"trak" and ticks_per_s and _is_video(file, box):
                heads = (head for head in _boxes(file, box.start, box.end) if head.kind == b"tkhd")
                ticks = next((_number(file, head, narrow=(20, ">I"), wide=(28, ">Q")) for head in heads), 0)
                return ticks / ticks_per_s
    return 0.0


class _Box(NamedTuple):
    """A box of an MP4 file: its kind, and where its content starts and ends."""

    kind: bytes
    start: int
    end: int


def _boxes(file: BinaryIO, start: int, end: int) -> Iterator[_Box]:
    """Yield the boxes that start in a part of an MP4 file; the last may end beyond it."""
    for _ in range(_MOST_BOXES):
        head = _bytes_at(file, start, 16)
        if start + 8 > end or len(head) < 8:
            return
        size, content = int.from_bytes(head[:4], "big"), start + 8
        if size == 1:
            size, content = int.from_bytes(head[8:], "big"), start + 16
        elif size == 0:
            size = end - start
        if size < content - start:
            return
        yield _Box(head[4:8], content, start + size)
        start += size


def _is_video(file: BinaryIO, track: _Box) -> bool:
    media = (box for box in _boxes(file, track.start, track.end) if box.kind == b"mdia")
    handlers = (box for part in media for box in _boxes(file, part.start, part.end) if box.kind == b"hdlr")
    return any(_bytes_at(file, box.start + 8, 4) == b"vide" for box in handlers)


def _number(file: BinaryIO, box: _Box, *, narrow: tuple[int, str], wide: tuple[int, str]) -> int:
    """Return a number of a box whose fields are narrow in its version 0 and wide in version 1."""
    content = _bytes_at(file, box.start, 36)
    offset, form = wide if content[:1] == b"\1" else narrow
    return int(struct.unpack_from(form, content.ljust(36, b"\0"), offset)[0])


def _mp4_end(file: BinaryIO, n_bytes: int) -> int:
    end = 0
    for box in _boxes(file, 0, n_bytes):
        if box.kind not in _TOP_BOXES:
            break
        end = box.end
    return end


def _avi_end(file: BinaryIO, n_bytes: int) -> int:
    """Return where the last RIFF chunk ends; AVI files of more than a gigabyte have several."""
    end = 0
    for _ in range(_MOST_BOXES):
        head = _bytes_at(file, end, 8)
        size = int.from_bytes(head[4:], "little")
        if not head.startswith(b"RIFF") or size in (0, 0xFFFFFFFF):  # a recording that was never closed has no size
            break
        end += 8 + size
    return end


def _matroska_end(file: BinaryIO, n_bytes: int) -> int:
    end = 0
    for element in _MATROSKA_ELEMENTS:
        head = _bytes_at(file, end, 12)
        if not head.startswith(element):
            break
        length = 9 - head[4].bit_length() if len(head) == 12 else 9
        size = int.from_bytes(head[4 : 4 + length], "big") & ~(-1 << 7 * length)
        if length > 8 or size == (1 << 7 * length) - 1:  # not a size, or that of a live stream: unknown
            break
        end += 4 + length + size
    return end


def _bytes_at(file: BinaryIO, position: int, size: int) -> bytes:
    file.seek(position)
    return file.read(size)
