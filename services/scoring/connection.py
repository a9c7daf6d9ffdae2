"""HTTP connections that answer at once what needs no waiting: of a request of one row, ASGI takes a third.

Its scope, its task and its messages are for what may wait. A prediction of a few rows waits for nothing, so its answer
is written where its last byte is read. Whatever else comes goes the common way.

Clients send the same head again and again. One that was parsed before, to the byte, with a body of the same length, is
not parsed anew.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

if TYPE_CHECKING:
    import asyncio

AtOnce: TypeAlias = Callable[[bytes, Mapping[bytes, bytes], bytes], tuple[bytes, bytes] | None]
"""(path, headers, body) of a POST -> (X-Request-ID, JSON) of status 200; None where the application has to answer."""

_CLOSE: Final = (b"connection", b"close")
_HEAD_END: Final = b"\r\n\r\n"
_LONGEST_KNOWN_HEAD: Final = 1024
_MOST_KNOWN_HEADS: Final = 1024
"""1 MB of heads. They differ by the lengths of bodies; where each request has a name of its own they are of no use, and
cost 0.2 us."""


@dataclass(frozen=True, slots=True)
class _Known:
    """What a head was found to say."""

    url: bytes
    headers: dict[bytes, bytes]
    body_bytes: int


_known_heads: Final[dict[bytes, _Known]] = {}


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
        self._between = True
        """Whether the parser is at the beginning of a request."""
        self._parsed: _Known | None = None
        """The request that was answered last."""
        self._written_headers: list[tuple[bytes, bytes]] | None = None
        self._head = b""
        self._heard_at = 0.0
        self._idle_timer: asyncio.TimerHandle | None = None

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        self._heard_at = self.loop.time()
        between = self._between
        body_at = data.find(_HEAD_END, 0, _LONGEST_KNOWN_HEAD) + len(_HEAD_END)
        if between:
            known = _known_heads.get(data[:body_at])
            if known is not None and len(data) == body_at + known.body_bytes and self._is_free():
                answer = self._at_once(known.url, known.headers, data[body_at:])
                if answer is not None:
                    self._unset_keepalive_if_required()
                    self._answer(*answer)
                    return
        self._parsed = None
        super().data_received(data)
        # Whole, and alone: what came was one head and one body, so that the head says what it was found to say wherever
        # it stands at the beginning. A body in chunks is longer than what it holds.
        if between and self._parsed is not None and len(data) == body_at + self._parsed.body_bytes:
            if len(_known_heads) == _MOST_KNOWN_HEADS:
                _known_heads.clear()
            _known_heads[data[:body_at]] = self._parsed
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
        self._between = False
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
        self._between = self.parser.should_keep_alive() and not self.parser.should_upgrade()
        if self._held is not None:
            headers, body = dict(self.headers), b"".join(self._held)
            answer = self._at_once(self.url, headers, body)
            if answer is not None:
                self._held = None
                self._parsed = _Known(self.url, headers, len(body))
                self._answer(*answer)
                return
            self._hand_over()
        super().on_message_complete()

    def _may_be_held(self) -> bool:
        parser = self.parser
        return (
            self.url.startswith(self._paths)
            and parser.get_method() == b"POST"
            and not self.expect_100_continue
            and parser.should_keep_alive()
            and parser.get_http_version() == "1.1"
            and self._is_free()
        )

    def _is_free(self) -> bool:
        return (
            # The answer before this one is through, and the client reads.
            (self.cycle is None or self.cycle.response_complete)
            and not self.flow.write_paused
            and _CLOSE not in self.server_state.default_headers
        )

    def _answer(self, name: bytes, body: bytes) -> None:
        self._write(name, body)
        self.server_state.total_requests += 1
        if self._idle_timer is None:
            self._idle_timer = self.loop.call_later(self.timeout_keep_alive, self._close_if_idle)

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
