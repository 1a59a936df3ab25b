"""A video in a bucket: its bytes, compared with the checksum that the bucket keeps."""

import base64
from collections.abc import Iterator
from typing import Any, cast

from components.contract.buckets import RemoteFile
from components.ingest_videos.bucket_file import BucketFile
from components.ingest_videos.inflating import CorruptError
from components.ingest_videos.journal import MemberKey

_PIECE_BYTES = 1 << 20


def key_of_video(file: RemoteFile) -> MemberKey:
    """Return what the store knows a bucket's video by.

    Its content and not its generation: an object that is written anew with the same bytes is not fetched again.
    """
    return MemberKey(name=file.uri, bytes=file.bytes, crc32=crc32c_of(file))


def crc32c_of(file: RemoteFile) -> int:
    """Return the CRC-32C that the bucket keeps of an object, as a number."""
    return int.from_bytes(base64.b64decode(file.crc32c), "big")


def content_of(file: RemoteFile) -> Iterator[bytes]:
    """Yield an object's bytes in pieces; their number and checksum are compared at the end.

    Raises:
        CorruptError: If they are not those that the bucket has the checksum of.
        StepError: If they cannot be read, or if the object was replaced.
    """
    from google_crc32c import Checksum

    checksum: Any = cast(Any, Checksum)()
    n_bytes = 0
    with BucketFile(file.uri, file).open(0, file.bytes) as content:
        while piece := content.read(_PIECE_BYTES):
            checksum.update(piece)
            n_bytes += len(piece)
            yield piece
    if n_bytes != file.bytes or int.from_bytes(checksum.digest(), "big") != crc32c_of(file):
        raise CorruptError("its bytes are not those that the bucket has the checksum of")
