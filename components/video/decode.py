"""Decoding the wanted frames of a video once, and naming what is wrong with a video that cannot be used.

OpenCV hides faults: a cut file ends early without a word, frame counts in headers are estimates, and a name such as
`clip_%02d.avi` opens a series of images. So files are recognized by content and opened by descriptor, frames
are counted by decoding, and bytes and frames are held against what the container declares.
"""

import hashlib
import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from io import BufferedReader
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.video.containers import HEAD_BYTES, Container, container_of
from components.video.errors import UnreadableError
from components.video.resize import Frame
from components.video.sampling import Timeline
from components.video.structure import missing_bytes, mp4_shown_s

# Encoders write a few frames fewer than they declare (delayed or dropped ones): this much is not a cut.
_MISSING_FRACTION = 0.05
_MISSING_FRAMES = 3
_MAX_FPS = 1000.0


@dataclass(frozen=True)
class Limits:
    """What a video may cost; checked before decoding as far as its header tells.

    Attributes:
        max_bytes: Size of the file.
        max_frame_pixels: Height times width of a frame.
        max_frames: Frames in the video.
        max_seconds: Duration of the video.
    """

    max_bytes: int = 4 << 30
    max_frame_pixels: int = 4096 * 4096
    max_frames: int = 54_000
    max_seconds: float = 3600.0


@dataclass(frozen=True)
class Footage:
    """The wanted frames of a video, and what is known of it.

    Attributes:
        frames: RGB, uint8, shape (time, height, width, 3), as resized.
        timestamps_s: When each frame is shown, from the video's start.
        n_video_frames: Frames decoded from the video.
        fps: Frames per second, 0 where the container does not say.
        duration_s: Of the video, as decoded.
        video_height: In pixels.
        video_width: In pixels.
        codec: FourCC.
        video_bytes: Size of the file.
        video_digest: SHA-256 of the file's bytes, hexadecimal.
    """

    frames: NDArray[np.uint8]
    timestamps_s: tuple[float, ...]
    n_video_frames: int
    fps: float
    duration_s: float
    video_height: int
    video_width: int
    codec: str
    video_bytes: int
    video_digest: str


@dataclass(frozen=True)
class _Header:
    """What the container declares; `n_frames` is 0 where it declares nothing believable."""

    n_frames: int
    fps: float
    height: int
    width: int
    codec: str


@dataclass
class _Decoded:
    """What one pass over a video gave."""

    starts_s: list[float] = field(default_factory=list)
    frames: dict[int, Frame] = field(default_factory=dict)

    @property
    def n_frames(self) -> int:
        return len(self.starts_s)

    @property
    def last_s(self) -> float:
        return self.starts_s[-1] if self.starts_s else 0.0


def read_footage(
    path: Path,
    *,
    choose: Callable[[Timeline], Sequence[Sequence[int]]],
    resize: Callable[[Frame], Frame],
    limits: Limits = Limits(),
    expected_digest: str | None = None,
) -> list[Footage]:
    """Decode a video once and return the clips that are wanted of it.

    The frames are chosen by the declared count while the video is decoded to its end. Where the true count asks for
    other frames, a second pass fetches them.

    Args:
        path: The file; its name does not matter.
        choose: Says which frames make each clip, by when the video's frames are shown.
        resize: Brings one frame to its final size; all results have one shape.
        limits: What the video may cost.
        expected_digest: SHA-256 that the file's bytes must have, if one was promised.

    Raises:
        UnreadableError: If the video cannot be used, with the reason.
    """
    if not path.is_file():
        raise UnreadableError("missing", f"{path} is not there or is not a file.")
    try:
        with path.open("rb") as file:
            n_bytes = path.stat().st_size
            container, digest = _recognized(file, n_bytes=n_bytes, limits=limits, expected_digest=expected_digest)
            _check_not_cut(file, container=container, n_bytes=n_bytes)
            capture = _opened(file)
            header = _header(capture, n_bytes=n_bytes, limits=limits)
            guessed = choose(_even(header)) if header.n_frames else ()
            decoded = _decode(capture, wanted={*chain(*guessed)}, resize=resize, limits=limits)
            shown_s = mp4_shown_s(file, n_bytes=n_bytes) if container == "mp4" else 0.0
            _check_decoded(decoded, header=header, container=container, shown_s=shown_s)
            end_s = decoded.last_s + (1 / header.fps if header.fps else 0.0)
            clips = choose(Timeline(decoded.starts_s, end_s))
            if not decoded.frames.keys() >= {*chain(*clips)}:
                decoded = _decode(_opened(file), wanted={*chain(*clips)}, resize=resize, limits=limits)
    except OSError as error:
        raise UnreadableError("unreadable", f"The file cannot be read: {error.strerror}.") from error
    return [
        Footage(
            frames=np.stack([decoded.frames[index] for index in clip]),
            timestamps_s=tuple(decoded.starts_s[index] for index in clip),
            n_video_frames=len(decoded.starts_s),
            fps=header.fps,
            duration_s=end_s,
            video_height=header.height,
            video_width=header.width,
            codec=header.codec,
            video_bytes=n_bytes,
            video_digest=digest,
        )
        for clip in clips
    ]


def _even(header: _Header) -> Timeline:
    fps = header.fps or 1.0
    return Timeline([index / fps for index in range(header.n_frames)], header.n_frames / fps)


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


def _opened(file: BufferedReader) -> Any:
    import cv2

    # One thread per video: OpenCV's own threads cost 1.5 times the CPU at these sizes, and many videos run at once.
    cv2.setNumThreads(1)
    settings = [cv2.CAP_PROP_N_THREADS, 1]
    capture = cv2.VideoCapture(f"/dev/fd/{file.fileno()}", cv2.CAP_FFMPEG, settings)
    if not capture.isOpened():
        raise UnreadableError("unreadable", "The container holds no video stream that can be opened.")
    return capture


def _header(capture: Any, *, n_bytes: int, limits: Limits) -> _Header:
    """Return what the container declares, if decoding it stays within the limits."""
    import cv2

    height, width = int(capture.get(cv2.CAP_PROP_FRAME_HEIGHT)), int(capture.get(cv2.CAP_PROP_FRAME_WIDTH))
    if height * width > limits.max_frame_pixels:
        raise UnreadableError(
            "too_large", f"A frame has {height}x{width} pixels; the limit is {limits.max_frame_pixels:,} pixels."
        )
    declared, fps = capture.get(cv2.CAP_PROP_FRAME_COUNT), capture.get(cv2.CAP_PROP_FPS)
    fps = float(fps) if math.isfinite(fps) and 0 < fps <= _MAX_FPS else 0.0
    # A frame takes at least a byte: a count above that is a damaged header, and the frames are counted instead.
    n_frames = int(declared) if math.isfinite(declared) and 0 < declared <= n_bytes else 0
    if n_frames > limits.max_frames or (fps and n_frames / fps > limits.max_seconds):
        raise UnreadableError(
            "too_long",
            f"The video declares {n_frames:,} frames; the limit is {limits.max_frames:,}, or {limits.max_seconds:g} s.",
        )
    codec = int(capture.get(cv2.CAP_PROP_FOURCC)).to_bytes(4, "little", signed=True).decode("ascii", "replace")
    return _Header(n_frames=n_frames, fps=fps, height=height, width=width, codec=codec.strip("\0 "))


def _decode(capture: Any, *, wanted: Collection[int], resize: Callable[[Frame], Frame], limits: Limits) -> _Decoded:
    """Decode a video to its end and convert only the wanted frames, which is where much of the time would go."""
    import cv2

    chosen, decoded = frozenset(wanted), _Decoded()
    while capture.grab():
        index = decoded.n_frames
        # Some containers give no time for some frames; time never runs backwards.
        decoded.starts_s.append(max(decoded.last_s, capture.get(cv2.CAP_PROP_POS_MSEC) / 1000))
        if decoded.n_frames > limits.max_frames:
            raise UnreadableError("too_long", f"The video has more than {limits.max_frames:,} frames.")
        if index in chosen:
            is_read, frame = capture.retrieve()
            if not is_read:
                raise UnreadableError("unreadable", f"Frame {index} cannot be converted.")
            decoded.frames[index] = cv2.cvtColor(resize(frame), cv2.COLOR_BGR2RGB)
    return decoded


def _check_not_cut(file: BufferedReader, *, container: Container, n_bytes: int) -> None:
    missing = missing_bytes(file, container=container, n_bytes=n_bytes)
    if missing:
        raise UnreadableError("truncated", f"The file is cut: its container says {missing:,} bytes more than it has.")


def _check_decoded(decoded: _Decoded, *, header: _Header, container: Container, shown_s: float) -> None:
    """Tell a video that was decoded to its end from one that OpenCV stopped reading at damaged bytes.

    Args:
        decoded: What decoding gave.
        header: What the container declares.
        container: The container.
        shown_s: How long the video is shown, or 0 where only the declared frames tell.
    """
    if decoded.n_frames == 0:
        raise UnreadableError("unreadable", f"No frame could be decoded (codec {header.codec!r}).")
    missing = header.n_frames - decoded.n_frames
    if missing <= max(_MISSING_FRAMES, _MISSING_FRACTION * header.n_frames):
        return
    # Only AVI counts the frames that are shown. MP4 counts those that its edit list hides, too; elsewhere the count is
    # length times frame rate, wrong where the rate varies: the time that was reached decides. Matroska's length may be
    # that of the sound, so its bytes, counted before, must do.
    expected_frames = shown_s * header.fps or header.n_frames
    reached_end = decoded.last_s * header.fps >= (1 - _MISSING_FRACTION) * expected_frames - 1
    if container == "matroska" or (container != "avi" and reached_end):
        return
    raise UnreadableError(
        "truncated", f"Only {decoded.n_frames} of {header.n_frames} declared frames can be decoded: cut or damaged."
    )
