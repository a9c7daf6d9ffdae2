"""A steady load on scoring that knows what was acknowledged, and what a fault did to it."""

import asyncio
import threading
import time
from dataclasses import dataclass, field
from itertools import cycle
from typing import Any, Final, Self

import httpx

PER_SECOND: Final = 50.0
CLIENTS: Final = 8
TRIES: Final = 4
"""How often a client sends a request before it gives up, 0.25 s, 0.5 s and 1 s apart."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request, however often it was sent.

    Attributes:
        at: when it was first sent, by the monotonic clock.
        seconds: from then to its answer, or until it was given up.
        tries: how often it was sent.
        prediction_id: of what was acknowledged; None: nothing was.
        errors: what the tries before the last, or all, ended with.
    """

    at: float
    seconds: float
    tries: int
    prediction_id: str | None
    errors: tuple[str, ...]


@dataclass
class Steady:
    """The load while it runs: a thread with an event loop of its own.

    Attributes:
        requests: those that ended, in that order.
    """

    url: str
    rows: list[dict[str, Any]]
    requests: list[Request] = field(default_factory=list)
    _ended: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Self:
        """Begins."""
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Ends; requests under way are waited for."""
        self._ended.set()
        self._thread.join(timeout=120)

    def since(self, moment: float) -> list[Request]:
        """The requests first sent at this moment or later."""
        return [request for request in list(self.requests) if request.at >= moment]

    async def _run(self) -> None:
        begun, numbered = time.monotonic(), enumerate(cycle(self.rows))
        async with httpx.AsyncClient(base_url=self.url, timeout=15) as client:

            async def ask_on() -> None:
                for index, row in numbered:
                    await asyncio.sleep(max(0.0, begun + index / PER_SECOND - time.monotonic()))
                    if self._ended.is_set():
                        return
                    self.requests.append(await _ask(client, row))

            await asyncio.gather(*(ask_on() for _ in range(CLIENTS)))


async def _ask(client: httpx.AsyncClient, row: dict[str, Any]) -> Request:
    at, errors = time.monotonic(), []
    for attempt in range(1, TRIES + 1):
        try:
            response = await client.post("/v1/predict", json={"rows": [row]})
            response.raise_for_status()
        except httpx.HTTPStatusError as error:
            errors.append(str(error.response.status_code))
        except httpx.HTTPError as error:
            errors.append(type(error).__name__)
        else:
            prediction_id = response.json()["predictions"][0]["id"]
            return Request(at, time.monotonic() - at, attempt, prediction_id, tuple(errors))
        if attempt < TRIES:
            await asyncio.sleep(0.125 * 2**attempt)
    return Request(at, time.monotonic() - at, TRIES, None, tuple(errors))
