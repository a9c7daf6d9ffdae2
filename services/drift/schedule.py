"""When evaluations run: each interval and on request, each in a process of its own that is killed when it hangs."""

import asyncio
import json
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final

import structlog

from drift.findings import Cause
from drift.metrics import Metrics
from drift.settings import DriftSettings

COMMAND: Final = (sys.executable, "-m", "drift", "evaluate")
"""With a model's name behind it: evaluates the model, and prints what came of it as one line of JSON."""


class Schedule:
    """Evaluates the models one after another."""

    def __init__(self, settings: DriftSettings, metrics: Metrics, command: Sequence[str] = COMMAND) -> None:
        """Args: which models and how often, where the outcome is told, and what evaluates."""
        self._settings = settings
        self.metrics = metrics
        self._command = command
        self._one = asyncio.Lock()
        self._log = structlog.stdlib.get_logger()
        self.outcomes: dict[str, dict[str, Any]] = {}
        """Of each model's last evaluation, without what it measured."""

    async def run(self) -> None:
        """Evaluates every model, waits for the interval, and so on."""
        while True:
            began = time.monotonic()
            for model in self._settings.models:
                await self.evaluate(model)
            await asyncio.sleep(max(0.0, began + self._settings.interval_seconds - time.monotonic()))

    async def evaluate(self, model: str) -> None:
        """Evaluates a model after the evaluation under way has ended."""
        async with self._one:
            began = time.monotonic()
            # Its log goes where ours goes: only the outcome is read here.
            process = await asyncio.create_subprocess_exec(*self._command, model, stdout=asyncio.subprocess.PIPE)
            try:
                async with asyncio.timeout(self._settings.timeout_seconds):
                    answer, _ = await process.communicate()
            except TimeoutError:
                self._failed(model, "timeout")
                return
            finally:
                if process.returncode is None:
                    with suppress(ProcessLookupError):
                        process.kill()
                    await process.wait()
            self.metrics.duration.labels(model).set(time.monotonic() - began)
            if process.returncode:
                self._failed(model, "crashed", status=process.returncode)
                return
            self._tell(model, json.loads(answer))

    def _tell(self, model: str, outcome: dict[str, Any]) -> None:
        newest = outcome.pop("newest")
        self.outcomes[model] = outcome
        holding = set(outcome["conditions"])
        self.metrics.conditions(model, holding)
        self.metrics.rows.labels(model).inc(outcome["rows"])
        for cause, count in outcome["failures"].items():
            self.metrics.failures.labels(model, cause).inc(count)
        if newest is None:  # the evaluation did not come to its end: what was known still is what is known
            self._log.warning("evaluation_failed", model=model, causes=list(outcome["failures"]))
            return
        self.metrics.last.labels(model).set_to_current_time()
        self.metrics.show(model, newest, outcome["targets_missing"])
        self._log.info("evaluated", model=model, rows=outcome["rows"], conditions=sorted(holding))

    def _failed(self, model: str, cause: Cause, **facts: object) -> None:
        self.metrics.failures.labels(model, cause).inc()
        self._log.error("evaluation_failed", model=model, causes=[cause], **facts)
