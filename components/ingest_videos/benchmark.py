"""How fast videos are fetched, against remotezip as its documentation uses it and against unzip; and in what memory."""

import random
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from components.contract.figures import Figure

_N_MEMBERS = 600
_MEMBER_BYTES = 200_000
_N_PEER = 60
_ROUND_TRIP_S = 0.03
_ROUNDS = 3
_MEMORY_MARGIN_BYTES = 100_000_000
_FETCH_WORKERS = 16  # the default of ingest_videos

# In a process of its own, since a server in ours would take turns with what is measured. A new connection costs a
# round trip, and so does each request: what a link 30 ms away costs at least.
_SERVER = """
import sys, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
data, round_trip_s = open(sys.argv[1], "rb").read(), float(sys.argv[2])
class Handler(BaseHTTPRequestHandler):
    protocol_version, disable_nagle_algorithm, wbufsize = "HTTP/1.1", True, 65536
    def setup(self):
        super().setup()
        time.sleep(round_trip_s)
    def log_message(self, *arguments): pass
    def do_GET(self):
        time.sleep(round_trip_s)
        asked = self.headers.get("Range", "bytes=0-")
        first, last = asked.removeprefix("bytes=").split("-")
        start = int(first) if first else max(0, len(data) - int(last))
        stop = min(len(data), int(last) + 1) if first and last else len(data)
        self.send_response(206 if "Range" in self.headers else 200)
        self.send_header("ETag", '"one"')
        self.send_header("Content-Range", f"bytes {start}-{stop - 1}/{len(data)}")
        self.send_header("Content-Length", str(stop - start))
        self.end_headers()
        self.wfile.write(memoryview(data)[start:stop])
class Server(ThreadingHTTPServer):
    daemon_threads, request_queue_size = True, 128
    def handle_error(self, request, address): pass
server = Server(("127.0.0.1", 0), Handler)
print(server.server_address[1], flush=True)
server.serve_forever()
"""


def figures() -> Iterator[Figure]:
    """Measure videos per second over a simulated link, on loopback, and from a local archive."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = _write_archive(folder / "UCF101.zip")
        with _serving(path, round_trip_s=_ROUND_TRIP_S) as url:
            yield Figure(
                figure=f"videos per second over a link of {_ROUND_TRIP_S * 1000:.0f} ms",
                ratio=_per_video_ratio(url, folder, n_peer=_N_PEER, rounds=1),
                goal=20,
                against=f"remotezip as documented, one extract after the other ({_N_PEER} videos; ours {_N_MEMBERS})",
            )
        with _serving(path, round_trip_s=0) as url:
            yield Figure(
                figure="videos per second on loopback",
                ratio=_per_video_ratio(url, folder, n_peer=_N_MEMBERS, rounds=_ROUNDS),
                goal=1.0,
                against="remotezip as documented",
            )
        yield Figure(
            figure="videos per second from a local archive, checksums and fsync included",
            ratio=_local_ratio(path, folder),
            goal=0.7,
            against="Info-ZIP's unzip" if shutil.which("unzip") else "Python's zipfile, extractall (no unzip here)",
        )
        yield Figure(
            figure="peak memory for 20,000 members",
            ratio=(_peak_bytes(200, folder) + _MEMORY_MARGIN_BYTES) / _peak_bytes(20_000, folder),
            goal=1.0,
            against="that for 200, and 100 MB",
        )


def _per_video_ratio(url: str, folder: Path, *, n_peer: int, rounds: int) -> float:
    ours, theirs = [], []
    for _ in range(rounds):
        theirs.append(_remotezip_s(url, folder, n=n_peer) / n_peer)
        ours.append(_ours_s(url, folder) / _N_MEMBERS)
    return min(theirs) / min(ours)


def _local_ratio(path: Path, folder: Path) -> float:
    ours, theirs = [], []
    for _ in range(_ROUNDS):
        theirs.append(_unzip_s(path, folder))
        ours.append(_ours_s(str(path), folder))
    return min(theirs) / min(ours)


def _ours_s(source: str, folder: Path) -> float:
    """Seconds of a whole ingest into an empty store: listing, choosing, fetching, checksums, manifest."""
    from components.ingest_videos.ingest import ingest
    from components.ingest_videos.selection import Selection
    from components.ingest_videos.splits import Shares

    selection = Selection(classes=(), videos_per_class=0, shares=Shares(validation=0.15, test=0.15))
    with tempfile.TemporaryDirectory(dir=folder) as name:
        started = time.perf_counter()
        ingest(
            source,
            Path(name) / "videos",
            store_dir=name,
            selection=selection,
            source_type="auto",
            fetch_workers=_FETCH_WORKERS,
        )
        return time.perf_counter() - started


def _remotezip_s(url: str, folder: Path, *, n: int) -> float:
    from remotezip import RemoteZip

    with tempfile.TemporaryDirectory(dir=folder) as name:
        started = time.perf_counter()
        with RemoteZip(url) as archive:
            for member in archive.namelist()[:n]:
                archive.extract(member, name)
        return time.perf_counter() - started


def _unzip_s(path: Path, folder: Path) -> float:
    with tempfile.TemporaryDirectory(dir=folder) as name:
        started = time.perf_counter()
        if unzip := shutil.which("unzip"):
            subprocess.run([unzip, "-q", str(path), "-d", name], check=True)
        else:
            with zipfile.ZipFile(path) as archive:
                archive.extractall(name)
        return time.perf_counter() - started


def _peak_bytes(n_members: int, folder: Path) -> int:
    """Peak memory of a process that ingests an archive of tiny members."""
    with tempfile.TemporaryDirectory(dir=folder) as name:
        path = _write_archive(Path(name) / "tiny.zip", n_members=n_members, member_bytes=16)
        code = "import sys; from pathlib import Path; from components.ingest_videos.benchmark import print_peak_kib\n"
        code += "print_peak_kib(sys.argv[1], Path(sys.argv[2]))"
        command = [sys.executable, "-c", code, str(path), name]
        return 1024 * int(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1])


def print_peak_kib(source: str, folder: Path) -> None:
    """Ingest, then print the peak of this process's resident memory, in KiB: the child's part of `figures`."""
    _ours_s(source, folder)
    # not ru_maxrss, which begins with what the parent held when it forked
    status = Path("/proc/self/status").read_text()
    print(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")))


def _write_archive(path: Path, *, n_members: int = _N_MEMBERS, member_bytes: int = _MEMBER_BYTES) -> Path:
    """Write a zip laid out like UCF101's, of bytes that deflate as little as coded video does."""
    noise = random.Random(0)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(n_members):
            group, clip = divmod(number, 5)
            archive.writestr(f"UCF101/v_Class_g{group:04d}_c{clip:02d}.avi", noise.randbytes(member_bytes))
    return path


@contextmanager
def _serving(path: Path, *, round_trip_s: float) -> Iterator[str]:
    command = [sys.executable, "-c", _SERVER, str(path), str(round_trip_s)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(server.stdout.readline())}/{path.name}"
        finally:
            server.terminate()
