"""A decoding process: videos in on one pipe, clips or the reason why not out on another.

`python -m components.extract_frames.worker` is started by `WorkerPool` and lives for many videos. It is told nothing of
the environment, may write no file, and ends by itself when a video takes too long or nobody asks any more.
"""

import json
import math
import os
import resource
import signal
import traceback
from pathlib import Path

from components.extract_frames.clip import extract_clips, packed
from components.extract_frames.messages import OUT_OF_MEMORY, Kind, WorkerSettings, receive, send
from components.video.errors import UnreadableError

_OWN_LIMIT_FACTOR = 2  # the pool ends a slow worker; this one is for a worker whose pool is gone


def main() -> None:
    """Answer until the pipe ends."""
    # What libraries print must not stand among the answers.
    requests, answers = os.dup(0), os.dup(1)
    os.dup2(2, 1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # ^C goes to all processes of a terminal; the pool ends this one
    settings = WorkerSettings.from_bytes(receive(requests))
    _load_decoders()
    _confine(settings)
    _send(answers, b"ready", b"")
    while True:
        try:
            request = json.loads(receive(requests))
        except EOFError:
            return
        signal.alarm(math.ceil(settings.time_limit_s * _OWN_LIMIT_FACTOR))
        kind, data = answer_to(Path(request["path"]), digest=request["digest"], settings=settings)
        signal.alarm(0)
        _send(answers, kind, data)


def answer_to(path: Path, *, digest: str, settings: WorkerSettings) -> tuple[Kind, bytes]:
    """Return the kind and the data of the answer to a video: clips, a fault of the video, or an error of ours."""
    import cv2

    try:
        return b"clips", packed(extract_clips(path, digest=digest, extraction=settings.extraction))
    except UnreadableError as fault:
        return _fault(fault.reason, fault.detail)
    except MemoryError:
        return _out_of_memory(settings)
    except cv2.error as error:
        if error.code == cv2.Error.StsNoMem:
            return _out_of_memory(settings)
        return b"error", traceback.format_exc().encode()
    except Exception:
        return b"error", traceback.format_exc().encode()


def _fault(reason: str, detail: str) -> tuple[Kind, bytes]:
    return b"fault", json.dumps({"reason": reason, "detail": detail}).encode()


def _out_of_memory(settings: WorkerSettings) -> tuple[Kind, bytes]:
    limit = settings.memory_limit_bytes >> 20
    return _fault(OUT_OF_MEMORY, f"Decoding takes more than the limit of {limit:,} MiB.")


def _send(pipe: int, kind: Kind, data: bytes) -> None:
    send(pipe, data, kind=kind)


def _load_decoders() -> None:
    import av  # noqa: F401 - loaded before memory is limited
    import cv2  # noqa: F401 - as above
    import simplejpeg  # noqa: F401 - as above


def _confine(settings: WorkerSettings) -> None:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    address_space = pages * resource.getpagesize() + settings.memory_limit_bytes
    resource.setrlimit(resource.RLIMIT_AS, (address_space, address_space))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


if __name__ == "__main__":
    main()
