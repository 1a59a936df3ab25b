"""What a container's own structure says of its file: is all of it there?

Decoding does not tell: a cut file only ends early, and one with a hole only shows less.
"""

from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from components.video.containers import Container

_MOST_BOXES = 1_000_000
# What stands at the top of an MP4 file; anything else there is not a box, but bytes that someone appended.
_TOP_BOXES = frozenset(b"ftyp moov mdat moof mfra free skip wide uuid sidx ssix styp meta udta pdin prft emsg".split())
_MATROSKA_SEGMENT, _MATROSKA_CLUSTER = b"\x18\x53\x80\x67", b"\x1f\x43\xb6\x75"
_ASF_FILE_PROPERTIES = b"\xa1\xdc\xab\x8c\x47\xa9\xcf\x11\x8e\xe4\x00\xc0\x0c\x20\x53\x65"
_ASF_HEAD_BYTES = 1 << 16


def fault_in(file: BinaryIO, *, container: Container, n_bytes: int) -> str | None:
    """Return what is wrong with a file, None where nothing is or the container does not say.

    Program streams, transport streams and recordings that were never closed do not say how long they are: cut between
    two packets, they pass for shorter ones.

    Args:
        file: The video.
        container: Its container.
        n_bytes: Its size.
    """
    walks = {"matroska": _matroska_fault, "ogg": _ogg_fault, "gif": _gif_fault}
    ends = {"avi": _avi_end, "mp4": _mp4_end, "matroska": _matroska_end, "asf": _asf_end, "mpeg_ts": _transport_end}
    missing = max(0, ends[container](file, n_bytes) - n_bytes) if container in ends else 0
    if missing:
        return f"its container says {missing:,} bytes more than it has"
    return walks[container](file, n_bytes) if container in walks else None


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


def _asf_end(file: BinaryIO, n_bytes: int) -> int:
    """Return the file size that the File Properties Object declares; a broadcast has none."""
    head = _bytes_at(file, 0, _ASF_HEAD_BYTES)
    place = head.find(_ASF_FILE_PROPERTIES)
    declared = int.from_bytes(head[place + 40 : place + 48], "little")
    is_broadcast = int.from_bytes(head[place + 88 : place + 92], "little") & 1
    return 0 if place < 0 or is_broadcast else declared


def _transport_end(file: BinaryIO, n_bytes: int) -> int:
    size = 188 if _bytes_at(file, 188, 1) == b"\x47" else 192
    return -(-n_bytes // size) * size


def _matroska_end(file: BinaryIO, n_bytes: int) -> int:
    # What follows the segment is no part of the video.
    return next((element.end for element in _elements(file, 0, n_bytes) if element.kind == _MATROSKA_SEGMENT), 0)


class _Element(NamedTuple):
    """An element of a Matroska file: its identifier, and where its content starts and ends."""

    kind: bytes
    start: int
    end: int


def _elements(file: BinaryIO, start: int, end: int) -> Iterator[_Element]:
    """Yield the elements that start in a part of a Matroska file, up to one of unknown length."""
    for _ in range(_MOST_BOXES):
        head = _bytes_at(file, start, 12)
        if start >= end or len(head) < 2 or not head[0]:
            return
        kind = head[: 9 - head[0].bit_length()]
        content = head[len(kind) :]
        length = 9 - content[0].bit_length() if content else 9
        size = int.from_bytes(content[:length], "big") & ~(-1 << 7 * length)
        if len(kind) > 4 or length > 8 or size == (1 << 7 * length) - 1:  # not a size, or that of a live stream
            return
        content_start = start + len(kind) + length
        yield _Element(kind, content_start, content_start + size)
        start = content_start + size


def _matroska_fault(file: BinaryIO, n_bytes: int) -> str | None:
    """Walk the segment's clusters, whose elements follow each other without a gap."""
    for segment in _elements(file, 0, n_bytes):
        if segment.kind != _MATROSKA_SEGMENT:
            continue
        reached = segment.start
        for part in _elements(file, segment.start, segment.end):
            reached, inside = part.end, part.start
            if part.kind == _MATROSKA_CLUSTER:
                inside = max((block.end for block in _elements(file, part.start, part.end)), default=inside)
                if inside != part.end:
                    return f"a cluster breaks off at byte {inside:,}"
        if reached != segment.end and not _is_live(file, reached):
            return f"what should be an element at byte {reached:,} is none"
    return None


def _is_live(file: BinaryIO, place: int) -> bool:
    """Whether an element of unknown length stands here."""
    return _bytes_at(file, place, 4) == _MATROSKA_CLUSTER


def _ogg_fault(file: BinaryIO, n_bytes: int) -> str | None:
    """Walk the pages: each stream numbers its own, and its last one says so."""
    place = 0
    expected: dict[bytes, int] = {}
    ended: set[bytes] = set()
    for _ in range(_MOST_BOXES):
        head = _bytes_at(file, place, 27)
        if not head:
            break
        sizes = file.read(head[26]) if len(head) == 27 else b""
        if not head.startswith(b"OggS") or len(head) < 27:
            return f"what should be a page at byte {place:,} is none"
        stream, number = head[14:18], int.from_bytes(head[18:22], "little")
        if number != expected.get(stream, number):
            return f"pages are missing before byte {place:,}"
        expected[stream] = number + 1
        if head[5] & 4:
            ended.add(stream)
        place += 27 + len(sizes) + sum(sizes)
    return None if ended >= expected.keys() and place <= n_bytes else "it ends before its last page"


def _gif_fault(file: BinaryIO, n_bytes: int) -> str | None:
    """Walk the blocks up to the end mark."""
    place = 13 + _gif_colours(_bytes_at(file, 10, 1))
    for _ in range(_MOST_BOXES):
        head = _bytes_at(file, place, 10)
        if head.startswith(b";"):
            return None
        if head.startswith(b"!"):
            place += 2
        elif head.startswith(b",") and len(head) == 10:
            place += 11 + _gif_colours(head[9:])
        else:
            return f"what should be a block at byte {place:,} is none" if head else "its end mark is not there"
        while size := _bytes_at(file, place, 1)[:1].strip(b"\0"):
            place += 1 + size[0]
        place += 1
    return None


def _gif_colours(flags: bytes) -> int:
    """Return the bytes of the colour table that these flags announce."""
    return 3 << (flags[0] & 7) + 1 if flags and flags[0] & 0x80 else 0


def _bytes_at(file: BinaryIO, position: int, size: int) -> bytes:
    file.seek(position)
    return file.read(size)
