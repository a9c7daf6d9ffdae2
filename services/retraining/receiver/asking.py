"""Who asks for a run: Alertmanager's webhook, a person or the calendar, in one form."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Annotated, Literal

from lifecycle.manifest import ModelName
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from retraining.settings import Mode, Trigger


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One wish for a run of one model.

    Attributes:
        model: whose.
        trigger: who asks.
        cause: what for: the alert's name and group; empty where nothing was said.
        mode: whether a fit challenger is promoted.
        since: where the window of labelled predictions begins; none is the setting's.
    """

    model: str
    trigger: Trigger
    cause: str = ""
    mode: Mode = "enforce"
    since: AwareDatetime | None = None


@dataclass(frozen=True)
class Ignored:
    """An alert that asks for nothing, and why."""

    model: str
    reason: str


class Alert(BaseModel):
    """One alert of a notification; what retraining does not need is not looked at."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    status: Literal["firing", "resolved"]
    labels: Annotated[dict[str, str], Field(max_length=64)]


class Notification(BaseModel):
    """What Alertmanager's webhook sends, version 4."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    version: Literal["4"]
    group_key: Annotated[str, Field(alias="groupKey", min_length=1, max_length=4096)]
    alerts: Annotated[tuple[Alert, ...], Field(max_length=1000)]


class RetrainRequest(BaseModel):
    """A wish of a person or of the calendar."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: ModelName
    trigger: Literal["person", "calendar"] = "person"
    mode: Mode = "enforce"
    since: AwareDatetime | None = None


def wishes(notification: Notification, alerts: Collection[str]) -> Iterator[Asked | Ignored]:
    """What a notification asks for: a run for each model that a triggering alert fires for, once.

    Args:
        notification: a group of alerts.
        alerts: the names of those that trigger.
    """
    asked: set[str] = set()
    for alert in notification.alerts:
        name, model = alert.labels.get("alertname", ""), alert.labels.get("model", "")
        if alert.status == "resolved":
            yield Ignored(model, f"{name} is resolved")
        elif name not in alerts:
            yield Ignored(model, f"{name or 'an alert without a name'} triggers no retraining")
        elif model not in asked:
            asked.add(model)
            yield Asked(model=model, trigger="alert", cause=f"{name} {notification.group_key}")
