"""Measures every request, and makes sure that whatever happens inside, the client gets an answer free of its cause."""

import time
from collections.abc import Collection

import structlog
from lifecycle.logs import error_facts
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from scoring.errors import ErrorBody, ErrorResponse
from scoring.metrics import Metrics
from scoring.wire import encode_json

_INTERNAL = encode_json(ErrorResponse(ErrorBody("internal", "The service failed; the request may be sent again.")))


class Observation:
    """ASGI middleware around all routes."""

    def __init__(self, app: ASGIApp, metrics: Metrics, routes: Collection[str]) -> None:
        """Args: what to wrap, where to count, and the paths that have a label; any other is `unmatched`."""
        self._app = app
        self._metrics = metrics
        self._routes = frozenset(routes)
        self._log = structlog.stdlib.get_logger()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = 0

        async def watch(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        started = time.perf_counter()
        self._metrics.requests_in_flight.inc()
        try:
            await self._app(scope, receive, watch)
        except Exception as error:  # noqa: BLE001 - the client must get an answer, the log the place
            self._log.error("request_failed", method=scope["method"], **error_facts(error))
            if status == 0:
                await Response(_INTERNAL, 500, media_type="application/json")(scope, receive, watch)
        finally:
            self._metrics.requests_in_flight.dec()
            route = scope["path"] if scope["path"] in self._routes else "unmatched"
            elapsed_seconds = time.perf_counter() - started
            self._metrics.request_duration_seconds.labels(route, str(status)).observe(elapsed_seconds)
