"""The two ways to get the wanted frames: decode only what they need, or decode everything."""

from bisect import bisect_right
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import numpy as np

from components.video.errors import UnreadableError
from components.video.pictures import Picture
from components.video.resize import Frame
from components.video.sampling import Timeline
from components.video.stream import Packet, VideoStream

# Encoders write a few frames fewer than they declare (delayed or dropped ones): this much is not a cut.
_MISSING_FRACTION = 0.05
_MISSING_FRAMES = 3

Choose = Callable[[Timeline], Sequence[Sequence[int]]]


@dataclass
class Decoded:
    """What a pass over a video gave.

    Attributes:
        timeline: When all frames are shown.
        frames: The wanted ones by their numbers, resized.
        is_turned: Whether the frames lie on their side in the file.
    """

    timeline: Timeline
    frames: dict[int, Frame] = field(default_factory=dict)
    is_turned: bool = False


def sparse_pass(
    stream: VideoStream, packets: Sequence[Packet], choose: Choose, resize: Callable[[Frame], Frame]
) -> Decoded | None:
    """Decode only what the wanted frames need; None where packets do not tell for certain which frame they become."""
    pictures = [packet.picture for packet in packets if packet.picture is not None]
    stamps = _stamps(stream, packets)
    if len(pictures) < len(packets) or len(set(stamps)) < len(packets):
        return None
    shown = sorted(stamp for stamp, packet in zip(stamps, packets, strict=True) if packet.is_shown)
    decoded = Decoded(_timeline([stream.seconds(stamp - shown[0]) for stamp in shown], stream))
    wanted = {shown[number]: number for number in chain(*choose(decoded.timeline))}
    positions = [position for position, stamp in enumerate(stamps) if stamp in wanted]
    for run in _runs(pictures, positions):
        for frame in stream.frames(run, stamps=stamps):
            if frame.pts in wanted:
                decoded.frames[wanted[frame.pts]] = resize(_upright(frame, decoded, stream))
    return decoded if len(decoded.frames) == len(wanted) else None


def whole_pass(
    stream: VideoStream, packets: Sequence[Packet], choose: Choose, resize: Callable[[Frame], Frame]
) -> Decoded:
    """Decode everything, keeping the frames that would be wanted if each packet became one frame.

    Where the frames that came ask for others, a second pass fetches them.

    Raises:
        UnreadableError: If frames are missing.
    """
    n_shown = sum(packet.is_shown for packet in packets)
    fps = stream.fps or 1.0
    guess = Timeline([number / fps for number in range(n_shown)], n_shown / fps)
    decoded = _all_decoded(stream, packets, {*chain(*choose(guess))}, resize)
    if stream.is_packet_a_frame:
        check_missing(decoded.timeline.n_frames, expected=n_shown)
    wanted = {*chain(*choose(decoded.timeline))}
    if not decoded.frames.keys() >= wanted:
        decoded = _all_decoded(stream, packets, wanted, resize)
    return decoded


def check_missing(n_frames: int, *, expected: int) -> None:
    """Raise UnreadableError if clearly fewer frames are there than expected."""
    if expected - n_frames > max(_MISSING_FRAMES, _MISSING_FRACTION * expected):
        raise UnreadableError("truncated", f"Only {n_frames} of {expected} frames are there: cut or damaged.")


def _stamps(stream: VideoStream, packets: Sequence[Packet]) -> list[int]:
    """Return for each packet, if all can tell, when its picture is shown.

    AVI has no such times. Where its pictures are certain, they are shown in the order of decoding.
    """
    stamps = [packet.dts if stream.container == "avi" else packet.pts for packet in packets]
    return [stamp for stamp in stamps if stamp is not None]


def _runs(pictures: Sequence[Picture], positions: Sequence[int]) -> Iterator[list[int]]:
    """Yield the numbers of the packets to decode from each fresh start that a wanted position needs.

    The first packet always is decoded: it may hold what configures the decoder for all that follow.
    """
    starts = [0, *(number for number, picture in enumerate(pictures) if number and picture.starts_anew)]
    last_of = {0: 0} | {starts[bisect_right(starts, position) - 1]: position for position in sorted(positions)}
    kept = {*starts, *positions}
    for start, last in sorted(last_of.items()):
        yield [number for number in range(start, last + 1) if number in kept or pictures[number].is_reference]


def _all_decoded(
    stream: VideoStream, packets: Sequence[Packet], wanted: Collection[int], resize: Callable[[Frame], Frame]
) -> Decoded:
    starts_s: list[float] = []
    decoded = Decoded(Timeline(starts_s, 0.0))
    first: int | None = None
    for frame in stream.frames(range(len(packets))):
        first = frame.pts if first is None else first
        if stream.container == "avi":  # has a rate and no time stamps: FFmpeg's are those of decoding, in another order
            start_s = len(starts_s) / (stream.fps or 1.0)
        else:
            start_s = stream.seconds(frame.pts - first) if frame.pts is not None and first is not None else 0.0
        if len(starts_s) in wanted:
            decoded.frames[len(starts_s)] = resize(_upright(frame, decoded, stream))
        starts_s.append(max(start_s, starts_s[-1] if starts_s else 0.0))
    if not starts_s:
        raise UnreadableError("unreadable", f"No frame could be decoded (codec {stream.codec!r}).")
    decoded.timeline = _timeline(starts_s, stream)
    return decoded


def _timeline(starts_s: Sequence[float], stream: VideoStream) -> Timeline:
    """Let the last frame last as long as the others do on average: few containers say."""
    mean_s = starts_s[-1] / (len(starts_s) - 1) if len(starts_s) > 1 else 0.0
    return Timeline(starts_s, starts_s[-1] + (mean_s or (1 / stream.fps if stream.fps else 0.0)))


def _upright(frame: Any, decoded: Decoded, stream: VideoStream) -> Frame:
    quarters = round(frame.rotation / 90) % 4
    decoded.is_turned = quarters % 2 == 1
    pixels = stream.rgb(frame)
    return np.ascontiguousarray(np.rot90(pixels, quarters)) if quarters else pixels
