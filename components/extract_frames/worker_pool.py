"""A few long-lived processes that decode: killed on time or memory, replaced after a crash, shared by all threads."""

import fcntl
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from components.extract_frames.clip import Clip, unpacked
from components.extract_frames.messages import OUT_OF_MEMORY, WorkerSettings, receive_answer, send

_PACKAGES = Path(__file__).resolve().parent.parent.parent
_COMMAND = (sys.executable, "-P", "-m", "components.extract_frames.worker")
_START_S = 120.0
# A decoder needs none of a step's secrets.
_KEPT_VARIABLES = ("PATH", "LD_LIBRARY_PATH", "LANG", "LC_ALL", "OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")
_PIPE_BYTES = 1 << 20  # a clip fits, mostly: the worker goes on while the asking thread waits for its turn


class VideoRejectedError(Exception):
    """A video gives no clip.

    Args:
        reason: A short class of reason.
        detail: A sentence for a person.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class WorkerPool:
    """Decoding processes for the threads of this process.

    Args:
        settings: What each of them is told.
        n_workers: How many there are.
    """

    def __init__(self, settings: WorkerSettings, *, n_workers: int) -> None:
        self._settings = settings
        self._idle: queue.LifoQueue[_Worker] = queue.LifoQueue()
        self._lock, self._closed = threading.Lock(), False
        self._alive: set[_Worker] = set()
        for _ in range(n_workers):
            self._idle.put(self._start())

    @property
    def process_ids(self) -> list[int]:
        """Of the workers alive now."""
        with self._lock:
            return sorted(worker.process.pid for worker in self._alive)

    def extract(self, path: Path, *, digest: str) -> list[Clip]:
        """Return the clips of a video, decoded by the next idle worker.

        A worker that dies is replaced and the video tried once more: the machine may have killed it for another's sake.

        Raises:
            VideoRejectedError: If the video gives no clip, takes too long or too much memory, or crashes its decoder.
            RuntimeError: If a worker cannot start, has a bug, or was ended by `close`.
        """
        try:
            return self._extract(path, digest=digest)
        except _WorkerDiedError:
            pass
        try:
            return self._extract(path, digest=digest)
        except _WorkerDiedError as death:
            raise VideoRejectedError("decoder_crashed", f"The decoder ended with {death}, twice.") from None

    def close(self) -> None:
        """End all workers at once, whatever they do; threads that wait for one get an error."""
        with self._lock:
            self._closed = True
            for worker in self._alive:
                worker.kill()
            self._alive.clear()
        # A busy worker's thread sees that it is dead and closes its pipes itself.
        idle = [self._idle.get() for _ in range(self._idle.qsize())]
        for worker in idle:
            worker.close_pipes()
            self._idle.put(worker)

    def _extract(self, path: Path, *, digest: str) -> list[Clip]:
        worker = self._idle.get()
        try:
            return worker.extract(path, digest=digest)
        finally:
            self._idle.put(worker if worker.is_usable else self._replaced(worker))
            if self._closed:
                raise RuntimeError("The decoding processes were ended.")

    def _start(self) -> "_Worker":
        worker = _Worker(self._settings)
        self._alive.add(worker)
        return worker

    def _replaced(self, worker: "_Worker") -> "_Worker":
        worker.kill()
        worker.close_pipes()
        with self._lock:
            self._alive.discard(worker)
            return worker if self._closed else self._start()


class _WorkerDiedError(Exception):
    """A worker ended without an answer; the message says how."""


class _Worker:
    """One decoding process, used by one thread at a time."""

    def __init__(self, settings: WorkerSettings) -> None:
        kept = {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}
        self._time_limit_s = settings.time_limit_s
        self._is_ready, self.is_usable = False, True
        self.process = subprocess.Popen(
            _COMMAND,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            env={**kept, "PYTHONPATH": str(_PACKAGES)},
        )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self._requests, self._answers = self.process.stdin.fileno(), self.process.stdout.fileno()
        fcntl.fcntl(self._answers, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
        send(self._requests, settings.to_bytes())

    def extract(self, path: Path, *, digest: str) -> list[Clip]:
        """Return the clips of a video; raises like the pool, or says that the process died."""
        if not self.is_usable:
            raise _WorkerDiedError("SIGKILL")
        self._wait_until_ready()
        try:
            send(self._requests, json.dumps({"path": str(path), "digest": digest}).encode())
            kind, data = receive_answer(self._answers, deadline=time.monotonic() + self._time_limit_s)
        except TimeoutError:
            self.is_usable = False
            raise VideoRejectedError(
                "too_slow", f"Decoding takes more than the limit of {self._time_limit_s:g} s."
            ) from None
        except (EOFError, BrokenPipeError):
            self.is_usable = False
            raise _WorkerDiedError(self._end()) from None
        return self._clips(kind, data)

    def kill(self) -> None:
        """End the process and wait until it is gone."""
        self.process.kill()
        self.process.wait()

    def close_pipes(self) -> None:
        """Give back the file descriptors; for the thread that has this worker."""
        self.is_usable = False
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe:
                pipe.close()

    def _wait_until_ready(self) -> None:
        if self._is_ready:
            return
        try:
            kind, _ = receive_answer(self._answers, deadline=time.monotonic() + _START_S)
        except (TimeoutError, EOFError):
            self.is_usable = False
            raise RuntimeError(f"A decoding process does not start ({self._end()}).") from None
        self._is_ready = kind == b"ready"

    def _clips(self, kind: bytes, data: bytes) -> list[Clip]:
        if kind == b"fault":
            fault = json.loads(data)
            self.is_usable = fault["reason"] != OUT_OF_MEMORY  # what is left of its memory may be in pieces
            raise VideoRejectedError(fault["reason"], fault["detail"])
        if kind != b"clips":
            raise RuntimeError(f"A decoding process has a bug:\n{data.decode(errors='replace')}")
        return unpacked(data)

    def _end(self) -> str:
        """Say how the process ended; one that only closed its pipe is ended first."""
        try:
            code = self.process.wait(timeout=1)
        except subprocess.TimeoutExpired:
            self.kill()
            return "a closed pipe"
        return signal.Signals(-code).name if code < 0 else f"exit status {code}"


_pools: dict[tuple[WorkerSettings, int], WorkerPool] = {}
_pools_lock = threading.Lock()


def pool_of_this_process(settings: WorkerSettings, *, n_workers: int) -> WorkerPool:
    """Return the pool that all threads of this process share; the first who asks starts it."""
    with _pools_lock:
        key = (settings, n_workers)
        if key not in _pools:
            _pools[key] = WorkerPool(settings, n_workers=n_workers)
        return _pools[key]


def close_pools() -> None:
    """End the workers of all pools of this process."""
    with _pools_lock:
        for pool in _pools.values():
            pool.close()
        _pools.clear()
