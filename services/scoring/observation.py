"""Around the routes of the framework: who is let in, how long it took, and an answer whatever happens inside."""

import time
from typing import TYPE_CHECKING, Final

import structlog
from lifecycle.logs import error_facts
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from scoring.admission import Admission, request_name
from scoring.errors import RequestError
from scoring.identifiers import new_id
from scoring.metrics import Metrics
from scoring.refusals import INTERNAL, refusal

if TYPE_CHECKING:
    from collections.abc import Mapping

OPEN_PATHS: Final = frozenset({"/live", "/ready", "/metrics", "/openapi.json", "/v2/health/live", "/v2/health/ready"})
"""What probes, Prometheus and readers of the document ask for: without a key, however much is going on."""


class Observation:
    """ASGI middleware around all routes of the framework."""

    def __init__(self, app: ASGIApp, metrics: Metrics, admission: Admission) -> None:
        """Args: what to wrap, where to count, who is let in."""
        self._app = app
        self._metrics = metrics
        self._admission = admission
        self._log = structlog.stdlib.get_logger()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers: Mapping[bytes, bytes] = dict(scope["headers"])
        name = request_name(headers, new_id())
        status = 0

        async def watch(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (b"x-request-id", name)]
            await send(message)

        started = time.perf_counter()
        self._admission.in_flight += 1
        try:
            if scope["path"] not in OPEN_PATHS:
                self._admission.check(headers)
            await self._app(scope, receive, watch)
        except RequestError as error:
            if scope["path"] not in OPEN_PATHS:  # a probe that is told "not yet" is no client turned away
                self._metrics.rejected(error.body.error.code)
            body, extra = refusal(error, open_inference=is_open_inference(scope["path"]))
            await _send(watch, error.status, body, extra)
        except Exception as error:  # noqa: BLE001 - the client must get an answer, the log the place
            self._log.error("request_failed", method=scope["method"], request_id=name.decode(), **error_facts(error))
            if status == 0:
                await _send(watch, 500, INTERNAL[is_open_inference(scope["path"])], [])
        finally:
            self._admission.in_flight -= 1
            route = getattr(scope.get("route"), "path", None) or "unmatched"
            if scope["path"] == "/openapi.json":
                route = "/openapi.json"
            self._metrics.request(route, status, time.perf_counter() - started)


def is_open_inference(path: str) -> bool:
    """Whether errors at this path have the protocol's form."""
    return path == "/v2" or path.startswith("/v2/")


async def _send(send: Send, status: int, body: bytes, extra: list[tuple[bytes, bytes]]) -> None:
    length = (b"content-length", str(len(body)).encode())
    headers = [(b"content-type", b"application/json"), length, *extra]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
