"""Rows with their truth, sent to a stack over and over for as long as a test looks on."""

import asyncio
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event

from tests.e2e.harness import Stack
from toolchain.demo import traffic
from toolchain.demo.rows import Row

_PER_SECOND = 60.0


@contextmanager
def sending(stack: Stack, some: Sequence[Row]) -> Iterator[traffic.Outcome]:
    """Sends rows, 60 a second, while the block runs; what became of them so far is in what it gives."""
    ended, outcome = Event(), traffic.Outcome()

    def forever() -> Iterator[Row]:
        while True:
            for row in some:
                if ended.is_set():
                    return
                yield row

    with ThreadPoolExecutor(1) as pool:
        url = stack.outputs["scoring_url"]
        sent = pool.submit(lambda: asyncio.run(traffic.send(url, forever(), per_second=_PER_SECOND, outcome=outcome)))
        try:
            yield outcome
        finally:
            ended.set()
            sent.result(timeout=60)
