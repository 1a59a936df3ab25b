import hashlib
import socket
import struct
import threading
import time
import zipfile
import zlib
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
    """What the server does wrong; tests set it while it runs.

    The names: a status (`503`), `429 for 1 s`, `stall`, `reset` (before the first byte), `cut` (in the middle),
    `short` (a body shorter than its range, and its length says so), `wrong range`, `ignored range`, `bit flip`.
    """

    next: list[str] = field(default_factory=list)  # for the next requests that are not for the end of the file
    always: str = ""  # for all of them, once `next` is used up
    without_ranges: bool = False
    delay_s: float = 0.0
    bytes_per_s: int = 0  # 0: as fast as can be


@dataclass
class RangeServer:
    """Serves a folder on 127.0.0.1, with ranges and ETags; counts what it is asked for."""

    url: str
    faults: Faults
    asked: list[str] = field(default_factory=list)  # Range headers of requests that are not for the end of the file
    authorizations: set[str] = field(default_factory=set)
    n_tails: int = 0  # requests for the end of the file
    n_body_bytes: int = 0
    connections: int = 0
    redirect: str = ""  # another server that has the files


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
        self.state.authorizations.add(self.headers.get("Authorization", ""))
        if self.state.redirect:
            return self._answer(302, headers={"Location": self.state.redirect + self.path})
        path = self.folder / self.path.partition("?")[0].lstrip("/")
        if not path.is_file():
            return self._answer(404)
        data, asked = path.read_bytes(), self.headers.get("Range", "")
        etag = f'"{zlib.crc32(data)}"'
        if asked.startswith("bytes=-"):
            self.state.n_tails += 1
            fault = ""
        else:
            self.state.asked.append(asked)
            time.sleep(self.state.faults.delay_s)
            fault = self.state.faults.next.pop(0) if self.state.faults.next else self.state.faults.always
        if fault == "stall":
            time.sleep(1.5)
        if fault in ("stall", "reset"):
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
            return None
        if fault[:3].isdecimal():
            return self._answer(int(fault[:3]), headers={"Retry-After": "1"} if " for " in fault else {})
        is_whole = not asked or self.state.faults.without_ranges or fault == "ignored range"
        if is_whole or self.headers.get("If-Range", etag) != etag:
            return self._answer(200, data, {"ETag": etag}, fault=fault)
        start, stop = self._span(asked, len(data))
        if start >= len(data):
            return self._answer(416)
        if fault == "wrong range":
            start, stop = start // 2, start // 2 + 1
        headers = {"Content-Range": f"bytes {start}-{stop - 1}/{len(data)}", "ETag": etag}
        return self._answer(206, data[start:stop], headers, fault=fault)

    def _span(self, asked: str, n_bytes: int) -> tuple[int, int]:
        first, last = asked.removeprefix("bytes=").split("-")
        if not first:
            return max(0, n_bytes - int(last)), n_bytes
        return int(first), min(int(last) + 1, n_bytes) if last else n_bytes

    def _answer(
        self, status: int, body: bytes = b"", headers: dict[str, str] | None = None, *, fault: str = ""
    ) -> None:
        if fault == "short":
            body = body[: len(body) // 2]
        if fault == "bit flip":
            body = body[: len(body) // 2] + bytes([body[len(body) // 2] ^ 1]) + body[len(body) // 2 + 1 :]
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        sent = body[: len(body) // 2] if fault == "cut" else body
        self.state.n_body_bytes += len(sent)
        for start in range(0, len(sent), 1 << 17):
            self.wfile.write(sent[start : start + (1 << 17)])
            if self.state.faults.bytes_per_s:
                time.sleep((1 << 17) / self.state.faults.bytes_per_s)
        self.close_connection = self.close_connection or fault == "cut"


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
        authorization: str = "",
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
            authorization=authorization,
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


@pytest.fixture
def archive(tmp_path: Path, write_zip: Callable[..., Path]) -> Path:
    (tmp_path / "www").mkdir()
    return write_zip(tmp_path / "www" / "UCF101.zip")
