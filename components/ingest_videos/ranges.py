"""Reading parts of a file over HTTP."""

import io
import re
import time
from email.utils import parsedate_to_datetime
from http.cookiejar import DefaultCookiePolicy
from typing import IO, Any, cast
from urllib.parse import urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter

from components.contract.errors import StepError
from components.ingest_videos.addresses import shown
from components.ingest_videos.retrying import UnreachableError
from components.ingest_videos.version import FileVersion, version_of

# What a connection breaks with: requests' own, and urllib3's when the body is read past requests.
_NETWORK_FAULTS = (requests.RequestException, urllib3.exceptions.HTTPError, OSError)
_NEVER_TWICE = (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema, requests.exceptions.TooManyRedirects)
_RETRYABLE = {408, 425, 429, 500, 502, 503, 504}
_TIMEOUT_S = (10.0, 30.0)  # to connect, between two bytes
_MOST_CONNECTIONS = 64
_DRAINED_BYTES = 64 << 10  # an answer's rest up to this size is read, so that its connection can be used again
_CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)", re.ASCII)
_LOOPBACK = ("127.0.0.1", "::1", "localhost")


class RangesIgnoredError(UnreachableError):
    """The server answered with the whole file where a part was asked for."""

    def __init__(self) -> None:
        super().__init__("the server gives whole files only")


class RangeReader:
    """Asks one address for ranges of its bytes, over one session whose connections threads share.

    Every answer must be of the version that the first was of. No error of requests leaves it: their texts hold the
    whole address, with what it is signed with.

    Args:
        url: The address.
        authorization: What the header `Authorization` says; "" for none.
    """

    def __init__(self, url: str, *, authorization: str = "") -> None:
        if authorization and urlsplit(url).scheme != "https" and urlsplit(url).hostname not in _LOOPBACK:
            raise StepError(
                f"The authorization for {shown(url)} would travel unencrypted.", remedy="Give an https:// address."
            )
        self._url = url
        self.shown = shown(url)
        self.version: FileVersion | None = None
        self._session = requests.Session()
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))  # threads must not share them
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, HTTPAdapter(pool_maxsize=_MOST_CONNECTIONS))
        if authorization:
            # as `auth` and not as a header, which requests would replace by what a .netrc says
            self._session.auth = _Authorization(authorization)

    def close(self) -> None:
        """Close all connections."""
        self._session.close()

    def tail(self, n: int) -> tuple[bytes, int]:
        """Return the last `n` bytes (or all, where there are fewer) and the size of the whole file."""
        try:
            body, _, total = self._part(f"bytes=-{n}")
        except RangesIgnoredError:
            size = self.version.n_bytes if self.version else None
            if not size:
                raise
            # some servers know ranges and not those that count from the end
            body, _, total = self._part(f"bytes={max(0, size - n)}-{size - 1}")
        with body:
            return body.read(), total

    def open(self, start: int, stop: int) -> IO[bytes]:
        """Return a stream of the bytes from `start` to `stop`, exclusive; reading it raises UnreachableError."""
        body, first, _ = self._part(f"bytes={start}-{stop - 1}")
        if (first, body.n_left) != (start, stop - start):
            body.close()
            raise UnreachableError("another range than the one asked for")
        return cast(IO[bytes], body)

    def open_rest(self, start: int) -> tuple[IO[bytes], int]:
        """Return a stream of all bytes from `start` on, and where it begins: at 0 where the server ignores ranges."""
        response = self._asked(f"bytes={start}-" if start else "")
        if response.status_code == requests.codes.ok:
            body = _Body(response, self._whole(response))
            return cast(IO[bytes], body), 0
        part, first, total = self._described(response)
        if first != start or first + (part.n_left or 0) != total:
            part.close()
            raise UnreachableError("another range than the one asked for")
        return cast(IO[bytes], part), first

    def _part(self, asked: str) -> tuple["_Body", int, int]:
        response = self._asked(asked)
        if response.status_code == requests.codes.ok:
            response.close()
            self._whole(response)
            raise RangesIgnoredError
        return self._described(response)

    def _asked(self, asked: str) -> requests.Response:
        headers = {"Accept-Encoding": "identity"} | ({"Range": asked} if asked else {})
        if asked and self.version and self.version.validator:
            headers["If-Range"] = self.version.validator
        try:
            response = self._session.get(self._url, headers=headers, stream=True, timeout=_TIMEOUT_S)
        except _NEVER_TWICE as error:
            raise StepError(
                f"{self.shown} cannot be asked ({type(error).__name__}).", remedy="Check the source's address."
            ) from None
        except _NETWORK_FAULTS as error:
            raise UnreachableError(type(error).__name__) from None
        try:
            self._check_status(response)
        except BaseException:
            response.close()
            raise
        return response

    def _check_status(self, response: requests.Response) -> None:
        status = response.status_code
        if status in _RETRYABLE:
            raise UnreachableError(f"HTTP {status}", retry_after_s=_retry_after_s(response))
        if status in (requests.codes.unauthorized, requests.codes.forbidden):
            remedy = "Give an address that may be read, or `source_auth_env`; a signature may have expired."
            raise StepError(f"{self.shown} may not be read (HTTP {status}).", remedy=remedy)
        if status in (requests.codes.not_found, requests.codes.gone):
            raise StepError(f"{self.shown} does not exist (HTTP {status}).", remedy="Check the source's address.")
        if status == requests.codes.requested_range_not_satisfiable:
            if self.version:
                raise self._replaced()
            raise StepError(f"{self.shown} is empty or too short for a zip.", remedy="Check the archive at the source.")
        if status not in (requests.codes.ok, requests.codes.partial_content):
            raise StepError(f"{self.shown} was refused (HTTP {status}).", remedy="Check the source's address.")

    def _whole(self, response: requests.Response) -> int | None:
        length = response.headers.get("Content-Length", "")
        n_bytes = int(length) if length.isdecimal() else None
        if self.version and self.version.etag and self.version.etag == response.headers.get("ETag"):
            n_bytes = n_bytes and self.version.n_bytes  # the same version: a length that differs is a short answer
        self._pin(response, n_bytes)
        return n_bytes

    def _described(self, response: requests.Response) -> tuple["_Body", int, int]:
        match = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
        if match is None or match[3] == "*" or not int(match[1]) <= int(match[2]) < int(match[3]):
            response.close()
            raise UnreachableError("an unreadable Content-Range")
        first, last, total = (int(number) for number in match.groups())
        self._pin(response, total)
        return _Body(response, last - first + 1), first, total

    def _pin(self, response: requests.Response, n_bytes: int | None) -> None:
        version = version_of(response.headers, n_bytes=n_bytes)
        self.version = self.version or version
        if not version.may_be(self.version):
            response.close()
            raise self._replaced()

    def _replaced(self) -> StepError:
        return StepError(f"{self.shown} was replaced while it was read.", remedy="Run again once its upload is over.")


class _Authorization(requests.auth.AuthBase):
    def __init__(self, value: str) -> None:
        self._value = value

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = self._value
        return request


class _Body(io.RawIOBase):
    """An answer's body, of which all must come: a short one is a fault of the network."""

    def __init__(self, response: requests.Response, n_bytes: int | None) -> None:
        self._response = response
        self.n_left = n_bytes

    def readable(self) -> bool:
        return True

    def read(self, size: int | None = -1) -> bytes:
        if size is None or size < 0:
            return b"".join(iter(lambda: self.read(1 << 20), b""))
        if self.n_left is not None:
            size = min(size, self.n_left)
        if not size:
            return b""
        try:
            data: bytes = self._response.raw.read(size)
        except _NETWORK_FAULTS as error:
            raise UnreachableError(type(error).__name__) from None
        if self.n_left is not None:
            if not data:
                raise UnreachableError("the answer was shorter than it said")
            self.n_left -= len(data)
        return data

    def close(self) -> None:
        if not self.closed:
            try:
                if self.n_left is not None and self.n_left <= _DRAINED_BYTES:
                    self.read()
            except UnreachableError:
                pass
            finally:
                self._response.close()
                super().close()


def _retry_after_s(response: requests.Response) -> float:
    """Seconds that the Retry-After header asks to wait: a number, or a date (RFC 9110, section 10.2.3)."""
    asked: Any = response.headers.get("Retry-After", "")
    if asked.isdecimal():
        return float(asked)
    try:
        return max(0.0, parsedate_to_datetime(asked).timestamp() - time.time())
    except (TypeError, ValueError, OverflowError):
        return 0.0
