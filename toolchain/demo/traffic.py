"""Traffic: rows sent one a request at a steady rate by a few clients that keep their connections, each answer kept."""

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

import httpx

from toolchain.demo.rows import Row

_LABELS_AT_ONCE: Final = 500


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back for a row."""

    prediction_id: str
    version: int
    probability: float
    row: Row
    at: float
    """When it came, by the monotonic clock."""


@dataclass(slots=True)
class Outcome:
    """What became of the rows sent so far."""

    answers: list[Answer] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    """What went wrong with each request that has no answer."""


async def send(
    url: str,
    rows: Iterable[Row],
    *,
    per_second: float,
    clients: int = 8,
    on_row: Callable[[], None] = lambda: None,
    outcome: Outcome | None = None,
) -> Outcome:
    """Sends rows to a scoring service; a request that fails is counted and not repeated.

    Args:
        url: of the service, on this machine.
        rows: what to send, in this order.
        per_second: how many, at most; a service that answers more slowly gets fewer.
        clients: how many requests may be under way.
        on_row: told after each.
        outcome: what to add to.
    """
    outcome = outcome or Outcome()
    begun, numbered = time.monotonic(), enumerate(rows)
    async with httpx.AsyncClient(base_url=url, timeout=30) as client:

        async def run() -> None:
            for index, row in numbered:
                await asyncio.sleep(max(0.0, begun + index / per_second - time.monotonic()))
                await _ask(client, row, outcome)
                on_row()

        await asyncio.gather(*(run() for _ in range(clients)))
    return outcome


async def tell(url: str, answers: Sequence[Answer]) -> None:
    """Sends the truth of these predictions.

    Raises:
        httpx.HTTPStatusError: the service refuses it.
    """
    async with httpx.AsyncClient(base_url=url, timeout=60) as client:
        for start in range(0, len(answers), _LABELS_AT_ONCE):
            labels = [
                {"id": answer.prediction_id, "label": answer.row.label}
                for answer in answers[start : start + _LABELS_AT_ONCE]
            ]
            (await client.post("/v1/labels", json={"labels": labels})).raise_for_status()


async def _ask(client: httpx.AsyncClient, row: Row, outcome: Outcome) -> None:
    try:
        response = await client.post("/v1/predict", json={"rows": [row.features]})
        response.raise_for_status()
    except httpx.HTTPError as error:
        outcome.failures.append(f"{type(error).__name__}: {error}")
        return
    body = response.json()
    prediction = body["predictions"][0]
    version, now = body["model"]["version"], time.monotonic()
    outcome.answers.append(Answer(prediction["id"], version, prediction["probability"], row, now))
