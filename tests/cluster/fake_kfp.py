"""A small KFP API with a memory: what it keeps, how its runs go, and what it answers."""

import json
import time
import uuid
from dataclasses import dataclass, field
from email.message import Message
from email.parser import BytesParser
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import yaml

TOKEN = "a-token-of-the-tests"
API = "/apis/v2beta1/"
NOT_YET = "0001-01-01T00:00:00Z"
STEPS = ("ingest-videos", "extract-frames", "train-model")


@dataclass
class Fault:
    """What goes wrong with the next few requests of a kind."""

    method: str
    path: str
    status: int = 503
    times: int = 1
    after_doing: bool = False
    wait_s: float = 0.0


@dataclass
class FakeKfp:
    """The state of the API, and how its runs go.

    Attributes:
        plan: How the next runs end: succeed, fail, or go on until they are terminated.
        cached: Steps that come from the cache.
        faults: What goes wrong.
        requests: Method and path of each request that came.
        queries: What each asked for beside its path.
        logs: What is left of pods' logs, by pod.
        logs_at_ui: Whether the user interface's server answers in place of the API's own.
    """

    url: str = ""
    plan: str = "succeed"
    cached: set[str] = field(default_factory=set)
    faults: list[Fault] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    queries: list[str] = field(default_factory=list)
    logs: dict[str, str] = field(default_factory=dict)
    logs_at_ui: bool = False
    pipelines: dict[str, dict[str, Any]] = field(default_factory=dict)
    versions: dict[str, dict[str, Any]] = field(default_factory=dict)
    uploads: dict[str, list[Any]] = field(default_factory=dict)
    experiments: dict[str, dict[str, Any]] = field(default_factory=dict)
    runs: dict[str, dict[str, Any]] = field(default_factory=dict)
    recurring: dict[str, dict[str, Any]] = field(default_factory=dict)
    looks: dict[str, int] = field(default_factory=dict)
    plans: dict[str, str] = field(default_factory=dict)

    def reset(self) -> None:
        url = self.url
        self.__dict__.update(FakeKfp(url=url).__dict__)

    def sent(self, method: str, path: str) -> int:
        return sum(each.startswith(f"{method} {path}") for each in self.requests)


class RefusedError(Exception):
    """An answer that is no success: HTTP status, gRPC code, message."""

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.status, self.code = status, code


def now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def listed(key: str, entries: list[dict[str, Any]], query: dict[str, str]) -> dict[str, Any]:
    """Answer a list; an empty one is left out (kfp.Client 2.17.0, get_pipeline_id: `pipelines is None`)."""
    if "filter" in query:
        for predicate in json.loads(query["filter"])["predicates"]:
            assert predicate["operation"] in (
                "EQUALS",
                1,
            )  # protobuf takes an enum by name or number; kfp.Client sends 1
            entries = [each for each in entries if each.get(predicate["key"]) == predicate["stringValue"]]
    if query.get("sort_by") == "created_at desc":
        entries = entries[::-1]
    start = int(query.get("page_token") or 0)
    end = start + min(int(query.get("page_size") or 20), 2)  # small pages, so that paging shows
    more = {"next_page_token": str(end)} if end < len(entries) else {}
    return {key: entries[start:end], "total_size": len(entries), **more} if entries else {}


def task_details(state: FakeKfp, run: dict[str, Any], look: int) -> list[dict[str, Any]]:
    """Return the nodes of a run as a real backend lists them.

    Names, times and the empty fields are those of the recorded answers in opendatahub-io/odh-dashboard
    (mockPipelineRun): a node for the workflow, the root, each driver, each step, each executor; no pod_name, error,
    inputs or outputs (kubeflow/pipelines#14007, #9858); executors do not say whose they are, and are SKIPPED where the
    step came from the cache; an end that has not come is in the year 1.
    """

    def node(
        name: str, is_done: bool, *, state: str = "SUCCEEDED", seconds: int = 7, child: str = "1"
    ) -> dict[str, Any]:
        times = {"start_time": "2026-03-01T10:00:00Z", "end_time": f"2026-03-01T10:00:{seconds:02}Z"}
        shown = state if is_done else "RUNNING"
        return {
            "run_id": run["run_id"],
            "task_id": str(uuid.uuid4()),
            "display_name": name,
            "create_time": "2026-03-01T09:59:59Z",
            **(times if is_done else {**times, "end_time": NOT_YET}),
            "state": shown,
            "state_history": [{"update_time": "2026-03-01T10:00:00Z", "state": shown}],
            "child_tasks": [{"pod_name": f"video-classification-x7k2p-{child}"}],
        }

    nodes = [node("video-classification-x7k2p", False), node("root-driver", True), node("root", False)]
    for place, name in enumerate(STEPS):
        started, done = look > place, look > place + 1
        fails = state.plans[run["run_id"]] == "fail" and place == 1
        if not started:
            break
        nodes.append({**node(f"{name}-driver", True), "start_time": f"2026-03-01T10:0{place}:00Z"})
        if done or state.plans[run["run_id"]] != "go on" or place == 0:
            is_cached = name in state.cached
            ended = "FAILED" if fails else "SUCCEEDED"
            nodes.append(node(name, done, state=ended, seconds=0 if is_cached else 7, child=f"1{place}"))
            nodes.append(node("executor", done, state="SKIPPED" if is_cached else ended))
        if fails and done:
            break
    return nodes


def log_of(state: FakeKfp, path: str, query: dict[str, str]) -> str:
    """Answer for a pod's log as the API server or the user interface's server does; the other path leads nowhere.

    kubeflow/pipelines: backend/src/apiserver/server/run_log_server.go, frontend/server/handlers/pod-logs.ts.
    """
    if path.startswith("/k8s") != state.logs_at_ui:
        raise RefusedError(404, 5, "Not Found")
    pod = query["podname"] if state.logs_at_ui else path.split("/nodes/")[1].removesuffix("/log")
    if pod not in state.logs:
        raise RefusedError(500, 13, f"Failed to read logs from pod {pod}")
    return state.logs[pod]


def looked_at(state: FakeKfp, run: dict[str, Any]) -> dict[str, Any]:
    """Return a run as it is at this look; each look lets it go on a little."""
    look = state.looks[run["run_id"]] = state.looks.get(run["run_id"], -1) + 1
    plan = state.plans[run["run_id"]]
    last = 3 if plan == "fail" else len(STEPS) + 1
    if run["state"] == "CANCELING":
        run |= {"state": "CANCELED", "finished_at": now()}
    elif run["state"] in ("PENDING", "RUNNING"):
        run["state"] = "RUNNING" if look else "PENDING"
        if plan != "go on" and look >= last:
            run |= {"state": "FAILED" if plan == "fail" else "SUCCEEDED", "finished_at": now()}
    if not look:
        return run
    at_most = last if plan != "go on" else 2
    return {**run, "run_details": {"task_details": task_details(state, run, min(look, at_most))}}


def answer(state: FakeKfp, method: str, path: str, query: dict[str, str], body: Any, upload: Any) -> dict[str, Any]:
    """Return what the API answers.

    Shapes are those of kfp-api-v2beta1.swagger.json, which prism checks; what the text there calls `Output` is made
    here.
    """
    head, _, rest = path.partition("/")
    if query.get("namespace") == "foreign" or (body or {}).get("namespace") == "foreign":
        raise RefusedError(403, 7, "User 'me' is not authorized with reason: no access to namespace foreign")
    if (method, path) == ("GET", "healthz"):
        return {"multi_user": False}
    if (method, path) == ("POST", "pipelines/upload_version"):
        return uploaded(state, query, upload)
    if head == "pipelines" and "/versions" in rest:
        return version_answer(state, rest, query)
    tables = {
        "pipelines": (state.pipelines, "pipeline_id", "pipelines"),
        "experiments": (state.experiments, "experiment_id", "experiments"),
        "runs": (state.runs, "run_id", "runs"),
        "recurringruns": (state.recurring, "recurring_run_id", "recurringRuns"),
    }
    table, key, name_of_list = tables[head]
    if method == "GET" and not rest:
        return listed(name_of_list, list(table.values()), query)
    if method == "POST" and not rest:
        return created(state, head, key, table, body)
    identity, _, verb = rest.partition(":")
    if identity not in table:
        raise RefusedError(404, 5, f"{head} {identity} not found")
    if method == "DELETE":
        del table[identity]
        return {}
    if verb:
        return acted(state, table[identity], verb)
    return looked_at(state, table[identity]) if head == "runs" else table[identity]


def uploaded(state: FakeKfp, query: dict[str, str], upload: Any) -> dict[str, Any]:
    pipeline_id, name = query["pipelineid"], query["name"]
    if any(each["pipeline_id"] == pipeline_id and each["name"] == name for each in state.versions.values()):
        raise RefusedError(409, 6, f"The name {name} already exist. Please specify a new name.")
    documents = list(yaml.safe_load_all(upload))
    version_id = str(uuid.uuid4())
    state.uploads[version_id] = documents
    state.versions[version_id] = {
        "pipeline_id": pipeline_id,
        "pipeline_version_id": version_id,
        "display_name": name,
        "name": name,
        "description": query.get("description", ""),
        "created_at": now(),
        "pipeline_spec": (
            {"pipeline_spec": documents[0], "platform_spec": documents[1]} if documents[1:] else documents[0]
        ),
    }
    return state.versions[version_id]


def version_answer(state: FakeKfp, rest: str, query: dict[str, str]) -> dict[str, Any]:
    pipeline_id, _, version = rest.partition("/versions")
    mine = {key: each for key, each in state.versions.items() if each["pipeline_id"] == pipeline_id}
    if not version:
        return listed("pipeline_versions", list(mine.values()), query)
    if version[1:] not in mine:
        raise RefusedError(404, 5, f"PipelineVersion {version[1:]} not found")
    return mine[version[1:]]


def created(state: FakeKfp, head: str, key: str, table: dict[str, Any], body: dict[str, Any]) -> dict[str, Any]:
    identity = str(uuid.uuid4())
    made = {**body, key: identity, "created_at": now()}
    if head == "runs":
        if body["pipeline_version_reference"]["pipeline_version_id"] not in state.versions:
            raise RefusedError(404, 5, "PipelineVersion not found")
        state.plans[identity] = state.plan
        made |= {"state": "PENDING", "storage_state": "AVAILABLE", "finished_at": "1970-01-01T00:00:00Z"}
    if head == "recurringruns":
        assert "periodic_schedule" in body["trigger"] or len(body["trigger"]["cron_schedule"]["cron"].split()) == 6
        made |= {"status": f"{body['mode']}D", "max_concurrency": str(body["max_concurrency"])}
        if not made.get("no_catchup"):
            made.pop("no_catchup", None)  # protobuf's JSON leaves false out
    table[identity] = made
    return made


def acted(state: FakeKfp, entry: dict[str, Any], verb: str) -> dict[str, Any]:
    if verb in ("enable", "disable"):
        entry["status"] = f"{verb.upper()}D"
    elif verb == "terminate":
        entry["state"] = "CANCELING"
    elif verb == "retry":
        if entry["state"] not in ("FAILED", "CANCELED"):
            raise RefusedError(400, 9, "Workflow must be Failed/Error to retry")
        entry |= {"state": "RUNNING", "finished_at": "1970-01-01T00:00:00Z"}
        state.plans[entry["run_id"]] = "succeed"
    return {}


def upload_of(content_type: str, body: bytes) -> bytes:
    message: Message = BytesParser().parsebytes(b"Content-Type: " + content_type.encode() + b"\r\n\r\n" + body)
    for part in message.get_payload():
        if part.get_param("name", header="content-disposition") == "uploadfile":  # type: ignore[union-attr]
            return part.get_payload(decode=True)  # type: ignore[union-attr, return-value]
    raise RefusedError(400, 3, "no uploadfile")


def handler(state: FakeKfp) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_one(self) -> None:
            content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            parts = urlsplit(self.path)
            path = unquote(parts.path.removeprefix(API))
            state.requests.append(f"{self.command} {path}")
            state.queries.append(parts.query)
            fault = next(
                (f for f in state.faults if f.times and f.method == self.command and path.startswith(f.path)), None
            )
            if fault:
                fault.times -= 1
                time.sleep(fault.wait_s)
            try:
                if self.headers.get("Authorization") != f"Bearer {TOKEN}":
                    raise RefusedError(401, 16, "Request header error: there is no user identity header.")
                if fault and fault.status == 302:
                    return self.reply(302, b"", Location="https://sign-in.example.com")
                if fault and fault.status and not fault.after_doing:
                    raise RefusedError(fault.status, 14, "upstream connect error")
                query = {name: values[0] for name, values in parse_qs(parts.query).items()}
                if path.startswith(("/apis/v1alpha1", "/k8s")):
                    return self.reply(200, log_of(state, path, query).encode(), "text/plain")
                is_upload = "multipart" in self.headers.get("Content-Type", "")
                done = answer(
                    state,
                    self.command,
                    path,
                    query,
                    json.loads(content) if content and not is_upload else None,
                    upload_of(self.headers["Content-Type"], content) if is_upload else None,
                )
                if fault and fault.after_doing:
                    raise RefusedError(fault.status, 14, "upstream reset before the answer came")
                self.reply(200, json.dumps(done).encode())
            except RefusedError as refused:
                # googleRpcStatus, the `default` answer of each path in the specification
                told = {"code": refused.code, "message": str(refused), "details": []}
                self.reply(refused.status, json.dumps(told).encode())
            return None

        def reply(self, status: int, body: bytes, kind: str = "application/json", **headers: str) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_DELETE = handle_one  # noqa: N815 - http.server's names

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    return Handler
