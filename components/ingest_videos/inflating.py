"""A member's content out of its packed bytes, never more of it than the archive's directory says."""

import zipfile
import zlib
from collections.abc import Iterator
from typing import IO

_CHUNK_BYTES = 1 << 20
READABLE_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


class CorruptError(Exception):
    """A member's bytes are not what the archive says of them, or not such as we read."""


def inflated(raw: IO[bytes], info: zipfile.ZipInfo) -> Iterator[bytes]:
    """Yield a member's content in pieces of at most a MiB; its size and CRC-32 are checked at its end.

    Args:
        raw: Stands at the first of its packed bytes.
        info: What the directory says of it.

    Raises:
        CorruptError: If it is cut, larger than it says, or of another checksum.
    """
    packed = _packed(raw, info.compress_size)
    n_bytes = checksum = 0
    for piece in packed if info.compress_type == zipfile.ZIP_STORED else _deflated(packed):
        n_bytes += len(piece)
        if n_bytes > info.file_size:
            raise CorruptError(f"it holds more than the {info.file_size} bytes that the archive says")
        checksum = zlib.crc32(piece, checksum)
        yield piece
    if n_bytes != info.file_size:
        raise CorruptError(f"it holds {n_bytes} bytes, not the {info.file_size} that the archive says")
    if checksum != info.CRC:
        raise CorruptError("its CRC-32 is not the one that the archive says")


def _packed(raw: IO[bytes], n_left: int) -> Iterator[bytes]:
    while n_left:
        piece = raw.read(min(n_left, _CHUNK_BYTES))
        if not piece:
            raise CorruptError("it is cut")
        n_left -= len(piece)
        yield piece


def _deflated(packed: Iterator[bytes]) -> Iterator[bytes]:
    inflating = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        for piece in packed:
            while piece and not inflating.eof:
                yield inflating.decompress(piece, _CHUNK_BYTES)
                piece = inflating.unconsumed_tail
        yield inflating.flush()
    except zlib.error:
        raise CorruptError("its packed bytes cannot be unpacked") from None
    if not inflating.eof:
        raise CorruptError("it is cut")
