"""Which image a tag means today: its digest in its registry, asked over the OCI distribution API."""

import base64
import binascii
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
from requests.auth import HTTPBasicAuth

from components.contract.errors import StepError

TIMEOUT_S = 20.0

# https://github.com/opencontainers/distribution-spec/blob/v1.1.0/spec.md#pulling-manifests
_HOST = r"(?P<host>(?:[A-Za-z0-9.-]+|\[[0-9a-fA-F:]+\])(?::[0-9]{1,5})?)"
_WORD = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_IMAGE = re.compile(rf"(?:{_HOST}/)?(?P<name>{_WORD}(?:/{_WORD})*)(?::(?P<tag>\w[\w.-]{{0,127}}))?", re.ASCII)
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_FIELD = re.compile(r'(\w+)="([^"]*)"')
_MANIFESTS = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
# What people call Docker Hub, where its API is, and the key of its credentials in Docker's configuration.
_HUB, _HUB_API, _HUB_KEY = "docker.io", "registry-1.docker.io", "https://index.docker.io/v1/"


class RegistryError(StepError):
    """A registry does not say which image a tag means."""


@dataclass(frozen=True)
class Image:
    """An image in a registry.

    Attributes:
        host: Of the registry, with its port where it has one.
        name: In the registry, e.g. `team/reelflow`.
        tag: Which of them.
    """

    host: str
    name: str
    tag: str

    def __str__(self) -> str:
        """As people write it."""
        return f"{self.host}/{self.name}:{self.tag}"

    @property
    def address(self) -> str:
        """Of its manifest."""
        scheme = "http" if _is_loopback(self.host) else "https"
        return f"{scheme}://{_HUB_API if self.host == _HUB else self.host}/v2/{self.name}/manifests/{self.tag}"


def pinned(image: str) -> str:
    """Return the image's name with the digest that its registry holds for its tag.

    A name with a digest stays as it is, and so does one without a registry, e.g. `reelflow:0.1.0`: that is an image
    which was brought to the cluster's nodes, and nobody's on Docker Hub.

    Raises:
        RegistryError: If the name is none, or the registry does not tell.
    """
    if "@" in image or "/" not in image:
        return image
    found = parsed(image)
    return f"{found.host}/{found.name}@{digest_of(found)}"


def parsed(image: str) -> Image:
    """Return the parts of a name; as for Docker, what has no dot, port or `localhost` in front is on Docker Hub.

    Raises:
        RegistryError: If it is no name of an image.
    """
    first = image.partition("/")[0]
    has_host = "/" in image and (any(mark in first for mark in ".:") or first == "localhost")
    match = _IMAGE.fullmatch(image if has_host else f"{_HUB}/{image}")
    if match is None:
        raise RegistryError(f"{image!r} is no name of an image.", remedy="Give REGISTRY/NAME:TAG, the name in small.")
    return Image(host=match["host"], name=match["name"], tag=match["tag"] or "latest")


def digest_of(image: Image) -> str:
    """Return the digest of an image's manifest, `sha256:…`, as its registry holds it now.

    Credentials are Docker's own, as `docker login` leaves them in its configuration's `auths`; no error shows them.

    Raises:
        RegistryError: If the image is not there, or the registry refuses, cannot be reached, or answers otherwise.
    """
    try:
        with requests.Session() as session:
            session.trust_env = not _is_loopback(image.host)  # no proxy leads to this machine
            answer = _asked(session, image)
    except requests.RequestException as error:
        raise RegistryError(
            f"The registry of {image} cannot be reached ({type(error).__name__}).",
            remedy="Check its name and the network, or give the image by its digest (NAME@sha256:…).",
        ) from error
    if answer.status_code == requests.codes.not_found:
        raise RegistryError(f"{image} is not in its registry.", remedy="Push it there first, or check name and tag.")
    if answer.status_code in (requests.codes.unauthorized, requests.codes.forbidden):
        raise RegistryError(
            f"The registry of {image} refuses to show it ({answer.status_code}).",
            remedy=f"Run `docker login {image.host}` with an account that may read it (credential helpers are not "
            "asked), or give the image by its digest.",
        )
    digest = answer.headers.get("Docker-Content-Digest", "")
    if answer.status_code != requests.codes.ok or not _DIGEST.fullmatch(digest):
        raise RegistryError(
            f"The registry of {image} names no digest (status {answer.status_code}).",
            remedy="Check that the address is a registry's, try again, or give the image by its digest.",
        )
    return digest


def _asked(session: requests.Session, image: Image) -> requests.Response:
    credentials = _credentials(image.host)
    answer = _head(session, image, _Header(None))
    challenge = answer.headers.get("WWW-Authenticate", "")
    if answer.status_code != requests.codes.unauthorized:
        return answer
    if challenge.lower().startswith("bearer "):
        token = _token(session, image, challenge, credentials)
        return _head(session, image, _Header(f"Bearer {token}")) if token else answer
    return _head(session, image, credentials) if credentials else answer


def _head(session: requests.Session, image: Image, auth: requests.auth.AuthBase) -> requests.Response:
    # followed nowhere: credentials are for the registry alone
    return session.head(
        image.address, headers={"Accept": ", ".join(_MANIFESTS)}, auth=auth, timeout=TIMEOUT_S, allow_redirects=False
    )


def _token(session: requests.Session, image: Image, challenge: str, credentials: HTTPBasicAuth | None) -> str | None:
    """Return the token that a challenge asks for, or None where it is refused.

    See https://distribution.github.io/distribution/spec/auth/token/.
    """
    fields = dict(_FIELD.findall(challenge))
    realm = str(fields.get("realm", ""))
    host = realm.partition("://")[2].partition("/")[0]
    if not realm.startswith("https://") and not (realm.startswith("http://") and _is_loopback(host)):
        raise RegistryError(
            f"The registry of {image} wants credentials sent unencrypted.", remedy="Use a registry with TLS."
        )
    query = {"service": fields.get("service", ""), "scope": fields.get("scope", f"repository:{image.name}:pull")}
    auth = credentials or _Header(None)
    answer = session.get(realm, params=query, auth=auth, timeout=TIMEOUT_S, allow_redirects=False)
    if answer.status_code != requests.codes.ok:
        return None
    stored = answer.json()
    token = stored.get("token") or stored.get("access_token") if isinstance(stored, dict) else None
    return token if isinstance(token, str) else None


class _Header(requests.auth.AuthBase):
    """Sends this header or none; without an auth of our own, requests would look into ~/.netrc."""

    def __init__(self, authorization: str | None) -> None:
        self._authorization = authorization

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._authorization:
            request.headers["Authorization"] = self._authorization
        return request


def _credentials(host: str) -> HTTPBasicAuth | None:
    """Return what `docker login` left for this registry, or None."""
    folder = Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker")
    try:
        stored = json.loads((folder / "config.json").read_text())
        entry: Mapping[str, Any] = stored["auths"][_HUB_KEY if host == _HUB else host]
        user, _, password = base64.b64decode(entry["auth"]).decode().partition(":")
    except (OSError, ValueError, KeyError, TypeError, binascii.Error):
        return None
    return HTTPBasicAuth(user, password) if user else None


def _is_loopback(host: str) -> bool:
    name = host if host.endswith("]") else host.rpartition(":")[0] or host
    return name in ("localhost", "[::1]") or re.fullmatch(r"127(\.[0-9]{1,3}){3}", name) is not None
