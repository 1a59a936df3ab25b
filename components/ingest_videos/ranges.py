"""Reading parts of a file over HTTP."""

import threading
from typing import IO, Any, cast

import requests
import urllib3
from remotezip import PartialBuffer, RemoteFetcher

from components.contract.errors import StepError
from components.ingest_videos.addresses import shown

# What a connection breaks with: requests' own, and urllib3's when the body is read past requests.
NETWORK_FAULTS = (requests.RequestException, urllib3.exceptions.HTTPError)

_TIMEOUT_S = (10.0, 30.0)  # to connect, between two bytes
_PARTIAL_CONTENT = 206


class UnreachableError(Exception):
    """The server did not give what was asked, and may when it is asked again; the text names no address."""


class RangeReader:
    """Asks one address for ranges of its bytes; each thread keeps its own connection.

    It is a fetcher for `remotezip.RemoteZip` too. No error of requests leaves it: their texts hold the whole
    address, with what it is signed with.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._local = threading.local()
        self._sessions: list[requests.Session] = []
        self._version: tuple[str | None, str] | None = None

    def close(self) -> None:
        """Close the connections of all threads."""
        for session in self._sessions:
            session.close()

    def fetch(self, data_range: tuple[int, int | None], stream: bool = False) -> PartialBuffer:
        """Return a range as remotezip wants it; (-n, None) are the last n bytes."""
        response, first, last = self._asked(RemoteFetcher.build_range_header(*data_range))
        try:
            return PartialBuffer(response.raw, first, last - first + 1, stream)
        except NETWORK_FAULTS as error:
            raise UnreachableError(type(error).__name__) from None

    def open(self, start: int, stop: int) -> IO[bytes]:
        """Return a stream of the bytes from `start` up to, not including, `stop`; reading may raise NETWORK_FAULTS."""
        response, first, last = self._asked(f"bytes={start}-{stop - 1}")
        if (first, last) != (start, stop - 1):
            response.close()
            raise UnreachableError("another range than the one asked for")
        return cast(IO[bytes], response.raw)

    def _asked(self, asked: str) -> tuple[requests.Response, int, int]:
        headers = {"Range": asked, "Accept-Encoding": "identity"}
        try:
            response = self._session().get(self._url, headers=headers, stream=True, timeout=_TIMEOUT_S)
        except requests.exceptions.InvalidURL:
            raise StepError(f"{shown(self._url)} is not an address.", remedy="Check the source.") from None
        except NETWORK_FAULTS as error:
            raise UnreachableError(type(error).__name__) from None
        try:
            self._check_status(response)
            return (response, *self._content_range(response))
        except BaseException:
            response.close()
            raise

    def _session(self) -> requests.Session:
        if not hasattr(self._local, "session"):
            self._local.session = requests.Session()
            self._sessions.append(self._local.session)
        return cast(requests.Session, self._local.session)

    def _check_status(self, response: requests.Response) -> None:
        status = response.status_code
        if status == requests.codes.too_many_requests or status >= requests.codes.server_error:
            raise UnreachableError(f"HTTP {status}")
        if status in (requests.codes.unauthorized, requests.codes.forbidden):
            remedy = "Give an address that may be read; a signed one may have expired."
            raise StepError(f"{shown(self._url)} may not be read (HTTP {status}).", remedy=remedy)
        if status in (requests.codes.not_found, requests.codes.gone):
            raise StepError(f"{shown(self._url)} does not exist (HTTP {status}).", remedy="Check the source's address.")
        if status == requests.codes.requested_range_not_satisfiable:
            raise StepError(
                f"{shown(self._url)} is empty or too short for a zip.", remedy="Check the archive at the source."
            )
        if status >= requests.codes.bad_request:
            raise StepError(f"{shown(self._url)} was refused (HTTP {status}).", remedy="Check the source's address.")
        if status != _PARTIAL_CONTENT or "Content-Range" not in response.headers:
            raise StepError(
                f"The server of {shown(self._url)} gives whole files only: it does not answer range requests.",
                remedy="Download the archive and give its local path, or serve it with ranges.",
            )

    def _content_range(self, response: requests.Response) -> tuple[int, int]:
        given, _, total = response.headers["Content-Range"].removeprefix("bytes ").partition("/")
        try:
            first, last = (int(number) for number in given.split("-"))
        except ValueError:
            raise UnreachableError("an unreadable Content-Range") from None
        version = (response.headers.get("ETag"), total)
        self._version = self._version or version
        if version != self._version:
            raise StepError(
                f"{shown(self._url)} was replaced while it was read.", remedy="Run again once its upload is over."
            )
        return first, last


def fetcher_of(reader: RangeReader) -> Any:
    """Return what `remotezip.RemoteZip` calls to make its fetcher."""
    return lambda url, session, support_suffix_range: reader
