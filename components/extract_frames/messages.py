"""What passes between a run and its decoding processes: messages with their length in front, on pipes.

Plain bytes and JSON, no pickles: a decoder that a hostile video took over must not run code in the process that asked.
"""

import json
import os
import select
import struct
import time
from dataclasses import asdict, dataclass
from typing import Any, Literal

from components.contract.clips import ClipGeometry
from components.extract_frames.clip import Extraction
from components.video.preparation import as_stored, stored_preparation

Kind = Literal[b"ready", b"clips", b"fault", b"error"]

OUT_OF_MEMORY = "too_much_memory"

_LENGTH = struct.Struct("<Q")
_KIND_BYTES = 5
_MOST_BYTES = 4 << 30
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class WorkerSettings:
    """What a decoding process is told when it starts.

    Attributes:
        extraction: How clips are made.
        time_limit_s: Seconds that one video may take.
        memory_limit_bytes: Memory that decoding may take beyond what the loaded libraries do.
    """

    extraction: Extraction
    time_limit_s: float
    memory_limit_bytes: int

    def to_bytes(self) -> bytes:
        """As JSON."""
        stored = {
            "geometry": asdict(self.extraction.geometry),
            "preparation": as_stored(self.extraction.preparation),
            "jpeg_quality": self.extraction.jpeg_quality,
            "time_limit_s": self.time_limit_s,
            "memory_limit_bytes": self.memory_limit_bytes,
        }
        return json.dumps(stored).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> "WorkerSettings":
        """From JSON."""
        stored = json.loads(data)
        extraction = Extraction(
            geometry=ClipGeometry(**stored["geometry"]),
            preparation=stored_preparation(stored["preparation"]),
            jpeg_quality=stored["jpeg_quality"],
        )
        return cls(extraction, stored["time_limit_s"], stored["memory_limit_bytes"])


def send(pipe: int, data: bytes, *, kind: bytes = b"") -> None:
    """Write one message.

    Raises:
        BrokenPipeError: If nobody reads any more.
    """
    for part in (_LENGTH.pack(len(kind) + len(data)) + kind, data):
        rest = memoryview(part)
        while rest:
            rest = rest[os.write(pipe, rest) :]


def receive(pipe: int, *, deadline: float = float("inf")) -> bytes:
    """Read one message.

    Args:
        pipe: Read end of a pipe.
        deadline: On the monotonic clock.

    Raises:
        TimeoutError: If it is not whole by then.
        EOFError: If the other side is gone.
    """
    (length,) = _LENGTH.unpack(_read(pipe, _LENGTH.size, deadline))
    if length > _MOST_BYTES:
        raise EOFError(f"A message of {length} bytes is not one of ours.")
    return _read(pipe, length, deadline)


def receive_answer(pipe: int, *, deadline: float) -> tuple[bytes, bytes]:
    """Read one answer of a decoding process: its kind and its data; raises like `receive`."""
    message = receive(pipe, deadline=deadline)
    return message[:_KIND_BYTES], message[_KIND_BYTES:]


def _read(pipe: int, n_bytes: int, deadline: float) -> bytes:
    poll = select.poll()
    poll.register(pipe, select.POLLIN)
    parts: list[bytes] = []
    while n_bytes:
        wait: Any = None if deadline == float("inf") else max(0.0, deadline - time.monotonic()) * 1000
        if not poll.poll(wait):
            raise TimeoutError
        part = os.read(pipe, min(n_bytes, _CHUNK_BYTES))
        if not part:
            raise EOFError("The other side of the pipe is gone.")
        parts.append(part)
        n_bytes -= len(part)
    return b"".join(parts)
