"""A thread for what nobody waits for: on a busy core it gives way to the one that answers requests."""

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TypeVar

_T = TypeVar("_T")


def _give_way() -> None:
    """Lets this thread run only while no other of the process wants to.

    On Linux of one thread, and within the container alone: its share of the node stays. A thread of mere low priority
    gets slices of 3 ms, and each swap of the model made the 99th percentile of a busy core four times as long; now it
    stays, and the swap takes 0.3 s in place of 0.03 s. Where a sandbox forbids it, a model is loaded all the same.
    """
    with suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))


class BackgroundThread:
    """Runs one call after the other."""

    def __init__(self, name: str) -> None:
        """Args: what the thread is called."""
        self._executor = ThreadPoolExecutor(1, thread_name_prefix=name, initializer=_give_way)

    async def run(self, work: Callable[..., _T], *arguments: object) -> _T:
        """What the call gives; a caller that is cancelled leaves the call to its end."""
        return await asyncio.get_running_loop().run_in_executor(self._executor, work, *arguments)
