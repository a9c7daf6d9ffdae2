"""The HTTP server, and how it stops without losing a request."""

import asyncio
import time
from collections.abc import Callable
from types import FrameType

import structlog
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from scoring.settings import ScoringSettings


class Drain:
    """When the process was told to stop, and how long it goes on."""

    def __init__(self, seconds: float) -> None:
        """Args: how long to go on once told."""
        self._seconds = seconds
        self._deadline: float | None = None

    @property
    def begun(self) -> bool:
        """Whether the process was told to stop."""
        return self._deadline is not None

    @property
    def over(self) -> bool:
        """Whether the time is up."""
        return self._deadline is not None and time.monotonic() >= self._deadline

    def begin(self) -> None:
        """Starts the clock; once."""
        if self._deadline is None:
            self._deadline = time.monotonic() + self._seconds

    def cut_short(self) -> None:
        """Ends the time now."""
        self._deadline = time.monotonic()


class DrainingServer(uvicorn.Server):
    """Goes on answering for a while after the first signal, and asks every client to connect anew meanwhile.

    Kubernetes sends SIGTERM while the rest of the cluster still learns that the pod is gone: new connections and
    requests on open ones keep coming for seconds. A server that closes at once drops them. This one answers them, each
    with `Connection: close`, so that clients move to another pod at a moment of their own choosing. A second signal
    ends it at once.
    """

    def __init__(self, config: uvicorn.Config, drain: Drain) -> None:
        """Args: uvicorn's configuration, and the drain that readiness looks at too."""
        super().__init__(config)
        self._drain = drain
        self._log = structlog.stdlib.get_logger()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - uvicorn's signature
        """Starts the drain, or ends it when it is under way. Runs as a signal handler."""
        if self._drain.begun:
            self._drain.cut_short()
            return
        self._drain.begin()
        # Both lists: answers under way read the first, uvicorn makes the next ones from the second every second.
        # They go before the application's own headers, at no cost to a request.
        for headers in (self.server_state.default_headers, self.config.encoded_headers):
            headers.append((b"connection", b"close"))

    async def on_tick(self, counter: int) -> bool:
        """Uvicorn's look, ten times a second, at whether to stop."""
        if counter == 0:
            self._log.info("listening", host=self.config.host, port=self.config.port)
        if self._drain.over:
            self.should_exit = True
        return await super().on_tick(counter)


def build_server(
    app: ASGIApp,
    settings: ScoringSettings,
    drain: Drain,
    connection: Callable[..., asyncio.Protocol] = HttpToolsProtocol,
) -> DrainingServer:
    """A server for the application, with connections that this makes."""
    config = uvicorn.Config(
        app,
        host=settings.listen_host,
        port=settings.listen_port,
        loop="uvloop",
        http=connection,  # type: ignore[arg-type] # called like a class
        ws="none",
        lifespan="on",
        access_log=False,
        server_header=False,
        log_config=None,
        log_level="warning",  # what uvicorn says at INFO is said by `listening` and by the loader
        timeout_keep_alive=settings.keep_alive_seconds,
        # What is still under way after the drain has this long to end.
        timeout_graceful_shutdown=10,
    )
    config.load()  # makes encoded_headers, which a signal may touch from the first moment on
    return DrainingServer(config, drain)
