import http.client
import zipfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
import requests
from remotezip import RemoteZip

from pipelines.demo.range_server import RangeServer, serve_folder

BODY = bytes(range(256)) * 5


@pytest.fixture
def served(tmp_path: Path) -> Iterator[RangeServer]:
    folder = tmp_path / "served"
    folder.mkdir()
    (folder / "body.bin").write_bytes(BODY)
    (folder / "empty.bin").write_bytes(b"")
    (tmp_path / "secret.txt").write_text("secret")
    (folder / "link.txt").symlink_to(tmp_path / "secret.txt")
    with serve_folder(folder) as server:
        yield server


@pytest.fixture
def session() -> Iterator[requests.Session]:
    with requests.Session() as session:
        yield session


def test_whole_file_is_answered_with_its_facts(served: RangeServer, session: requests.Session) -> None:
    answer = session.get(f"{served.url}/body.bin")

    assert answer.status_code == 200
    assert answer.content == BODY
    assert answer.headers["Accept-Ranges"] == "bytes"
    assert answer.headers["Content-Length"] == "1280"
    assert answer.headers["ETag"].startswith('"')


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [
        ("bytes=0-0", 0, 0),
        ("bytes=5-9", 5, 9),
        ("bytes=1000-", 1000, 1279),
        ("bytes=1000-999999", 1000, 1279),
        ("bytes=-7", 1273, 1279),
        ("bytes=-999999", 0, 1279),
    ],
)
def test_range_is_answered_with_its_bytes(
    served: RangeServer, session: requests.Session, asked: str, first: int, last: int
) -> None:
    answer = session.get(f"{served.url}/body.bin", headers={"Range": asked})

    assert answer.status_code == 206
    assert answer.headers["Content-Range"] == f"bytes {first}-{last}/1280"
    assert answer.content == BODY[first : last + 1]


@pytest.mark.parametrize("asked", ["bytes=1280-", "bytes=-0", "bytes=9999-99999"])
def test_range_outside_the_file_is_refused(served: RangeServer, session: requests.Session, asked: str) -> None:
    answer = session.get(f"{served.url}/body.bin", headers={"Range": asked})

    assert answer.status_code == 416
    assert answer.headers["Content-Range"] == "bytes */1280"
    assert answer.content == b""


@pytest.mark.parametrize("asked", ["bytes=9-5", "bytes=-", "bytes=a-b", "lines=1-2", "bytes=0-1,4-5"])
def test_range_that_is_not_understood_is_ignored(served: RangeServer, session: requests.Session, asked: str) -> None:
    answer = session.get(f"{served.url}/body.bin", headers={"Range": asked})

    assert answer.status_code == 200
    assert answer.content == BODY


def test_empty_file_is_served_and_has_no_ranges(served: RangeServer, session: requests.Session) -> None:
    whole = session.get(f"{served.url}/empty.bin")
    part = session.get(f"{served.url}/empty.bin", headers={"Range": "bytes=0-"})

    assert (whole.status_code, whole.content) == (200, b"")
    assert part.status_code == 416


def test_head_tells_the_size_and_sends_no_body(served: RangeServer, session: requests.Session) -> None:
    answer = session.head(f"{served.url}/body.bin")

    assert answer.status_code == 200
    assert answer.headers["Content-Length"] == "1280"
    assert answer.content == b""
    assert served.traffic.n_body_bytes == 0


def test_if_range_of_another_version_gets_the_whole_file(served: RangeServer, session: requests.Session) -> None:
    etag = session.head(f"{served.url}/body.bin").headers["ETag"]

    same = session.get(f"{served.url}/body.bin", headers={"Range": "bytes=0-3", "If-Range": etag})
    other = session.get(f"{served.url}/body.bin", headers={"Range": "bytes=0-3", "If-Range": '"older"'})

    assert (same.status_code, same.content) == (206, BODY[:4])
    assert (other.status_code, other.content) == (200, BODY)


def test_etag_changes_with_the_file(served: RangeServer, session: requests.Session, tmp_path: Path) -> None:
    before = session.head(f"{served.url}/body.bin").headers["ETag"]

    (tmp_path / "served" / "body.bin").write_bytes(b"replaced")

    assert session.head(f"{served.url}/body.bin").headers["ETag"] != before


@pytest.mark.parametrize(
    "target",
    [
        "/../secret.txt",
        "/%2e%2e/secret.txt",
        "/..%2fsecret.txt",
        "//secret.txt",
        "/link.txt",
        "/",
        "/nothing.bin",
        "/body.bin%00",
        "/" + "a" * 5000,
    ],
)
def test_nothing_but_files_of_the_folder_is_served(served: RangeServer, target: str) -> None:
    connection = http.client.HTTPConnection(urlsplit(served.url).netloc)

    connection.request("GET", target)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()

    assert (answer.status, body) == (404, b"")


def test_one_connection_carries_many_requests(served: RangeServer) -> None:
    connection = http.client.HTTPConnection(urlsplit(served.url).netloc)
    bodies: list[bytes] = []

    for target in ("/body.bin", "/nothing.bin", "/body.bin"):
        connection.request("GET", target)
        bodies.append(connection.getresponse().read())
        socket_used = connection.sock
    connection.close()

    assert bodies == [BODY, b"", BODY]
    assert socket_used is not None
    assert served.traffic.n_requests == 3
    assert served.traffic.n_body_bytes == 2 * len(BODY)


def test_remotezip_reads_one_member_without_fetching_the_others(tmp_path: Path) -> None:
    wanted, other = (np.random.default_rng(seed).bytes(300_000) for seed in (0, 1))
    with zipfile.ZipFile(tmp_path / "UCF101.zip", "w") as archive:
        archive.writestr("UCF101/v_SitUp_g01_c01.avi", other)
        archive.writestr("UCF101/v_SitUp_g01_c02.avi", wanted)
        archive.writestr("UCF101/v_SitUp_g01_c03.avi", other)

    with (
        serve_folder(tmp_path) as server,
        requests.Session() as session,
        RemoteZip(f"{server.url}/UCF101.zip", session=session) as archive,
    ):
        names = archive.namelist()
        member = archive.read("UCF101/v_SitUp_g01_c02.avi")

    assert len(names) == 3
    assert member == wanted
    assert server.traffic.n_requests <= 4
    assert server.traffic.n_body_bytes < 450_000


def test_what_is_not_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(NotADirectoryError, match="is not a folder"), serve_folder(tmp_path / "file"):
        pass
