"""Who hears of alerts."""

from typing import Annotated

from pydantic import Field, SecretStr

from infra.config.fields import SecretUrl
from infra.section import Section

MailAddress = Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+\.[^@\s]+$", description="a mail address")]


class SlackReceiver(Section):
    """A channel that hears of every alert."""

    channel: Annotated[str, Field(pattern=r"^#\S+$", description="such as #alerts")]
    webhook_url: Annotated[SecretUrl, Field(description="Slack's incoming webhook; set with --secret")]


class MailReceiver(Section):
    """An address that hears of every alert."""

    to: MailAddress
    sender: MailAddress
    smarthost: Annotated[str, Field(pattern=r"^[^\s:]+:[0-9]{1,5}$", description="host:port that takes mail, with TLS")]
    username: Annotated[str, Field(min_length=1, description="who sends")]
    password: Annotated[SecretStr, Field(description="set with --secret")]


class PagerDutyReceiver(Section):
    """Whoever is on call, for critical alerts."""

    routing_key: Annotated[SecretStr, Field(description="of an Events API v2 integration; set with --secret")]


class WebhookReceiver(Section):
    """A program that hears of alerts, as Alertmanager's webhook sends them."""

    url: Annotated[SecretUrl, Field(description="https; set with --secret")]


class AlertReceivers(Section):
    """Who hears of alerts; nobody but retraining when empty. One secret stored encrypted makes the section one."""

    slack: SlackReceiver | None = None
    mail: MailReceiver | None = None
    pagerduty: PagerDutyReceiver | None = None
    webhook: WebhookReceiver | None = None
    watchdog: Annotated[
        WebhookReceiver | None, Field(description="a dead man's switch, called every five minutes while alerting works")
    ] = None
