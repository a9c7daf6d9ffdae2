"""Requests are tried again where that helps, and refusals are read."""

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from lightkube.config.kubeconfig import KubeConfig

from toolchain.doubles.errors import RefusedError
from toolchain.doubles.kubernetes import client
from toolchain.doubles.kubernetes.client import ApiError, Cluster, UnknownKindError
from toolchain.doubles.kubernetes.waiting import Wait

Answer = tuple[int, dict[str, Any], dict[str, str]]


class Server:
    """An API server that answers from a script."""

    def __init__(self) -> None:
        """Listens on a free port."""
        self.requests: list[tuple[str, str, str]] = []
        self.answers: list[Answer] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
                outer.requests.append((self.command, self.path, body))
                status, content, headers = outer.answers.pop(0)
                data = json.dumps(content).encode()
                self.send_response(status)
                for name, value in {"Content-Length": str(len(data)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_PATCH = do_DELETE = answer  # noqa: N815 - the library's names

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
                """Says nothing."""

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._http.server_port}"
        self._thread = threading.Thread(target=self._http.serve_forever)
        self._thread.start()

    def script(self, *answers: tuple[int, dict[str, Any]], **headers: str) -> None:
        """Sets the answers to come."""
        self.answers = [(*answer, headers) for answer in answers]

    def close(self) -> None:
        """Stops."""
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


@pytest.fixture
def server() -> Iterator[Server]:
    """An API server that answers from a script."""
    running = Server()
    yield running
    running.close()


def _cluster(url: str) -> Cluster:
    user = {"name": "it", "user": {"token": "t"}}
    config = {
        "current-context": "it",
        "clusters": [{"name": "it", "cluster": {"server": url}}],
        "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
        "users": [user],
    }
    chosen = KubeConfig.from_dict(config).get()
    assert chosen is not None
    return Cluster(chosen)


@pytest.fixture
def cluster(server: Server) -> Iterator[Cluster]:
    """A client of it."""
    found = _cluster(server.url)
    yield found
    found.close()


def test_an_apply_names_its_manager_and_refuses_unknown_fields(server: Server, cluster: Cluster) -> None:
    """A dry-run says so; warnings come along."""
    server.script((200, {"kind": "Pod"}), Warning='299 - "policy \\"restricted\\" is violated"')
    applied = cluster.apply("/api/v1/namespaces/a/pods/b", {"kind": "Pod"}, "me", dry_run=True)
    assert applied.live == {"kind": "Pod"}
    assert applied.warnings == ('policy "restricted" is violated',)
    method, path, body = server.requests[0]
    assert (method, json.loads(body)) == ("PATCH", {"kind": "Pod"})
    for part in ("fieldManager=me", "force=false", "fieldValidation=Strict", "dryRun=All"):
        assert part in path


@pytest.mark.parametrize(
    ("status", "content"),
    [
        (503, {"message": "apiserver is shutting down"}),
        (429, {"message": "too many requests"}),
        (500, {"message": 'failed calling webhook "validate": connection refused'}),
    ],
)
def test_a_passing_fault_is_tried_again(server: Server, cluster: Cluster, status: int, content: dict[str, Any]) -> None:
    """Until it goes well."""
    server.script((status, content), (200, {"kind": "Pod"}))
    assert cluster.get("/api/v1/pods") == {"kind": "Pod"}
    assert len(server.requests) == 2


def test_a_refusal_is_not_tried_again_and_is_read(server: Server, cluster: Cluster) -> None:
    """With the fields it is about."""
    causes = [{"field": "spec.selector", "message": "field is immutable"}]
    server.script((422, {"reason": "Invalid", "message": "it is invalid", "details": {"causes": causes}}))
    with pytest.raises(ApiError, match="it is invalid") as caught:
        cluster.get("/api/v1/pods")
    assert caught.value.reason == "Invalid"
    assert caught.value.causes == (("spec.selector", "field is immutable"),)
    assert len(server.requests) == 1


def test_a_server_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """With its address and context, after a while of trying."""
    monkeypatch.setattr(client, "_RETRY_SECONDS", 0.2)
    gone = _cluster("http://127.0.0.1:9")
    with pytest.raises(RefusedError, match=r"context 'it' at http://127\.0\.0\.1:9 does not answer"):
        gone.get("/api/v1/pods")
    gone.close()


def test_the_server_tells_where_a_kind_lives(server: Server, cluster: Cluster) -> None:
    """It is asked once for each version, and again for a kind it did not have before."""
    deployments = {"name": "deployments", "kind": "Deployment", "namespaced": True}
    scale = {"name": "deployments/scale", "kind": "Scale", "namespaced": True}
    server.script((200, {"resources": [deployments, scale]}), (404, {"message": "none"}))
    for _ in range(2):
        assert (
            cluster.endpoint("apps/v1", "Deployment").path("ml", "web") == "/apis/apps/v1/namespaces/ml/deployments/web"
        )
    with pytest.raises(UnknownKindError, match=r"no Thing in trial\.invalid/v1"):
        cluster.endpoint("trial.invalid/v1", "Thing")
    assert [path for _, path, _ in server.requests] == ["/apis/apps/v1", "/apis/trial.invalid/v1"]


@pytest.mark.parametrize(
    ("error", "malformed"),
    [
        (
            ApiError(500, "InternalError", "failed to create typed patch object (a; v1, Kind=Pod): .x: not declared"),
            True,
        ),
        (ApiError(422, "Invalid", "bad", [("spec.a", "Required value")]), True),
        (ApiError(422, "Invalid", "bad", [("metadata.name", "must be no more than 63 characters")]), False),
        (ApiError(403, "Forbidden", "no"), False),
    ],
)
def test_what_is_wrong_under_any_name_is_told_from_the_rest(error: ApiError, malformed: bool) -> None:  # noqa: FBT001
    """Only that counts where an object's fields are checked under a name that is not its own."""
    assert error.malformed is malformed


def test_progress_is_shown_when_it_is_news(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same again only after a while, so that a log shows life without being flooded."""
    shown: list[str] = []
    clock = [0.0]
    monkeypatch.setattr("toolchain.doubles.kubernetes.waiting.time.monotonic", lambda: clock[0])
    tell: Callable[[str], None] = Wait(60, threading.Event(), shown.append).tell
    for at, message in ((1, "a"), (2, "a"), (3, "b"), (10, "b"), (24, "b")):
        clock[0] = at
        tell(message)
    assert shown == ["a", "b", "b"]


def test_a_wait_ends_when_the_person_gives_up() -> None:
    """And says that."""
    cancelled = threading.Event()
    wait = Wait(60, cancelled, lambda _: None)
    for _ in wait.polls():
        cancelled.set()
    assert wait.end == "cancelled while waiting"
