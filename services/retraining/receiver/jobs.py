"""The Jobs of a namespace, made from the suspended CronJob of each model."""

import threading
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Final, Protocol

from lightkube import ApiError, Client
from lightkube.models.batch_v1 import JobSpec
from lightkube.models.core_v1 import EnvVar
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.operators import exists
from lightkube.resources.batch_v1 import CronJob
from lightkube.resources.batch_v1 import Job as KubernetesJob

from retraining.receiver.asking import Asked
from retraining.receiver.decision import Job

_CALLING: Final = threading.Lock()
"""One call at a time: msgspec, which lightkube reads answers with, ends the process with a segmentation fault where two
threads meet a type for the first time. A call takes milliseconds."""

NUMBER: Final = "retraining.realtime-ml/number"
TRIGGER: Final = "retraining.realtime-ml/trigger"
CAUSE: Final = "retraining.realtime-ml/cause"
_MODEL: Final = "app.kubernetes.io/instance"
_TEMPLATES: Final = {"app.kubernetes.io/name": "retraining", "app.kubernetes.io/component": "training"}
"""The labels of CronJobs that are there to make Jobs from; the calendar's are others."""

_ENDED: Final = ("Complete", "Failed")


class JobExistsError(Exception):
    """Somebody else has made the Job."""


class NoTemplateError(Exception):
    """A model has no CronJob to make a Job from."""


class Jobs(Protocol):
    """What the receiver does to the cluster."""

    def models(self) -> list[str]:
        """The models that have a template, and so may be retrained."""

    def of(self, model: str) -> list[Job]:
        """The Jobs of a model that the cluster still has."""

    def create(self, name: str, number: int, asked: Asked) -> None:
        """Makes a Job.

        Raises:
            JobExistsError: there is one of this name.
            NoTemplateError: the model has no template.
        """


class ClusterJobs:
    """The Jobs of a real cluster. Methods raise lightkube's ApiError or an httpx2 error where it does not answer."""

    def __init__(self, client: Client, namespace: str) -> None:
        """Args: the API server, and where the Jobs are."""
        self._client = client
        self._namespace = namespace

    def models(self) -> list[str]:
        """The models that have a template."""
        with _CALLING:
            found = list(self._client.list(CronJob, namespace=self._namespace, labels=dict(_TEMPLATES)))
        return sorted(((cron_job.metadata or ObjectMeta()).labels or {})[_MODEL] for cron_job in found)

    def of(self, model: str) -> list[Job]:
        """The Jobs of a model that the cluster still has."""
        # The number marks the receiver's own: the stack has other Jobs of a model.
        with _CALLING:
            listing = self._client.list(
                KubernetesJob, namespace=self._namespace, labels={_MODEL: model, NUMBER: exists()}
            )
            found = list(listing)
        return [_job(job) for job in found]

    def create(self, name: str, number: int, asked: Asked) -> None:
        """Makes a Job from the template of its model."""
        try:
            with _CALLING:
                template = self._client.get(CronJob, template_name(asked.model), namespace=self._namespace)
        except ApiError as error:
            if error.status.code != HTTPStatus.NOT_FOUND:
                raise
            message = f"namespace {self._namespace} has no CronJob {template_name(asked.model)}"
            raise NoTemplateError(message) from None
        job_template = template.spec.jobTemplate if template.spec else None
        if job_template is None or job_template.spec is None:
            message = f"CronJob {template_name(asked.model)} holds no Job"
            raise NoTemplateError(message)
        labels = (job_template.metadata.labels if job_template.metadata else None) or {}
        body = KubernetesJob(
            metadata=ObjectMeta(
                name=name,
                namespace=self._namespace,
                labels={**labels, _MODEL: asked.model, NUMBER: str(number)},
                annotations={TRIGGER: asked.trigger, CAUSE: asked.cause[:1000]},
            ),
            spec=_told(job_template.spec, asked),
        )
        try:
            with _CALLING:
                self._client.create(body, namespace=self._namespace)
        except ApiError as error:
            if error.status.code == HTTPStatus.CONFLICT:
                raise JobExistsError(name) from None
            raise


def template_name(model: str) -> str:
    """The CronJob that holds the Job of a model."""
    return f"retraining-{model}"


def _told(spec: JobSpec, asked: Asked) -> JobSpec:
    """The Job with what this run is to know."""
    told: dict[str, str] = {"RETRAINING_TRIGGER": asked.trigger}
    if asked.mode == "dry_run":  # else the template's own: a stack that is dry by configuration stays so
        told["RETRAINING_MODE"] = asked.mode
    if asked.since is not None:
        told["RETRAINING_SINCE"] = asked.since.isoformat()
    for container in (spec.template.spec.containers if spec.template.spec else None) or []:
        kept = [variable for variable in container.env or [] if variable.name not in told]
        container.env = [*kept, *(EnvVar(name=name, value=value) for name, value in told.items())]
    return spec


def _job(job: KubernetesJob) -> Job:
    metadata, status = job.metadata or ObjectMeta(), job.status
    annotations, labels = metadata.annotations or {}, metadata.labels or {}
    ended = next(
        (c for c in (status.conditions if status else None) or [] if c.type in _ENDED and c.status == "True"), None
    )
    created_at = _utc(metadata.creationTimestamp)
    return Job(
        name=metadata.name or "",
        run=metadata.uid or "",
        model=labels.get(_MODEL, ""),
        number=int(labels.get(NUMBER, "0")),
        trigger=annotations.get(TRIGGER, ""),
        cause=annotations.get(CAUSE, ""),
        created_at=created_at,
        finished_at=None if ended is None else _utc(ended.lastTransitionTime),
        failed=ended is not None and ended.type == "Failed",
    )


def _utc(moment: datetime | None) -> datetime:
    return datetime.now(UTC) if moment is None else moment.astimezone(UTC)
