import hashlib
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from components.ingest_videos.ingest import Ingested, ingest
from components.ingest_videos.selection import Selection
from components.ingest_videos.splits import Shares


@dataclass
class Faults:
    """What the server does wrong; tests set it while it runs."""

    statuses: list[int] = field(default_factory=list)  # answers to the next requests for members
    cut_bodies: int = 0  # how many of the next members' bodies break off in the middle
    without_ranges: bool = False
    delay_s: float = 0.0


@dataclass
class RangeServer:
    """Serves a folder on 127.0.0.1, with ranges; counts what it is asked for."""

    url: str
    faults: Faults
    member_requests: int = 0  # requests for a range given by its start
    connections: int = 0


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    folder: Path
    state: RangeServer

    def setup(self) -> None:
        super().setup()
        self.state.connections += 1

    def log_message(self, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        path = self.folder / self.path.partition("?")[0].lstrip("/")
        if not path.is_file():
            return self._answer(404)
        asked = self.headers.get("Range", "")
        if self.state.faults.without_ranges or not asked:
            return self._answer(200, path.read_bytes())
        data, start_text = path.read_bytes(), asked.removeprefix("bytes=").partition("-")[0]
        if start_text:
            self.state.member_requests += 1
            time.sleep(self.state.faults.delay_s)
            if self.state.faults.statuses:
                return self._answer(self.state.faults.statuses.pop(0))
            start, stop = int(start_text), int(asked.rpartition("-")[2]) + 1
        else:
            start, stop = max(0, len(data) - int(asked.rpartition("-")[2])), len(data)
        if start >= len(data):
            return self._answer(416)
        headers = {"Content-Range": f"bytes {start}-{stop - 1}/{len(data)}"}
        self._answer(206, data[start:stop], headers, cut=bool(start_text) and self._cuts())
        return None

    def _cuts(self) -> bool:
        self.state.faults.cut_bodies -= 1
        return self.state.faults.cut_bodies >= 0

    def _answer(
        self, status: int, body: bytes = b"", headers: dict[str, str] | None = None, *, cut: bool = False
    ) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if cut else body)
        self.close_connection = self.close_connection or cut


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request: object, client_address: object) -> None:
        pass  # a client that was killed


@contextmanager
def _serving(folder: Path) -> Iterator[RangeServer]:
    handler = type("Handler", (_Handler,), {"folder": folder})
    server = _Server(("127.0.0.1", 0), handler)
    handler.state = RangeServer(url=f"http://127.0.0.1:{server.server_address[1]}", faults=Faults())  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield handler.state  # type: ignore[attr-defined]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def serving() -> Callable[[Path], object]:
    """`with serving(folder) as server`: a server of a folder."""
    return _serving


def _content(name: str) -> bytes:
    digest = hashlib.sha256(name.encode()).digest()
    return (digest * 40)[: 600 + digest[0]] + digest * 2


def _write_zip(
    path: Path, *, classes: tuple[str, ...] = ("Archery", "SitDown"), n_groups: int = 6, n_clips: int = 3
) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.mkdir("UCF101")
        for label in classes:
            for group in range(1, n_groups + 1):
                for clip in range(1, n_clips + 1):
                    name = f"v_{label}_g{group:02d}_c{clip:02d}.avi"
                    archive.writestr(f"UCF101/{name}", _content(name))
    return path


@pytest.fixture
def write_zip() -> Callable[..., Path]:
    """`write_zip(path, classes=, n_groups=, n_clips=)`: a zip laid out like UCF101's; contents follow from names."""
    return _write_zip


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., Ingested]:
    """`run(source, …)`: ingest into tmp_path/videos, with the store tmp_path/store."""

    def _run(
        source: str | Path,
        *,
        videos: str = "videos",
        store: str = "store",
        classes: tuple[str, ...] = (),
        videos_per_class: int = 0,
        shares: Shares | None = None,
        source_type: str = "auto",
        fetch_workers: int = 4,
        **selected: Any,
    ) -> Ingested:
        selection = Selection(
            classes=classes,
            videos_per_class=videos_per_class,
            shares=shares or Shares(validation=0.15, test=0.15),
            **selected,
        )
        return ingest(
            str(source),
            tmp_path / videos,
            store_dir=str(tmp_path / store),
            selection=selection,
            source_type=source_type,
            fetch_workers=fetch_workers,
        )

    return _run


def _write_video(path: Path, *, seed: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    frames = np.random.default_rng(seed).integers(0, 256, (4, 24, 32, 3), dtype=np.uint8)
    codec = cv2.VideoWriter.fourcc(*("MJPG" if path.suffix == ".avi" else "mp4v"))
    writer = cv2.VideoWriter(str(path), codec, 25.0, (32, 24))
    for frame in frames:
        writer.write(frame)
    writer.release()
    return path


@pytest.fixture
def write_video() -> Callable[..., Path]:
    """`write_video(path, seed=)`: a real video of four frames of 24x32; the seed makes its bytes."""
    return _write_video
