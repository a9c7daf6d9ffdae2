"""The load generator: each request at its moment, whether or not those before it are answered.

wrk, which loads the serving benchmark, sends as fast as it is answered: it cannot ramp, and what waits behind a slow
answer it never sends. Here a latency counts from the moment at which the request was due.
"""

import asyncio
import os
import random
import time
from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

CLIENTS: Final = 64
"""Requests under way at most; one that is due while all are waits, and its wait counts."""

_LIFETIME_SECONDS: Final = (5.0, 10.0)
"""A Service spreads connections, not requests: clients that never connect anew never meet a new pod."""

_TIMEOUT_SECONDS: Final = 10.0
_HEAD_END: Final = b"\r\n\r\n"


_PRIORITY: Final = -10


@contextmanager
def first_in_line() -> Iterator[None]:
    """Lets this process go before others, where it may: a client that waits for a core measures itself."""
    with suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, _PRIORITY)
    try:
        yield
    finally:
        with suppress(PermissionError):
            os.setpriority(os.PRIO_PROCESS, 0, 0)


@dataclass(slots=True)
class Window:
    """What became of the requests that were due within some seconds.

    Attributes:
        latencies: of the answered ones, in seconds from when they were due.
        failed: how many had no answer of status 200.
    """

    latencies: "array[float]" = field(default_factory=lambda: array("d"))
    failed: int = 0


@dataclass
class Outcome:
    """What became of all requests.

    Attributes:
        window_seconds: how long a window is.
        windows: in order of time.
        failures: how often each thing went wrong.
        late: how long after they were due requests were sent, in seconds: the generator's own part of the latencies.
        bytes: of requests and answers, with their headers.
    """

    window_seconds: float
    windows: list[Window] = field(default_factory=list)
    failures: Counter[str] = field(default_factory=Counter)
    late: "array[float]" = field(default_factory=lambda: array("d"))
    bytes: int = 0

    def window(self, due: float) -> Window:
        """The window of a request that was due so many seconds from the start."""
        index = int(due / self.window_seconds)
        while len(self.windows) <= index:
            self.windows.append(Window())
        return self.windows[index]


class _Connection:
    """A kept connection, for one request at a time."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._until = time.monotonic() + random.uniform(*_LIFETIME_SECONDS)  # noqa: S311 - no secret depends on it
        self._kept = True

    @property
    def usable(self) -> bool:
        return self._kept and time.monotonic() < self._until

    async def ask(self, request: bytes) -> tuple[int, int]:
        """Sends it, reads the whole answer, gives its status and its length."""
        self._writer.write(request)
        head = (await self._reader.readuntil(_HEAD_END)).lower()
        length = head.partition(b"content-length:")[2].partition(b"\r\n")[0]
        await self._reader.readexactly(int(length))
        self._kept = b"connection: close" not in head
        return int(head[9:12]), len(head) + int(length)

    def close(self) -> None:
        self._writer.close()


async def send(url: str, bodies: Sequence[bytes], due: Iterator[float], outcome: Outcome) -> None:
    """Posts the bodies in turn; a request that fails is counted and not repeated.

    Args:
        url: on this machine.
        bodies: JSON.
        due: when each request is to be sent, in seconds from now.
        outcome: what to add to.
    """
    address = urlsplit(url)
    requests = [_request(address.netloc, address.path, body) for body in bodies]
    begun, numbered = time.monotonic(), enumerate(due)

    async def run() -> None:
        connection: _Connection | None = None
        for index, moment in numbered:
            await asyncio.sleep(max(0.0, begun + moment - time.monotonic()))
            outcome.late.append(max(0.0, time.monotonic() - begun - moment))
            window = outcome.window(moment)
            try:
                async with asyncio.timeout(_TIMEOUT_SECONDS):
                    if connection is None:
                        connection = _Connection(*await asyncio.open_connection(address.hostname, address.port))
                    request = requests[index % len(requests)]
                    status, length = await connection.ask(request)
                    outcome.bytes += len(request) + length
                failure = None if status == 200 else f"status {status}"  # noqa: PLR2004 - the one that is right
            except (OSError, EOFError, ValueError, asyncio.LimitOverrunError) as error:
                failure = type(error).__name__
            if failure is None:
                window.latencies.append(time.monotonic() - begun - moment)
            else:
                window.failed += 1
                outcome.failures[failure] += 1
            if connection is not None and (failure is not None or not connection.usable):
                connection.close()
                connection = None
        if connection is not None:
            connection.close()

    await asyncio.gather(*(run() for _ in range(CLIENTS)))


def _request(host: str, path: str, body: bytes) -> bytes:
    head = (
        f"POST {path} HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body
