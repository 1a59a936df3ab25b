"""The digest of an image, asked of a real registry on loopback; images are pushed by the plain HTTP API."""

import base64
import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from click.testing import CliRunner

from components import __version__
from pipelines.cli import main
from pipelines.registry import RegistryError, digest_of, parsed, pinned

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
USER, PASSWORD = "reader", "wachtwoord"
HASHED = "$2b$05$abcdefghijklmnopqrstuuQ0jRLOoMwzw7InlLExTocQp7NKFh9j."  # bcrypt of the password
DIGEST = "sha256:" + "0" * 64

Serve = Callable[..., str]


def push(host: str, name: str, tag: str, *, created: str = "2026-01-01T00:00:00Z") -> str:
    """Push an image without layers and return the digest of its manifest."""
    config = json.dumps({"created": created, "architecture": "amd64", "os": "linux"}).encode()
    config_digest = "sha256:" + hashlib.sha256(config).hexdigest()
    upload = requests.post(f"http://{host}/v2/{name}/blobs/uploads/", timeout=10).headers["Location"]
    put(f"{upload}&digest={config_digest}", config, "application/octet-stream")
    described = {"mediaType": "application/vnd.oci.image.config.v1+json", "size": len(config), "digest": config_digest}
    manifest = json.dumps({"schemaVersion": 2, "mediaType": MANIFEST, "config": described, "layers": []}).encode()
    put(f"http://{host}/v2/{name}/manifests/{tag}", manifest, MANIFEST)
    return "sha256:" + hashlib.sha256(manifest).hexdigest()


def put(address: str, data: bytes, content_type: str) -> None:
    requests.put(address, data=data, headers={"Content-Type": content_type}, timeout=10).raise_for_status()


@pytest.fixture(autouse=True)
def docker_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Docker's configuration, with nobody logged in."""
    folder = tmp_path / "docker"
    folder.mkdir()
    monkeypatch.setenv("DOCKER_CONFIG", str(folder))
    return folder


def log_in(docker_folder: Path, host: str, password: str = PASSWORD) -> None:
    auth = base64.b64encode(f"{USER}:{password}".encode()).decode()
    (docker_folder / "config.json").write_text(json.dumps({"auths": {host: {"auth": auth}}}))


def test_tag_becomes_the_digest_of_the_manifest_that_the_registry_holds(serve_registry: Serve) -> None:
    host = serve_registry()
    first = push(host, "team/reelflow", "0.1.0")
    before = pinned(f"{host}/team/reelflow:0.1.0")

    second = push(host, "team/reelflow", "0.1.0", created="2026-01-02T00:00:00Z")

    assert before == f"{host}/team/reelflow@{first}"
    assert pinned(f"{host}/team/reelflow:0.1.0") == f"{host}/team/reelflow@{second}"
    assert first != second


@pytest.mark.parametrize("image", [f"registry.example.com/reelflow@{DIGEST}", "reelflow:0.1.0", ""])
def test_digest_and_image_without_a_registry_stay_as_they_are(image: str) -> None:
    assert pinned(image) == image


@pytest.mark.parametrize("image", ["absent:0.1.0", "team/reelflow:0.2.0"])
def test_image_that_the_registry_lacks_is_refused(serve_registry: Serve, image: str) -> None:
    host = serve_registry()
    push(host, "team/reelflow", "0.1.0")

    with pytest.raises(RegistryError, match=r"is not in its registry\. Push it there first"):
        pinned(f"{host}/{image}")


def test_registry_that_does_not_answer_is_named() -> None:
    with pytest.raises(RegistryError, match=r"127.0.0.1:9/reelflow:0.1.0 cannot be reached \(ConnectionError\)"):
        pinned("127.0.0.1:9/reelflow:0.1.0")


@pytest.mark.parametrize("image", ["host.example/UPPER:1", "host.example/../x:1", "host.example/x:1?y=2", "a b/c:1"])
def test_text_that_is_no_name_of_an_image_is_refused(image: str) -> None:
    with pytest.raises(RegistryError, match="is no name of an image"):
        pinned(image)


@pytest.mark.parametrize(
    ("image", "address"),
    [
        ("localhost:5000/a/b:1", "http://localhost:5000/v2/a/b/manifests/1"),
        ("[::1]:5000/a:1", "http://[::1]:5000/v2/a/manifests/1"),
        ("127.0.0.1.example.com/a:1", "https://127.0.0.1.example.com/v2/a/manifests/1"),
        ("registry.example.com/a", "https://registry.example.com/v2/a/manifests/latest"),
        ("team/reelflow:1", "https://registry-1.docker.io/v2/team/reelflow/manifests/1"),
    ],
)
def test_registry_is_asked_with_tls_unless_it_is_on_this_machine(image: str, address: str) -> None:
    assert parsed(image).address == address


def test_registry_with_a_password_gets_dockers_own(serve_registry: Serve, docker_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "htpasswd").write_text(f"{USER}:{HASHED}\n")
    host = serve_registry(f"auth: {{htpasswd: {{realm: tests, path: {tmp_path}/htpasswd}}}}\n")
    log_in(docker_folder, host)

    with pytest.raises(RegistryError, match="is not in its registry"):  # let in: it looked
        pinned(f"{host}/reelflow:0.1.0")


@pytest.mark.parametrize("password", ["", "another"])
def test_registry_that_refuses_says_how_to_log_in_and_shows_no_password(
    serve_registry: Serve, docker_folder: Path, tmp_path: Path, password: str
) -> None:
    (tmp_path / "htpasswd").write_text(f"{USER}:{HASHED}\n")
    host = serve_registry(f"auth: {{htpasswd: {{realm: tests, path: {tmp_path}/htpasswd}}}}\n")
    if password:
        log_in(docker_folder, host, password)

    with pytest.raises(RegistryError) as refusal:
        pinned(f"{host}/reelflow:0.1.0")

    assert f"refuses to show it (401). Run `docker login {host}`" in str(refusal.value)
    assert "another" not in str(refusal.value)


class Tokens(BaseHTTPRequestHandler):
    """Gives a token to those who ask for the right repository, and keeps who asked."""

    asked: ClassVar[list[tuple[str, str | None]]] = []

    def do_GET(self) -> None:
        self.asked.append((self.path, self.headers["Authorization"]))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"token": "a-token"}')

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def serve_tokens() -> Iterator[str]:
    Tokens.asked.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), Tokens) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/token"
        server.shutdown()


@pytest.mark.parametrize("is_logged_in", [False, True])
def test_registry_that_wants_a_token_gets_one_with_and_without_a_login(
    serve_registry: Serve, docker_folder: Path, is_logged_in: bool
) -> None:
    with serve_tokens() as realm:
        # `silly` asks for a token and takes any: https://distribution.github.io/distribution/about/configuration/
        host = serve_registry(f"auth: {{silly: {{realm: '{realm}', service: tests}}}}\n")
        if is_logged_in:
            log_in(docker_folder, host)

        with pytest.raises(RegistryError, match="is not in its registry"):
            digest_of(parsed(f"{host}/team/reelflow:0.1.0"))

    ((path, authorization),) = Tokens.asked
    assert parse_qs(urlsplit(path).query) == {"service": ["tests"], "scope": ["repository:team/reelflow:pull"]}
    expected = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    assert authorization == (expected if is_logged_in else None)


def test_credentials_are_not_sent_unencrypted_to_another_machine(serve_registry: Serve, docker_folder: Path) -> None:
    host = serve_registry("auth: {silly: {realm: 'http://tokens.example.com/', service: tests}}\n")
    log_in(docker_folder, host)

    with pytest.raises(RegistryError, match="wants credentials sent unencrypted"):
        pinned(f"{host}/reelflow:0.1.0")


def test_dry_run_shows_the_digest_that_would_be_sent_or_says_that_it_is_unknown(serve_registry: Serve) -> None:
    host = serve_registry()
    digest = push(host, "reelflow", __version__)
    command = ["submit", "--dry-run", "--set", "source=a.zip", "--json", "--image"]

    known = CliRunner().invoke(main, [*command, f"{host}/reelflow:{__version__}"])
    unknown = CliRunner().invoke(main, [*command, f"{host}/absent:{__version__}"])

    assert json.loads(known.stdout)["images"] == [f"{host}/reelflow@{digest}"]
    assert "image_digest" not in json.loads(known.stdout)
    assert json.loads(unknown.stdout)["images"] == [f"{host}/absent:{__version__}"]
    assert "is not in its registry" in json.loads(unknown.stdout)["image_digest"]


def test_submit_refuses_an_image_that_is_not_in_its_registry_before_it_asks_the_cluster(serve_registry: Serve) -> None:
    image = f"{serve_registry()}/reelflow:{__version__}"

    refused = CliRunner().invoke(
        main, ["submit", "--host", "http://127.0.0.1:9", "--set", "source=a.zip", "--image", image]
    )

    assert refused.exit_code == 1
    assert f"{image} is not in its registry." in refused.output
