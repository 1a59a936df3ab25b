"""The KFP API v2beta1 over HTTP: retries where they are safe, and errors that a person can act on.

kfp.Client is not used: it takes two seconds to import, has no time limits and no retries, writes a file into the home
folder, and cannot retry a run. What is sent and answered is checked against KFP's own specification in the tests.
"""

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urlsplit

import requests

from components.contract.errors import StepError
from pipelines.cluster.connection import TOKEN_VARIABLE

UI_VARIABLE = "KF_PIPELINES_UI_ENDPOINT"

_API = "/apis/v2beta1"
_PASSING = frozenset({429, 500, 502, 503, 504})
_CONFLICT = 409
NOT_FOUND = 404
_PAGE_SIZE = 100

Made = TypeVar("Made")


class ApiError(StepError):
    """The API cannot be reached, or refuses.

    Args:
        found: What was asked and what came back.
        remedy: What to do about it.
        status: The HTTP status, or 0 where none came.
        passing: Whether the same request may succeed a little later.
    """

    def __init__(self, found: str, *, remedy: str, status: int = 0, passing: bool = False) -> None:
        super().__init__(found, remedy=remedy)
        self.status, self.passing = status, passing


@dataclass(frozen=True)
class Patience:
    """How long to wait for the API.

    Attributes:
        timeout_s: For one answer.
        pauses_s: Between tries; there is one try more than pauses.
    """

    timeout_s: float = 30.0
    pauses_s: tuple[float, ...] = (0.5, 1.0, 2.0, 4.0)


class _Bearer(requests.auth.AuthBase):
    """Adds the token to each request; a file is read each time, since clusters renew it."""

    def __init__(self, token: Callable[[], str | None]) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        token = self._token()
        if token:
            request.headers["Authorization"] = f"Bearer {token}"
        return request


class Api:
    """One KFP API.

    Args:
        host: Its address, e.g. `http://localhost:8080` or `https://kubeflow.example.com/pipeline`.
        token: Gives the bearer token, or None where the API asks for none.
        namespace: The user's namespace, where the cluster has several users; empty otherwise.
        patience: How long to wait for it.
    """

    def __init__(
        self,
        host: str,
        *,
        token: Callable[[], str | None] = lambda: None,
        namespace: str = "",
        patience: Patience | None = None,
    ) -> None:
        self.host = checked_host(host)
        self.namespace = namespace
        self.patience = patience or Patience()
        self._session = requests.Session()
        self._session.auth = _Bearer(token)  # with an auth of our own, requests leaves ~/.netrc alone

    def link(self, page: str) -> str:
        """Return the address of a page of the user interface."""
        return f"{os.environ.get(UI_VARIABLE, self.host).rstrip('/')}/#/{page}"

    def get(self, path: str, **query: Any) -> Any:
        """Read something; tried again where that may help."""
        return self._patiently("GET", path, query=query)

    def delete(self, path: str) -> None:
        """Delete something; tried again where that may help, and what is gone already is fine."""
        try:
            self._patiently("DELETE", path)
        except ApiError as error:
            if error.status != NOT_FOUND:
                raise

    def act(self, path: str) -> None:
        """Call a verb that may be called twice, such as `runs/ID:terminate`."""
        self._patiently("POST", path)

    def create(self, path: str, body: Any = None, *, file: tuple[str, bytes] | None = None, **query: Any) -> Any:
        """Send something once; `made_once` knows when to send it again."""
        return self._send("POST", path, query=query, body=body, file=file)

    def log(self, run_id: str, pod: str) -> str | None:
        """Return the log of a pod of a run, or None where it is gone.

        Outside v2beta1: the API server has it at one path, the server of the user interface at another
        (kubeflow/pipelines, backend/src/apiserver/server/run_log_server.go and frontend/server/handlers/pod-logs.ts);
        both answer 4xx or 500 for a pod that is gone, and the other's path is unknown to each.
        """
        at_ui = {"podname": pod, "runid": run_id, "podnamespace": self.namespace}
        paths: tuple[tuple[str, dict[str, str]], ...] = (
            (f"/apis/v1alpha1/runs/{run_id}/nodes/{pod}/log", {}),
            ("/k8s/pod/logs", at_ui),
        )
        for path, query in paths:
            answer = self._answer("GET", path, query=query)
            is_page = "html" in answer.headers.get("Content-Type", "")
            if answer.ok and not answer.is_redirect and not is_page:
                return answer.text
            if answer.status_code in (401, 403):
                raise self._refusal(answer.status_code, answer.reason, f"GET {path}")
        return None

    def listed(self, path: str, key: str, **query: Any) -> Iterator[dict[str, Any]]:
        """Yield the entries of a list, page by page.

        Args:
            path: Of the list.
            key: Of the entries in the answer; an empty list may leave it out.
            **query: What to filter and sort by.
        """
        token = ""
        while True:
            page = self.get(path, page_size=_PAGE_SIZE, page_token=token, **query)
            yield from page.get(key, [])
            token = page.get("next_page_token", "")
            if not token:
                return

    def made_once(self, find: Callable[[], Made | None], create: Callable[[], Made]) -> tuple[Made, bool]:
        """Return what `find` finds, or what `create` makes, and whether it is new.

        A request whose answer got lost may have done its work, so before each further try `find` looks again. So an
        API that fails now and then never leaves two runs behind.
        """
        for pause_s in (*self.patience.pauses_s, None):
            found = find()
            if found is not None:
                return found, False
            try:
                return create(), True
            except ApiError as error:
                may_exist = error.passing or error.status == _CONFLICT
                if pause_s is None or not may_exist:
                    raise
            time.sleep(pause_s)
        raise AssertionError("the last try returns or raises")

    def _patiently(self, method: str, path: str, *, query: dict[str, Any] | None = None) -> Any:
        for pause_s in (*self.patience.pauses_s, None):
            try:
                return self._send(method, path, query=query)
            except ApiError as error:
                if pause_s is None or not error.passing:
                    raise
            time.sleep(pause_s)
        raise AssertionError("the last try returns or raises")

    def _send(
        self,
        method: str,
        path: str,
        *,
        query: dict[str, Any] | None = None,
        body: Any = None,
        file: tuple[str, bytes] | None = None,
    ) -> Any:
        answer = self._answer(method, f"{_API}/{path}", query=query, body=body, file=file)
        return self._read(answer, f"{method} {path}")

    def _answer(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: Any = None,
        file: tuple[str, bytes] | None = None,
    ) -> requests.Response:
        try:
            return self._session.request(
                method,
                f"{self.host}{path}",
                params={name: value for name, value in (query or {}).items() if value not in ("", None)},
                json=body,
                files={"uploadfile": (*file, "application/yaml")} if file else None,
                timeout=self.patience.timeout_s,
                allow_redirects=False,  # a redirect leads to a sign-in page
            )
        except requests.exceptions.SSLError as error:
            raise ApiError(
                f"The certificate of {self.host} is not trusted: {_innermost(error)}",
                remedy="Name the file of your authority's certificate in REQUESTS_CA_BUNDLE.",
            ) from error
        except requests.exceptions.Timeout as error:
            raise ApiError(
                f"{self.host} gave no answer within {self.patience.timeout_s:g} s.",
                remedy="Try again later, or wait longer with --timeout.",
                passing=True,
            ) from error
        except requests.exceptions.RequestException as error:
            raise ApiError(
                f"{self.host} cannot be reached: {_innermost(error)}",
                remedy="Check --host. To reach an API inside a cluster: "
                "kubectl -n kubeflow port-forward svc/ml-pipeline-ui 8080:80, then --host http://localhost:8080.",
                passing=True,
            ) from error

    def _read(self, answer: requests.Response, what: str) -> Any:
        try:
            content = json.loads(answer.content or b"{}")
        except ValueError:
            content = None
        if answer.ok and not answer.is_redirect and isinstance(content, dict):
            return content
        if answer.is_redirect or (answer.ok and content is None):
            raise ApiError(
                f"{self.host} answers with a web page and not as the KFP API ({answer.status_code} to {what}).",
                remedy="It may want you to sign in: give a token with --token-file. Or check the path in --host.",
                status=answer.status_code,
            )
        raise self._refusal(answer.status_code, _message(content, answer.reason), what)

    def _refusal(self, status: int, message: str, what: str) -> ApiError:
        where = f"namespace {self.namespace}" if self.namespace else "this cluster"
        remedies = {
            401: f"Give a valid token: --token-file FILE, or the variable {TOKEN_VARIABLE}.",
            403: f"Ask for the right to do this in {where}, or choose another with --namespace.",
            404: "Check the name, --namespace, and that --host is a KFP API (2.0 or later).",
            429: "Try again later.",
        }
        remedy = remedies.get(status, "Check that this version of Reelflow fits the cluster's KFP (2.14 or later).")
        if status >= 500:
            remedy = "Try again later; the log of the ml-pipeline deployment tells more."
        elif "namespace" in message and not self.namespace:
            remedy = "This cluster has several users: name your namespace with --namespace."
        return ApiError(
            f"{self.host} refused {what}: {status} {message}",
            remedy=remedy,
            status=status,
            passing=status in _PASSING,
        )


def checked_host(host: str) -> str:
    """Return the API's address without a slash at its end.

    Raises:
        ApiError: If it is no address.
    """
    parts = urlsplit(host)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ApiError(
            f"{host!r} is not the address of an API.", remedy="Give it as http://HOST:PORT or https://HOST/PATH."
        )
    return host.rstrip("/").removesuffix(_API)


def equals(key: str, value: str) -> str:
    """Return a filter of the API: entries whose field has that value."""
    return json.dumps({"predicates": [{"operation": "EQUALS", "key": key, "stringValue": value}]})


def _message(content: Any, reason: str) -> str:
    """Return the message of a refusal: KFP's own, else HTTP's word for the status."""
    told = content.get("message") or content.get("error") if isinstance(content, dict) else None
    return str(told or reason)


def _innermost(error: BaseException) -> str:
    """Return the reason at the bottom of a chain of exceptions, without addresses of objects in it."""
    reason: Any = error.args[0] if error.args else error
    reason = getattr(reason, "reason", reason)
    return str(reason).rpartition(": ")[2] or type(error).__name__
