"""A static HTTP server that answers ranges, so that the demo reads its zip as it would read a remote one.

Python's own http.server ignores ranges, and remotezip refuses such servers.
"""

import hashlib
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

_RANGE = re.compile(r"bytes=(\d*)-(\d*)", re.ASCII)
_BLOCK_BYTES = 1 << 18
_IDLE_S = 60  # a connection kept alive longer than this without a request is closed


@dataclass
class Traffic:
    """What a server has answered so far."""

    n_requests: int = 0
    n_body_bytes: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    def count(self, *, n_body_bytes: int) -> None:
        """Add one answered request."""
        with self._lock:
            self.n_requests += 1
            self.n_body_bytes += n_body_bytes


@dataclass(frozen=True)
class RangeServer:
    """A running server: its address, without a slash at the end, and what it has answered."""

    url: str
    traffic: Traffic


@contextmanager
def serve_folder(folder: Path) -> Iterator[RangeServer]:
    """Serve the files of a folder over HTTP/1.1 on a free port of this machine until the block ends.

    Files are read at each request; links that lead out of the folder are not followed.

    Args:
        folder: What is served; its own listing is not.
    """
    root = folder.resolve(strict=True)
    if not root.is_dir():
        raise NotADirectoryError(f"{folder} is not a folder; serve_folder serves the files of one")
    traffic = Traffic()

    class Handler(_RangeHandler):
        served_root = root
        served_traffic = traffic

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.block_on_close = False  # a client that keeps its connection does not hold up the end of the block
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield RangeServer(url=f"http://127.0.0.1:{server.server_address[1]}", traffic=traffic)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _UnsatisfiableRangeError(Exception):
    """The range asked for lies outside the file."""


def byte_span(header: str, *, n_bytes: int) -> tuple[int, int] | None:
    """First and last byte that a Range header asks for, or None where it is to be ignored (RFC 9110, section 14.2).

    One range is answered; several in one header are ignored, which the RFC allows.
    """
    match = _RANGE.fullmatch(header.strip())
    if match is None or match.groups() == ("", ""):
        return None
    first, last = match.groups()
    if first == "":
        if int(last) == 0 or n_bytes == 0:
            raise _UnsatisfiableRangeError
        return max(0, n_bytes - int(last)), n_bytes - 1
    if last != "" and int(last) < int(first):
        return None
    if int(first) >= n_bytes:
        raise _UnsatisfiableRangeError
    return int(first), min(int(last), n_bytes - 1) if last != "" else n_bytes - 1


class _RangeHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = _IDLE_S
    disable_nagle_algorithm = True  # head and body are two writes; held back, each answer takes 40 ms more
    served_root: Path
    served_traffic: Traffic

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the name in the overridden method)
        """Stay quiet."""

    def _answer(self, *, with_body: bool) -> None:
        path = self._file()
        if path is None:
            self._end_empty(HTTPStatus.NOT_FOUND)
            return
        with path.open("rb") as file:
            facts = path.stat()
            n_bytes = facts.st_size
            mark = hashlib.sha256(f"{facts.st_ino}-{facts.st_mtime_ns}-{n_bytes}".encode()).hexdigest()[:16]
            etag, modified = f'"{mark}"', formatdate(facts.st_mtime, usegmt=True)
            span = None
            # A HEAD has no ranges (RFC 9110, section 14.2); after If-Range with another version, the whole file.
            if with_body and self.headers.get("If-Range", etag) in (etag, modified):
                try:
                    span = byte_span(self.headers.get("Range", ""), n_bytes=n_bytes)
                except _UnsatisfiableRangeError:
                    self._end_empty(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, content_range=f"bytes */{n_bytes}")
                    return
            first, last = span if span is not None else (0, n_bytes - 1)
            self.send_response(HTTPStatus.OK if span is None else HTTPStatus.PARTIAL_CONTENT)
            self.send_header("Accept-Ranges", "bytes")
            self.send_header("Content-Type", "application/octet-stream")
            self.send_header("Content-Length", str(last - first + 1))
            self.send_header("ETag", etag)
            self.send_header("Last-Modified", modified)
            if span is not None:
                self.send_header("Content-Range", f"bytes {first}-{last}/{n_bytes}")
            self.end_headers()
            n_left = last - first + 1 if with_body else 0
            self.served_traffic.count(n_body_bytes=n_left)
            file.seek(first)
            try:
                while n_left > 0 and (block := file.read(min(_BLOCK_BYTES, n_left))):
                    self.wfile.write(block)
                    n_left -= len(block)
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True
            if n_left > 0:  # the file shrank: the client must not wait for the rest
                self.close_connection = True

    def _file(self) -> Path | None:
        """The file asked for, where it is one inside the folder."""
        try:
            path = (self.served_root / unquote(urlsplit(self.path).path).lstrip("/")).resolve()
            return path if path.is_relative_to(self.served_root) and path.is_file() else None
        except (OSError, ValueError):  # a name too long, or with a zero byte
            return None

    def _end_empty(self, status: HTTPStatus, *, content_range: str | None = None) -> None:
        self.served_traffic.count(n_body_bytes=0)
        self.send_response(status)
        if content_range is not None:
            self.send_header("Content-Range", content_range)
        self.send_header("Content-Length", "0")
        self.end_headers()
