"""Real rows sent to scoring while something is looked at."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event
from typing import Final

from tests.e2e.harness import Stack
from toolchain.demo import traffic
from toolchain.demo.rows import Row

_PER_SECOND: Final = 60.0


@contextmanager
def sending(stack: Stack, some: list[Row]) -> Iterator[traffic.Outcome]:
    """Sends rows over and over, 60 a second, while the block runs."""
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
