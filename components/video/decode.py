"""Decoding the wanted frames of a video once, and naming what is wrong with a video that cannot be used.

PyAV decodes and OpenCV resizes. Measured (CPU per clip of 10 frames, step 15, to 224x224; XviD 320x240, H.264 320x240,
H.264 720p), OpenCV's own reader took 15.5, 33.4 and 309 ms where PyAV took 13.9, 32.3 and 259 ms for all frames; PyAV
also says which frames and packets are damaged, which OpenCV hides, and hands out packets undecoded. So pictures that no
wanted frame needs are never decoded: those before the last fresh start, those that nothing refers to, those after the
last wanted frame. Full frames are converted to RGB before resizing: together 0.14 ms at 320x240, where scaling by
FFmpeg's AREA takes 0.22 to 0.33 ms.
"""

import hashlib
from collections.abc import Callable, Sequence
from io import BufferedReader
from pathlib import Path

import numpy as np

from components.video.containers import HEAD_BYTES, Container, container_of
from components.video.errors import UnreadableError
from components.video.footage import Footage, Limits
from components.video.passes import Choose, check_missing, sparse_pass, whole_pass
from components.video.resize import Frame
from components.video.stream import Packet, VideoStream, opened_stream
from components.video.structure import fault_in

_LIMITS = Limits()


def read_footage(
    path: Path,
    *,
    choose: Choose,
    resize: Callable[[Frame], Frame],
    limits: Limits = _LIMITS,
    expected_digest: str | None = None,
    skip: bool = True,
) -> list[Footage]:
    """Decode a video once and return the clips that are wanted of it.

    Args:
        path: The file; its name does not matter.
        choose: Says which frames make each clip, by when the video's frames are shown.
        resize: Brings one frame to its final size; all results have one shape.
        limits: What the video may cost.
        expected_digest: SHA-256 that the file's bytes must have, if one was promised.
        skip: Whether pictures that no wanted frame needs are left out; the result is the same.

    Raises:
        UnreadableError: If the video cannot be used, with the reason.
    """
    if not path.is_file():
        raise UnreadableError("missing", f"{path} is not there or is not a file.")
    try:
        with path.open("rb") as file:
            n_bytes = path.stat().st_size
            container, digest = _recognized(file, n_bytes=n_bytes, limits=limits, expected_digest=expected_digest)
            if fault := fault_in(file, container=container, n_bytes=n_bytes):
                raise UnreadableError("truncated", f"The file is cut or damaged: {fault}.")
            with opened_stream(file, container=container, limits=limits) as stream:
                packets = stream.packets()
                _check_packets(packets, stream=stream, n_bytes=n_bytes)
                decoded = sparse_pass(stream, packets, choose, resize) if skip else None
                decoded = decoded or whole_pass(stream, packets, choose, resize)
    except OSError as error:
        raise UnreadableError("unreadable", f"The file cannot be read: {error.strerror}.") from error
    height, width = (stream.width, stream.height) if decoded.is_turned else (stream.height, stream.width)
    return [
        Footage(
            frames=np.stack([decoded.frames[number] for number in clip]),
            timestamps_s=tuple(decoded.timeline.starts_s[number] for number in clip),
            n_video_frames=decoded.timeline.n_frames,
            fps=stream.fps,
            duration_s=decoded.timeline.end_s,
            video_height=height,
            video_width=width,
            codec=stream.codec,
            video_bytes=n_bytes,
            video_digest=digest,
        )
        for clip in choose(decoded.timeline)
    ]


def _recognized(
    file: BufferedReader, *, n_bytes: int, limits: Limits, expected_digest: str | None
) -> tuple[Container, str]:
    """Return the container and the digest of a file that is a video by its first bytes, and is the promised one."""
    if n_bytes > limits.max_bytes:
        raise UnreadableError("too_large", f"The file has {n_bytes:,} bytes; the limit is {limits.max_bytes:,}.")
    digest = hashlib.file_digest(file, "sha256").hexdigest()
    if expected_digest is not None and digest != expected_digest:
        raise UnreadableError(
            "changed", f"The file's SHA-256 is {digest[:12]}…, the manifest says {expected_digest[:12]}…."
        )
    if n_bytes == 0:
        raise UnreadableError("empty", "The file has no bytes.")
    file.seek(0)
    container = container_of(file.read(HEAD_BYTES))
    if container is None:
        raise UnreadableError("not_a_video", "The file's first bytes are not those of a video container.")
    return container, digest


def _check_packets(packets: Sequence[Packet], *, stream: VideoStream, n_bytes: int) -> None:
    if not any(packet.is_shown for packet in packets):
        raise UnreadableError("unreadable", f"The video stream holds no frame (codec {stream.codec!r}).")
    # Only AVI counts the frames that are in the file; more than bytes is a damaged header.
    declared = stream.n_declared if stream.container == "avi" and stream.n_declared <= n_bytes else 0
    check_missing(len(packets), expected=declared)
