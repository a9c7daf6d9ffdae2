"""Takes wishes, decides, makes Jobs, and remembers what became of each."""

import threading
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog
from lifecycle.registry import ModelRegistry
from lifecycle.store import ObjectStore

from retraining.receiver.asking import Asked, Ignored
from retraining.receiver.decision import Decision, Job, decide
from retraining.receiver.jobs import JobExistsError, Jobs, NoTemplateError
from retraining.runs import Outcome, RunStore

_REMEMBERED: Final = 500
"""Decisions that are listed; the same one again is counted, not listed anew."""


@dataclass(frozen=True, kw_only=True)
class Remembered:
    """A decision, how often it was made, and when.

    Attributes:
        decision: what was decided.
        first_at: when for the first time.
        last_at: when for the last time.
        times: how often.
    """

    decision: Decision
    first_at: datetime
    last_at: datetime
    times: int


@dataclass(frozen=True)
class Seen:
    """What one look at a model showed."""

    jobs: tuple[Job, ...]
    outcomes: Mapping[str, Outcome]
    """By run."""
    champion_created_at: datetime | None
    lost: tuple[Job, ...]
    """The runs that ended without an outcome: killed, out of time or out of memory, however often tried."""


class Receiver:
    """The runs of some models. Methods may be called from any thread."""

    def __init__(
        self,
        jobs: Jobs,
        store: ObjectStore,
        cool_down: timedelta,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Args: where Jobs, versions and runs are, the pause after a run, and a clock."""
        self.counts: Counter[tuple[str, str, str]] = Counter()
        """Decisions by model, trigger and verdict."""
        self.seen: dict[str, Seen] | None = None
        """What the last look showed, by model; none before the first."""
        self._jobs = jobs
        self._store = store
        self._outcomes: dict[str, dict[str, Outcome]] = {}
        # Kept when Kubernetes has removed the Job: a counter does not go down.
        self._lost: dict[str, Job] = {}
        self._cool_down = cool_down
        self._now = now
        # A look and the Job that follows from it are one step for each model; the name of the Job holds between pods.
        self._deciding: dict[str, threading.Lock] = {}
        self._looking = threading.Lock()
        self._remembering = threading.Lock()
        self._remembered: deque[Remembered] = deque(maxlen=_REMEMBERED)
        self._log = structlog.stdlib.get_logger()

    def ask(self, asked: Asked | Ignored) -> Decision:
        """Decides on a wish, and makes the Job if there is to be one.

        Raises:
            lightkube.ApiError, httpx2.HTTPError: the API server does not answer or does not allow it.
        """
        if isinstance(asked, Ignored):
            model = asked.model if asked.model in (self.seen or {}) else ""
            return self.remember(Decision(model=model, trigger="alert", verdict="ignored", reason=asked.reason))
        known = self._jobs.models()
        if asked.model not in known:
            reason = f"there is no model {asked.model!r}; the models are {', '.join(known) or 'none'}"
            # Not by its name: whoever asks could make any number of series.
            return self.remember(Decision(model="", trigger=asked.trigger, verdict="refused", reason=reason))
        with self._deciding.setdefault(asked.model, threading.Lock()):
            return self.remember(self._start(asked))

    def _start(self, asked: Asked) -> Decision:
        jobs = self._jobs.of(asked.model)
        decision = decide(asked, jobs, self._now(), self._cool_down)
        if decision.verdict != "started":
            return decision
        try:
            self._jobs.create(decision.job, max((job.number for job in jobs), default=0) + 1, asked)
        except JobExistsError:
            return replace(decision, verdict="already_running", reason=f"{decision.job} was made by another receiver")
        except NoTemplateError as error:
            return replace(decision, verdict="refused", reason=str(error), job="")
        return decision

    def remember(self, decision: Decision) -> Decision:
        """Counts and lists a decision."""
        now = self._now()
        key = (decision.model, decision.trigger, decision.verdict)
        with self._remembering:
            self.counts[key] += 1
            again = next((r for r in self._remembered if r.decision == decision), None)
            if again is not None:
                self._remembered.remove(again)
            self._remembered.appendleft(
                Remembered(decision=decision, first_at=now, last_at=now, times=1)
                if again is None
                else replace(again, last_at=now, times=again.times + 1)
            )
        self._log.info(
            "decided",
            model=decision.model,
            trigger=decision.trigger,
            decision=decision.verdict,
            reason=decision.reason,
            job=decision.job,
        )
        return decision

    @property
    def decisions(self) -> list[Remembered]:
        """What was decided since this process began, newest first."""
        with self._remembering:
            return list(self._remembered)

    def look(self) -> None:
        """Looks at every model's Jobs, outcomes and champion.

        Raises:
            lightkube.ApiError, httpx2.HTTPError, StoreUnavailableError, RunRecordError, ModelRefusedError: it cannot.
        """
        with self._looking:
            self.seen = {model: self._look(model) for model in self._jobs.models()}

    def _look(self, model: str) -> Seen:
        jobs = tuple(self._jobs.of(model))
        known = self._outcomes.setdefault(model, {})
        runs, registry = RunStore(self._store, model), ModelRegistry(self._store, model)
        for run in runs.runs():
            # An outcome never changes: each is read once.
            if run not in known and (outcome := runs.outcome(run)) is not None:
                known[run] = outcome
        champion = registry.champion()
        created_at = registry.manifest(champion.version).training.created_at if champion else None
        self._lost |= {job.run: job for job in jobs if job.finished_at is not None}
        lost = tuple(job for job in self._lost.values() if job.model == model and job.run not in known)
        return Seen(jobs, dict(known), created_at, lost)
