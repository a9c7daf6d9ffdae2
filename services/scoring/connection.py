"""HTTP connections that answer at once what needs no waiting: of a request of one row, ASGI takes a third.

Its scope, its task and its messages are for what may wait. A prediction of a few rows waits for nothing, so its answer
is written where its last byte is read. Whatever else comes goes the common way.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

if TYPE_CHECKING:
    import asyncio

AtOnce: TypeAlias = Callable[[bytes, Sequence[tuple[bytes, bytes]], bytes], tuple[bytes, bytes] | None]
"""(path, headers, body) of a POST -> (X-Request-ID, JSON) of status 200; None where the application has to answer."""

_CLOSE: Final = (b"connection", b"close")


class Connection(HttpToolsProtocol):
    """One connection. What may be answered at once is held back from the application until its body is whole."""

    def __init__(self, paths: tuple[bytes, ...], at_once: AtOnce, **given: Any) -> None:  # noqa: ANN401 - uvicorn's own
        """Takes a connection.

        Args:
            paths: what the paths begin with that `at_once` is asked about.
            at_once: gives answers.
            given: what uvicorn gives to its protocols.
        """
        super().__init__(**given)
        self._paths: Final = paths
        self._at_once: Final = at_once
        self._held: list[bytes] | None = None
        self._written_headers: list[tuple[bytes, bytes]] | None = None
        self._head = b""
        self._heard_at = 0.0
        self._idle_timer: asyncio.TimerHandle | None = None

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        self._heard_at = self.loop.time()
        super().data_received(data)
        # The rest of a body may be long in coming: the application bounds how long.
        if self._held is not None and not self.transport.is_closing():
            self._hand_over()

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.Protocol."""
        super().connection_lost(exc)
        if self._idle_timer is not None:
            self._idle_timer.cancel()

    def on_message_begin(self) -> None:
        """See httptools. What ASGI alone wants is made once it is wanted."""
        self.url = b""
        self.headers = []
        self.expect_100_continue = False

    def on_headers_complete(self) -> None:
        """See httptools."""
        if self._may_be_held():
            self._held = []
        else:
            self._begin()

    def on_body(self, body: bytes) -> None:
        """See httptools."""
        if self._held is None:
            super().on_body(body)
        else:
            self._held.append(body)

    def on_message_complete(self) -> None:
        """See httptools."""
        if self._held is not None:
            answer = self._at_once(self.url, self.headers, b"".join(self._held))
            if answer is not None:
                self._held = None
                self._write(*answer)
                self.server_state.total_requests += 1
                if self._idle_timer is None:
                    self._idle_timer = self.loop.call_later(self.timeout_keep_alive, self._close_if_idle)
                return
            self._hand_over()
        super().on_message_complete()

    def _may_be_held(self) -> bool:
        parser = self.parser
        return (
            self.url.startswith(self._paths)
            and parser.get_method() == b"POST"
            and not self.expect_100_continue
            # The answer before this one is through, and the client reads.
            and (self.cycle is None or self.cycle.response_complete)
            and not self.flow.write_paused
            # Neither side wants to close.
            and parser.should_keep_alive()
            and parser.get_http_version() == "1.1"
            and _CLOSE not in self.server_state.default_headers
        )

    def _close_if_idle(self) -> None:
        """One timer for many answers: uvicorn sets one after each and takes it away again, which takes 1.1 us."""
        left = self._heard_at + self.timeout_keep_alive - self.loop.time()
        if left > 0:
            self._idle_timer = self.loop.call_later(left, self._close_if_idle)
            return
        self._idle_timer = None
        # The application's answers are uvicorn's to time.
        if self.timeout_keep_alive_task is None and (self.cycle is None or self.cycle.response_complete):
            self.timeout_keep_alive_handler()

    def _begin(self) -> None:
        url, headers, expects = self.url, self.headers, self.expect_100_continue
        super().on_message_begin()
        self.url, self.headers, self.expect_100_continue = url, headers, expects
        self.scope["headers"] = headers
        super().on_headers_complete()

    def _hand_over(self) -> None:
        held, self._held = self._held or [], None
        self._begin()
        for piece in held:
            super().on_body(piece)

    def _write(self, name: bytes, body: bytes) -> None:
        headers = self.server_state.default_headers  # others every second, with the date
        if headers != self._written_headers:
            self._written_headers = headers.copy()
            self._head = b"HTTP/1.1 200 OK\r\n%bcontent-type: application/json\r\ncontent-length: " % b"".join(
                b"%b: %b\r\n" % header for header in headers
            )
        self.transport.write(b"%b%d\r\nx-request-id: %b\r\n\r\n%b" % (self._head, len(body), name, body))
