"""Whether a wish starts a run. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, TypeAlias

from retraining.receiver.asking import Asked

Verdict: TypeAlias = Literal["started", "already_running", "cooling_down", "ignored", "refused"]


@dataclass(frozen=True, kw_only=True)
class Job:
    """A run as Kubernetes knows it.

    Attributes:
        name: of the Job.
        run: its uid, which names the run for good: names come again once Jobs are removed.
        model: whose.
        number: how many came before, of those that Kubernetes still had.
        trigger: who asked.
        cause: what for.
        created_at: when it was made.
        finished_at: when it ended; none while it has not.
        failed: whether it ended without an answer.
    """

    name: str
    run: str
    model: str
    number: int
    trigger: str
    cause: str
    created_at: datetime
    finished_at: datetime | None
    failed: bool


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What became of a wish.

    Attributes:
        model: whose; empty where none was named or the one named is not known.
        trigger: who asked.
        verdict: what was decided.
        reason: why, for people.
        job: the Job that was made, or that runs.
    """

    model: str
    trigger: str
    verdict: Verdict
    reason: str
    job: str = ""


def decide(asked: Asked, jobs: Sequence[Job], now: datetime, cool_down: timedelta) -> Decision:
    """One run a model at a time, and a pause after each, which a person need not keep.

    `started` names the Job to be made. Its name follows from the model and from the Jobs that are there, so that of
    several receivers that decide at once all but one find it made already.
    """
    running = next((job for job in jobs if job.finished_at is None), None)
    if running is not None:
        return _decision(asked, "already_running", f"{running.name} has not ended", running.name)
    # A clock that was put back leaves runs that end in times to come: they must not hold the next one up until then.
    ended = [job.finished_at for job in jobs if job.finished_at is not None and job.finished_at < now + cool_down]
    if asked.trigger != "person" and ended and now < max(ended) + cool_down:
        until = max(ended) + cool_down
        return _decision(asked, "cooling_down", f"the last run has ended; the next may start at {until:%F %T} UTC")
    number = max((job.number for job in jobs), default=0) + 1
    return _decision(asked, "started", asked.cause or f"asked for by {asked.trigger}", job_name(asked.model, number))


def job_name(model: str, number: int) -> str:
    """The name of a model's Job. A model's name has 40 characters at most, so that this is a label."""
    return f"retraining-{model}-{number}"


def _decision(asked: Asked, verdict: Verdict, reason: str, job: str = "") -> Decision:
    return Decision(model=asked.model, trigger=asked.trigger, verdict=verdict, reason=reason, job=job)
