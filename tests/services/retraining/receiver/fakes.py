"""A cluster in memory, for the receiver."""

from dataclasses import replace
from datetime import UTC, datetime

from retraining.receiver.asking import Asked
from retraining.receiver.decision import Job
from retraining.receiver.jobs import JobExistsError, NoTemplateError

START = datetime(2026, 1, 31, 12, tzinfo=UTC)
"""When every Job of it begins."""


class FakeJobs:
    """A cluster that runs nothing."""

    def __init__(self) -> None:
        """Empty, and answering."""
        self.jobs: list[Job] = []
        self.error: Exception | None = None
        self.templates = ["car-loan", "other"]

    def models(self) -> list[str]:
        """Those that have a template."""
        if self.error:
            raise self.error
        return self.templates

    def of(self, model: str) -> list[Job]:
        """The Jobs of a model."""
        if self.error:
            raise self.error
        return [job for job in self.jobs if job.model == model]

    def create(self, name: str, number: int, asked: Asked) -> None:
        """Makes one, once."""
        if asked.model not in self.templates:
            message = f"no CronJob retraining-{asked.model}"
            raise NoTemplateError(message)
        if any(job.name == name for job in self.jobs):
            raise JobExistsError(name)
        self.jobs.append(
            Job(
                name=name,
                run=f"uid-{name}",
                model=asked.model,
                number=number,
                trigger=asked.trigger,
                cause=asked.cause,
                created_at=START,
                finished_at=None,
                failed=False,
            )
        )

    def end(self, *, failed: bool = False, at: datetime = START) -> None:
        """Ends the newest Job."""
        self.jobs.append(replace(self.jobs.pop(), finished_at=at, failed=failed))
