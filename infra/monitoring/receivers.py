"""Alertmanager's configuration: who hears of which alert. Pure; secrets are named by the file that holds them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from pydantic import SecretStr

from infra.config.alert_receivers import AlertReceivers

SECRETS: Final = "/etc/alertmanager/secrets"
"""Folder of the receivers' secrets, a file each."""

RETRAINING_TOKEN: Final = "/etc/alertmanager/retraining/token"  # noqa: S105 (a path)

_Json = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Receivers:
    """What Alertmanager is told.

    Attributes:
        config: its configuration, without a secret.
        secrets: file name in `SECRETS` to what it holds.
    """

    config: Mapping[str, Any]
    secrets: Mapping[str, SecretStr] = field(default_factory=dict)


def receivers(configured: AlertReceivers, retraining_url: str, triggers: Sequence[str]) -> Receivers:
    """Routes alerts: drift to retraining, critical ones to whoever is called, all but the watchdog to people.

    Args:
        configured: the receivers of the stack's configuration.
        retraining_url: where retraining takes alerts.
        triggers: the alerts that ask for a retraining; each carries the label `model`.
    """
    people: _Json = {"name": "people"}
    called: _Json = {"name": "called"}
    watchdog: _Json = {"name": "watchdog"}
    secrets: dict[str, SecretStr] = {}

    def kept(name: str, secret: SecretStr) -> str:
        secrets[name] = secret
        return f"{SECRETS}/{name}"

    if slack := configured.slack:
        people["slack_configs"] = [
            {
                "api_url_file": kept("slack", slack.webhook_url),
                "channel": slack.channel,
                "send_resolved": True,
                "title": "{{ .CommonLabels.severity }}: {{ .CommonLabels.alertname }}",
                "text": "{{ range .Alerts }}{{ .Annotations.summary }} {{ .Annotations.runbook }}\n{{ end }}",
            }
        ]
    if mail := configured.mail:
        people["email_configs"] = [
            {
                "to": mail.to,
                "from": mail.sender,
                "smarthost": mail.smarthost,
                "auth_username": mail.username,
                "auth_password_file": kept("mail", mail.password),
                "send_resolved": True,
            }
        ]
    if webhook := configured.webhook:
        people["webhook_configs"] = [{"url_file": kept("webhook", webhook.url), "send_resolved": True}]
    if pagerduty := configured.pagerduty:
        called["pagerduty_configs"] = [
            {
                "routing_key_file": kept("pagerduty", pagerduty.routing_key),
                "description": "{{ .CommonAnnotations.summary }}",
                "details": {"runbook": "{{ .CommonAnnotations.runbook }}"},
            }
        ]
    if switch := configured.watchdog:
        watchdog["webhook_configs"] = [{"url_file": kept("watchdog", switch.url), "send_resolved": False}]
    retraining = {
        "name": "retraining",
        "webhook_configs": [
            {
                "url": retraining_url,
                # What is over asks for nothing.
                "send_resolved": False,
                "http_config": {"authorization": {"type": "Bearer", "credentials_file": RETRAINING_TOKEN}},
            }
        ],
    }
    return Receivers(
        config={
            "route": _route(triggers),
            "inhibit_rules": _inhibitions(),
            "receivers": [people, called, watchdog, retraining],
        },
        secrets=secrets,
    )


def _route(triggers: Sequence[str]) -> _Json:
    return {
        "receiver": "people",
        "group_by": ["alertname", "model"],
        # Replicas tell of one trouble within a scrape or two of each other.
        "group_wait": "30s",
        "group_interval": "5m",
        "repeat_interval": "12h",
        "routes": [
            # A dead man's switch expects its sign of life every few minutes.
            {"matchers": ['alertname="Watchdog"'], "receiver": "watchdog", "group_wait": "0s", "repeat_interval": "5m"},
            *([_to_retraining(triggers)] if triggers else []),
            # What somebody has to look at while it happens does not wait for others of its kind.
            {
                "matchers": ['alertname="ScoringRowsUnusual"'],
                "receiver": "people",
                "group_wait": "0s",
                "group_interval": "30s",
            },
            {"matchers": ['severity="critical"'], "receiver": "called", "continue": True},
            {"matchers": ['severity=~"critical|warning"'], "receiver": "people"},
        ],
    }


def _to_retraining(triggers: Sequence[str]) -> _Json:
    return {
        "matchers": [f'alertname=~"{"|".join(triggers)}"'],
        "receiver": "retraining",
        "group_wait": "10s",
        # Asked again while it lasts: a run that was refused or cooling down gets another chance.
        "repeat_interval": "1h",
        "continue": True,
    }


def _inhibitions() -> list[_Json]:
    """What says nothing new: a symptom of what is down, and the slow burn beside the fast one."""
    return [
        {
            "source_matchers": ['alertname="ScoringDown"'],
            "target_matchers": [
                'alertname=~"Scoring.+|ModelSwapFailing|PredictionLog.+|TargetDown"',
                'alertname!="ScoringDown"',
            ],
            "equal": ["model"],
        },
        *(
            {"source_matchers": [f'alertname="{fast}"'], "target_matchers": [f'alertname="{slow}"'], "equal": ["model"]}
            for fast, slow in (
                ("ScoringErrorsHigh", "ScoringErrorsElevated"),
                ("ScoringLatencyHigh", "ScoringLatencyElevated"),
            )
        ),
    ]
