"""Load: requests on several connections, one after the other on each, from one event loop."""

import asyncio
import json
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, cast

Heard = Callable[[int, bytes, float], None]
"""(status, body, seconds), for each answer."""

_END: Final = b"\r\n\r\n"
_LENGTH: Final = b"content-length: "


def predict_request(*rows: object) -> bytes:
    """A request as it goes over the wire."""
    body = json.dumps({"rows": rows}).encode()
    head = f"POST /v1/predict HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {len(body)}"
    return head.encode() + _END + body


@dataclass
class Outcome:
    """How the connections ended."""

    lost: int = 0
    """Connections that ended by themselves."""


class _Connection(asyncio.Protocol):
    def __init__(self, requests: Sequence[bytes], heard: Heard, outcome: Outcome) -> None:
        self._requests = requests
        self._heard = heard
        self._outcome = outcome
        self._sent = 0
        self._buffer = b""
        self._stopping = False
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass
        self._send()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, found, body = self._buffer.partition(_END)
        if not found:
            return
        start = head.index(_LENGTH) + len(_LENGTH)
        if len(body) < int(head[start:].partition(b"\r")[0]):
            return
        self._buffer = b""
        self._heard(int(head[9:12]), body, time.perf_counter() - self._began)
        if self._stopping:
            self._transport.close()
        else:
            self._send()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        if not self._stopping:
            self._outcome.lost += 1
        self.ended.set_result(None)

    def stop(self) -> None:
        """After the answer that it waits for."""
        self._stopping = True

    def _send(self) -> None:
        self._began = time.perf_counter()
        self._transport.write(self._requests[self._sent % len(self._requests)])
        self._sent += 1


async def load(port: int, requests: Sequence[bytes], connections: int, heard: Heard, until: asyncio.Event) -> Outcome:
    """Asks until told to stop, or until every connection is lost; each answer that is under way is waited for.

    Args:
        port: of the service, on this machine.
        requests: asked in turn, on each connection.
        connections: how many.
        heard: is told of each answer.
        until: ends it.
    """
    loop, outcome = asyncio.get_running_loop(), Outcome()
    clients = []
    for _ in range(connections):
        with suppress(OSError):
            _, client = await loop.create_connection(lambda: _Connection(requests, heard, outcome), "127.0.0.1", port)
            clients.append(client)
    stop: asyncio.Task[object] = asyncio.create_task(until.wait())
    ended: asyncio.Task[object] = asyncio.create_task(_all_ended(clients))
    await asyncio.wait({stop, ended}, return_when=asyncio.FIRST_COMPLETED)
    stop.cancel()
    for client in clients:
        client.stop()
    await ended
    return outcome


async def _all_ended(clients: Sequence[_Connection]) -> None:
    for client in clients:
        await client.ended
