"""What a packet of a video says of its picture before it is decoded: does decoding start anew there, do others need it?

Only what the standards guarantee counts: an IDR picture (H.264, ITU-T H.264 7.4.1.2.4) and an I-VOP without B-VOPs
around it (MPEG-4, ISO/IEC 14496-2 6.3.5) need nothing before them; a picture whose nal_ref_idc is 0 is needed by none.
A container's key frame flags promise less, and are wrong at times.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

_VOP_START = b"\x00\x00\x01\xb6"
_VOP_I, _VOP_B = 0, 2
# A shorter VOP may be one that only repeats the picture before it, for which the decoder returns no frame.
_LEAST_VOP_BYTES = 16
_NAL_SLICE, _NAL_IDR = 1, 5


class Picture(NamedTuple):
    """A packet's picture.

    Attributes:
        starts_anew: It and all that follow are decoded without what came before.
        is_reference: Later pictures may need it.
    """

    starts_anew: bool
    is_reference: bool


class DamagedError(ValueError):
    """A packet is not what its codec says it is."""


PictureOf = Callable[[bytes], Picture | None]


def picture_reader(*, codec: str, extradata: bytes) -> PictureOf | None:
    """Return what tells a packet's picture, or None where this codec's packets are not understood here.

    The reader returns None for a packet whose place in the order of shown frames is not certain, and raises
    DamagedError for one that is broken.

    Args:
        codec: FFmpeg's name.
        extradata: The codec's configuration, as the container holds it.
    """
    if codec == "mjpeg":
        return lambda packet: Picture(starts_anew=True, is_reference=False)
    if codec == "mpeg4":
        return _mpeg4_picture
    if codec == "h264" and len(extradata) > 4 and extradata[0] == 1:  # avcC: each unit has its length before it
        length_bytes = (extradata[4] & 3) + 1
        return lambda packet: _h264_picture(packet, length_bytes=length_bytes)
    return None


def _mpeg4_picture(packet: bytes) -> Picture | None:
    start = packet.find(_VOP_START)
    if start < 0 or len(packet) - start < _LEAST_VOP_BYTES or packet.find(_VOP_START, start + 4) >= 0:
        return None
    kind = packet[start + 4] >> 6
    return None if kind == _VOP_B else Picture(starts_anew=kind == _VOP_I, is_reference=True)


def _h264_picture(packet: bytes, *, length_bytes: int) -> Picture | None:
    coded = [head for head in _unit_heads(packet, length_bytes) if _NAL_SLICE <= head & 31 <= _NAL_IDR]
    if not coded:
        return None
    return Picture(
        starts_anew=all(head & 31 == _NAL_IDR for head in coded), is_reference=any(head & 0x60 for head in coded)
    )


def _unit_heads(packet: bytes, length_bytes: int) -> Iterator[int]:
    """Yield the first byte of each unit of an H.264 packet."""
    place = 0
    while place < len(packet):
        content = place + length_bytes
        place = content + int.from_bytes(packet[place:content], "big")
        if place > len(packet) or content >= len(packet):
            raise DamagedError("a unit is longer than its packet")
        if place > content:
            yield packet[content]
