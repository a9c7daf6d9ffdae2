"""Progress of a training in its log."""

import time
from collections.abc import Callable
from typing import Final, TypeAlias

import structlog

OnRound: TypeAlias = Callable[[int, int], None]
"""Told after each boosting round: rounds done, rounds in all."""

_STEPS: Final = 10
"""Lines that a training writes."""


def progress(log: structlog.stdlib.BoundLogger) -> OnRound:
    """What writes a line for every tenth of the rounds, with the time that is left."""
    started = time.monotonic()

    def report(done: int, rounds: int) -> None:
        if done % max(1, rounds // _STEPS) == 0 or done == rounds:
            elapsed_seconds = time.monotonic() - started
            rest_seconds = elapsed_seconds / done * (rounds - done)
            log.info(
                "training_progress",
                rounds_done=done,
                rounds=rounds,
                elapsed_seconds=round(elapsed_seconds, 1),
                rest_seconds=round(rest_seconds, 1),
            )

    return report
