"""What a challenger would have answered: scored behind the answers, in a thread, and never given to anybody.

Nobody waits for it: requests wait in a bounded queue, and what does not fit is counted and left out. The thread works a
tenth of the time, for it shares the interpreter with the answers: a request costs it about 40 us, so that thousands a
second are still compared, and answers lose a tenth of a core at most, however many there are.
"""

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from queue import SimpleQueue
from typing import Final

import structlog
from lifecycle.logs import error_facts

from scoring.challenger import Challenger
from scoring.metrics import TrialMetrics
from scoring.prediction import Scored
from scoring.recording import LogUnavailableError, PredictionLog, ScoredRows
from scoring.trial import Trial

_MOST_WAITING: Final = 1000
_MOST_WAITING_BYTES: Final = 4 * 1024 * 1024
_PAUSE: Final = 9.0
"""Times as long as the work before it."""
_LONGEST_PAUSE_SECONDS: Final = 1.0


class Shadow:
    """Scores what it is offered. All but the scoring happens on the event loop."""

    def __init__(
        self, metrics: TrialMetrics, log: PredictionLog | None, is_on_trial: Callable[[Challenger], bool]
    ) -> None:
        """Args: where to count; where what was scored is kept; whether a challenger still is one."""
        self._metrics = metrics
        self._predictions = log
        self._queue: SimpleQueue[tuple[Scored, Trial]] = SimpleQueue()
        self._waiting = self._waiting_bytes = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_on_trial = is_on_trial
        self._promises: set[asyncio.Future[None]] = set()
        self._failed: int | None = None
        self._log = structlog.stdlib.get_logger()

    def offer(self, answered: Scored, trial: Trial) -> None:
        """Takes over a request that the champion has answered, or leaves it out where too many wait."""
        if self._waiting >= _MOST_WAITING or self._waiting_bytes + trial.size_bytes > _MOST_WAITING_BYTES:
            self._metrics.dropped(trial.challenger.model.manifest)
            return
        self._waiting += 1
        self._waiting_bytes += trial.size_bytes
        if self._loop is None:  # no rollout, no thread
            self._loop = asyncio.get_running_loop()
            threading.Thread(target=self._run, args=(self._loop,), name="shadow", daemon=True).start()
        self._queue.put((answered, trial))

    def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        with suppress(RuntimeError):  # the loop is closed: the process ends
            while True:
                answered, trial = self._queue.get()
                started = time.perf_counter()
                scored: Scored | None = None
                try:
                    scored = trial.timed(trial.challenger.model, on_loop=False)
                except Exception as error:  # noqa: BLE001 - it is what is counted
                    self._say(trial.challenger, error)
                loop.call_soon_threadsafe(self._finish, answered, trial, scored)
                time.sleep(min(_PAUSE * (time.perf_counter() - started), _LONGEST_PAUSE_SECONDS))

    def _finish(self, answered: Scored, trial: Trial, scored: Scored | None) -> None:
        self._waiting -= 1
        self._waiting_bytes -= trial.size_bytes
        if not self._is_on_trial(trial.challenger):
            return
        challenger = trial.challenger.model.manifest
        # Of the champion only what the shadow was given too: both stand for the same requests.
        self._metrics.answered(answered.model.manifest, "champion", answered.outputs, answered.seconds)
        if scored is None:
            self._metrics.failed(challenger, "shadow")
            return
        self._metrics.answered(challenger, "shadow", scored.outputs, scored.seconds)
        pairs = zip(scored.outputs, answered.outputs, strict=True)  # of one objective, so as many
        self._metrics.differed(challenger, [abs(one - other) for one, other in pairs])
        self._keep(scored)

    def _keep(self, scored: Scored) -> None:
        if self._predictions is None:
            return
        rows = ScoredRows(
            scored.model, "shadow", time.time_ns() // 1000, scored.ids, scored.rows.vectors, scored.outputs
        )
        with suppress(LogUnavailableError):
            waiting = self._predictions.write(rows)
            if waiting is not None:  # the log's promise is to whoever is answered
                self._promises.add(kept := asyncio.ensure_future(_kept(waiting)))
                kept.add_done_callback(self._promises.discard)

    def _say(self, challenger: Challenger, error: Exception) -> None:
        """Once for each version: a model that fails does so for every request."""
        version = challenger.model.manifest.version
        if version != self._failed:
            self._failed = version
            self._log.warning("shadow_failed", version=version, **error_facts(error))


async def _kept(waiting: Awaitable[None]) -> None:
    with suppress(LogUnavailableError):
        await waiting
