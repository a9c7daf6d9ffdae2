"""How much the running stack answers on this machine, which it shares with the load generator."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from benchmarks.ramp.load import CLIENTS, Outcome, send
from benchmarks.ramp.report import OBJECTIVE_SHARE
from benchmarks.soak.plan import Plan
from benchmarks.soak.report import within_objective
from toolchain.progress import step

_CLOSED_SECONDS: Final = 15.0
_TRIAL_SECONDS: Final = 20.0
"""Longer than from one evaluation of drift to the next, which takes a core for some of it."""

_SHARES: Final = (0.9, 0.8, 0.7, 0.6, 0.5, 0.4)


@dataclass(frozen=True, kw_only=True)
class Capacity:
    """What was found.

    Attributes:
        closed_per_second: answers to clients that each ask again as soon as they are answered.
        held_per_second: the highest load, a tenth of that apart, whose answers were within the objective.
    """

    closed_per_second: float
    held_per_second: float


class NoCapacityError(Exception):
    """Not even the least load was answered within the objective."""


async def measure(url: str, bodies: Sequence[bytes]) -> Capacity:
    """Looks for it within two minutes and a half.

    Raises:
        NoCapacityError: there is none on this machine.
    """
    closed = Outcome(_CLOSED_SECONDS)
    with step(f"capacity: {CLIENTS} clients that ask without a pause", _CLOSED_SECONDS):
        await send(url, bodies, _without_pause(_CLOSED_SECONDS), closed)
    answered = len(closed.windows[0].latencies) / _CLOSED_SECONDS
    for share in _SHARES:
        trial = Plan(seconds=_TRIAL_SECONDS, per_second=max(1.0, answered * share))
        outcome = Outcome(_TRIAL_SECONDS)
        with step(f"capacity: {trial.per_second:.0f} a second", _TRIAL_SECONDS):
            await send(url, bodies, trial.due(), outcome)
        if not outcome.failures and within_objective(outcome.windows) >= OBJECTIVE_SHARE:
            return Capacity(closed_per_second=round(answered, 1), held_per_second=round(trial.per_second, 1))
    raise NoCapacityError(
        f"of {answered:.0f} requests a second, answered without a pause, not even {_SHARES[-1]:.0%} were answered "
        "within the objective: is the machine busy with something else?"
    )


def _without_pause(seconds: float) -> Iterator[float]:
    begun = time.monotonic()
    while (at := time.monotonic() - begun) < seconds:
        yield at
