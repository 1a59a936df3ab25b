"""The video stream of an opened file: its packets, listed without decoding any, and the frames that come of them.

FFmpeg is told which container it reads, as recognized by content, and may open nothing but files: no playlist, image
sequence, script or address can take the video's place.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from io import BufferedReader
from typing import Any

from components.video.containers import Container
from components.video.errors import UnreadableError
from components.video.footage import Limits
from components.video.pictures import DamagedError, Picture, picture_reader
from components.video.resize import Frame

_FFMPEG_NAMES: dict[Container, str] = {"mpeg_ps": "mpeg", "mpeg_ts": "mpegts", "mpeg_video": "mpegvideo"}
_MAX_FPS = 1000.0
# Above this, packets are read from the file a second time.
_MAX_HELD_BYTES = 64 << 20


@dataclass(frozen=True)
class Packet:
    """What is known of a packet before it is decoded.

    Attributes:
        pts: When its picture is shown, in the stream's time base; None where the container does not say.
        dts: When it is decoded, likewise.
        is_shown: Whether its picture is shown, by the container's edit list.
        picture: What it holds, None where that is not certain.
    """

    pts: int | None
    dts: int | None
    is_shown: bool
    picture: Picture | None


class VideoStream:
    """An opened video stream.

    Attributes:
        container: The file's container.
        codec: FFmpeg's name.
        fps: Frames per second, 0 where the container does not say.
        n_declared: Frames that the container declares, 0 where it does not.
    """

    def __init__(self, opened: Any, stream: Any, *, container: Container, limits: Limits) -> None:
        from av.video.reformatter import VideoReformatter

        context = stream.codec_context
        context.thread_type = "NONE"  # one video per worker: FFmpeg's own threads cost CPU at these sizes
        context.thread_count = 1
        context.options = {"max_pixels": str(limits.max_frame_pixels)}
        self.container = container
        self.codec: str = context.codec.canonical_name
        rate = float(stream.average_rate or 0)
        self.fps = rate if 0 < rate <= _MAX_FPS else 0.0
        self._time_base: Fraction = stream.time_base
        self.n_declared: int = stream.frames
        self.height: int = context.height
        self.width: int = context.width
        self._opened, self._stream, self._context = opened, stream, context
        self._reformatter = VideoReformatter()
        self._held: list[Any] | None = []
        self._limits = limits

    def seconds(self, ticks: int) -> float:
        """Return how long so many units of time stamps take."""
        return ticks * self._time_base.numerator / self._time_base.denominator

    def rgb(self, frame: Any) -> Frame:
        """Return a frame's pixels: RGB, uint8, shape (height, width, 3)."""
        # One converter for all frames: a frame's own costs 3 ms to set up, the conversion 0.1 ms at 320x240.
        converted: Any = self._reformatter.reformat(frame, format="rgb24", threads=1)
        pixels: Frame = converted.to_ndarray()
        return pixels

    @property
    def is_packet_a_frame(self) -> bool:
        """Whether each shown packet becomes a frame: not fields of interlaced streams, nor VP8's hidden pictures."""
        return self.container in ("avi", "mp4", "matroska", "gif") and self.codec != "vp8"

    def packets(self) -> list[Packet]:
        """List all packets, without decoding them.

        Raises:
            UnreadableError: If they are damaged or more than the limits allow.
        """
        picture_of = picture_reader(codec=self.codec, extradata=self._context.extradata or b"")
        listed: list[Packet] = []
        held_bytes = 0
        for packet in self._demuxed():
            if packet.is_corrupt:
                raise UnreadableError("truncated", f"Packet {len(listed)} is cut or damaged.")
            try:
                picture = picture_of(bytes(packet)) if picture_of else None
            except DamagedError as error:
                raise UnreadableError("damaged", f"Packet {len(listed)} is damaged: {error}.") from error
            listed.append(Packet(packet.pts, packet.dts, not packet.is_discard, picture))
            self._check_length(listed)
            held_bytes += packet.size
            if held_bytes > _MAX_HELD_BYTES:
                self._held = None
            elif self._held is not None:
                self._held.append(packet)
        return listed

    def frames(self, run: Iterable[int], *, stamps: list[int] | None = None) -> Iterator[Any]:
        """Decode packets, given by their ascending numbers, from a fresh start; yield the frames in shown order.

        Args:
            run: Numbers of the packets.
            stamps: Time stamps to give to the packets, instead of the container's.

        Raises:
            UnreadableError: If what is decoded is damaged.
        """
        import av

        self._context.flush_buffers()
        try:
            for number, packet in self._numbered(run):
                if stamps is not None:
                    packet.pts = stamps[number]
                yield from map(_sound, self._context.decode(packet))
            yield from map(_sound, self._context.decode(None))
        except (av.error.FFmpegError, MemoryError) as error:
            raise UnreadableError("damaged", f"Decoding failed ({self.codec}): {_told(error)}.") from error

    def _numbered(self, run: Iterable[int]) -> Iterator[tuple[int, Any]]:
        if self._held is not None:
            yield from ((number, self._held[number]) for number in run)
            return
        wanted = set(run)
        last = max(wanted)
        self._opened.seek(self._stream.start_time or 0, stream=self._stream)
        for number, packet in enumerate(self._demuxed()):
            if number in wanted:
                yield number, packet
            if number >= last:
                return

    def _demuxed(self) -> Iterator[Any]:
        # A packet without bytes repeats the picture before it, or ends the stream; a decoder takes it for the end.
        return (packet for packet in self._opened.demux(self._stream) if packet.size)

    def _check_length(self, listed: list[Packet]) -> None:
        limits, first, last = self._limits, listed[0], listed[-1]
        if len(listed) > limits.max_frames:
            raise UnreadableError("too_long", f"The video has more than {limits.max_frames:,} frames.")
        if first.dts is not None and last.dts is not None:
            length_s = self.seconds(last.dts - first.dts)
            if length_s > limits.max_seconds:
                raise UnreadableError("too_long", f"The video takes more than {limits.max_seconds:g} s.")


@contextmanager
def opened_stream(file: BufferedReader, *, container: Container, limits: Limits) -> Iterator[VideoStream]:
    """Open the video stream of a file.

    Raises:
        UnreadableError: If there is none, or its frames are larger than the limits allow.
    """
    import av

    # By descriptor: no name is ever interpreted. Nothing larger than the limits is decoded even to look at the stream.
    options = {"protocol_whitelist": "file", "max_pixels": str(limits.max_frame_pixels)}
    name = _FFMPEG_NAMES.get(container, container)
    try:
        opened = av.open(f"/dev/fd/{file.fileno()}", format=name, options=options, metadata_errors="replace")
    except (av.error.FFmpegError, ValueError, MemoryError) as error:
        raise UnreadableError("unreadable", f"The container cannot be opened: {_told(error)}.") from error
    try:
        stream = opened.streams.best("video")
        if stream is None or stream.codec_context is None:
            raise UnreadableError("unreadable", "The container holds no video stream that can be decoded.")
        # FFmpeg gives no size where it refused the one that the container declares.
        height, width = stream.codec_context.height, stream.codec_context.width
        if not 0 < height * width <= limits.max_frame_pixels:
            raise UnreadableError(
                "too_large", f"A frame has more than {limits.max_frame_pixels:,} pixels, or its size is not said."
            )
        yield VideoStream(opened, stream, container=container, limits=limits)
    finally:
        opened.close()


def _sound(frame: Any) -> Any:
    if frame.is_corrupt:
        raise UnreadableError("damaged", "A frame is damaged: the decoder had to make up parts of it.")
    return frame


def _told(error: BaseException) -> str:
    return str(getattr(error, "strerror", None) or type(error).__name__)
