"""Who hears of which alert, and that no secret stands in Alertmanager's configuration."""

import json
import shutil
import subprocess
from pathlib import Path

import pulumi
import pytest
from pydantic import SecretStr

from infra.config import places, reading
from infra.config.alert_receivers import AlertReceivers, MailReceiver, PagerDutyReceiver, SlackReceiver, WebhookReceiver
from infra.config.reading import ConfigError, parse
from infra.config.retraining import RetrainingConfig
from infra.monitoring.prometheus_config import rule_subjects
from infra.monitoring.receivers import RETRAINING_TOKEN, SECRETS, receivers
from infra.naming import PROJECT
from infra.platform import MetricsSource
from monitoring import rules
from tests.infra.harness import SECRET_KEY, configuration, render

HIDDEN = "hidden"
EVERY = AlertReceivers(
    slack=SlackReceiver(channel="#alerts", webhook_url=SecretStr(f"https://{HIDDEN}")),
    mail=MailReceiver(
        to="a@example.org", sender="b@example.org", smarthost="mail:587", username="b", password=SecretStr(HIDDEN)
    ),
    pagerduty=PagerDutyReceiver(routing_key=SecretStr(HIDDEN)),
    webhook=WebhookReceiver(url=SecretStr(f"https://{HIDDEN}")),
    watchdog=WebhookReceiver(url=SecretStr(f"https://{HIDDEN}")),
)
URL = "http://retraining/v1/alerts"
RETRAINING_TRIGGERS = RetrainingConfig().alerts


def test_no_secret_stands_in_the_configuration() -> None:
    """It is a ConfigMap, which everybody may read."""
    told = receivers(EVERY, URL, RETRAINING_TRIGGERS)
    text = json.dumps(told.config)
    assert HIDDEN not in text
    assert told.secrets.keys() == {"slack", "mail", "pagerduty", "webhook", "watchdog"}
    assert all(f"{SECRETS}/{name}" in text for name in told.secrets)


def test_retraining_hears_of_its_triggers_without_any_configuration() -> None:
    """The loop closes by default."""
    config = receivers(AlertReceivers(), URL, RETRAINING_TRIGGERS).config
    (hook,) = next(one for one in config["receivers"] if one["name"] == "retraining")["webhook_configs"]
    assert (hook["url"], hook["http_config"]["authorization"]["credentials_file"]) == (URL, RETRAINING_TOKEN)
    (route,) = [one for one in config["route"]["routes"] if one["receiver"] == "retraining"]
    assert route["matchers"] == [f'alertname=~"{"|".join(RETRAINING_TRIGGERS)}"']
    known = {rule.name for file in rules.read(rules.subjects()) for rule in file.rules if rule.is_alert}
    assert set(RETRAINING_TRIGGERS) <= known


def test_an_unusual_row_is_told_at_once() -> None:
    """To the webhook too, whose program may act: without waiting for others of its kind."""
    routes = receivers(EVERY, URL, RETRAINING_TRIGGERS).config["route"]["routes"]
    (route,) = [one for one in routes if one["matchers"] == ['alertname="ScoringRowsUnusual"']]
    assert (route["receiver"], route["group_wait"]) == ("people", "0s")
    people = next(one for one in receivers(EVERY, URL, ()).config["receivers"] if one["name"] == "people")
    assert people["webhook_configs"] == [{"url_file": f"{SECRETS}/webhook", "send_resolved": True}]


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ({"slack": {"channel": "#a"}}, "alert_receivers.slack.webhook_url"),
        ({"pagerduty": {}}, "alert_receivers.pagerduty.routing_key"),
        ({"webhook": {}}, "alert_receivers.webhook.url"),
    ],
)
def test_a_receiver_without_its_secret_is_refused(given: dict[str, object], path: str) -> None:
    """At preview, before anything is made."""
    with pytest.raises(ConfigError) as caught:
        parse(configuration(alert_receivers=given), [SECRET_KEY, f"{PROJECT}:alert_receivers"])
    assert [problem.path for problem in caught.value.problems] == [f"{PROJECT}:{path}"]


def test_a_receiver_without_its_secret_ends_the_program_by_file_and_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`pulumi preview` runs the program: it says so and changes nothing."""
    (tmp_path / "Pulumi.local.yaml").write_text(
        "config:\n"
        f"  {PROJECT}:platform: local\n"
        f"  {PROJECT}:alert_receivers:\n"
        "    webhook: {url: {secure: x}}\n"
        '    slack: {channel: "#alerts"}\n',
        encoding="utf-8",
    )
    monkeypatch.setattr(reading, "_ROOT", tmp_path)
    given = {"slack": {"channel": "#alerts"}}
    wanted = rf"(?s)nothing was changed.*Pulumi\.local\.yaml:5: {PROJECT}:alert_receivers\.slack\.webhook_url: not set"
    with pytest.raises(pulumi.RunError, match=wanted):
        render(configuration(alert_receivers=given))


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (f"{PROJECT}:models[1].name", 4),
        (f"{PROJECT}:models[1].colour", 4),
        (f"{PROJECT}:scoring.resources.cpu_limit_millicores", 6),
        (f"{PROJECT}:drift", None),
    ],
)
def test_a_property_is_found_or_the_section_that_lacks_it(path: str, line: int | None) -> None:
    """A list's entry by its place."""
    text = f"config:\n  {PROJECT}:models:\n    - name: a\n    - name: b\n  {PROJECT}:scoring:\n    resources: {{}}\n"
    assert places.line(text, path) == line


def test_rules_on_what_nothing_exports_are_left_out() -> None:
    """Their absence would be an alert for ever."""
    available = ["cluster_metrics", "gpu", "scoring"]
    cluster = {MetricsSource.KUBE_STATE_METRICS, MetricsSource.NODE_EXPORTER}
    assert rule_subjects(available, []) == ["scoring"]
    assert rule_subjects(available, cluster) == ["cluster_metrics", "scoring"]
    assert rule_subjects(available, set(MetricsSource)) == available


@pytest.mark.engine
@pytest.mark.parametrize("configured", [AlertReceivers(), EVERY])
def test_alertmanager_takes_the_configuration(configured: AlertReceivers, tmp_path: Path) -> None:
    """Alertmanager's own tool reads it."""
    amtool = shutil.which("amtool")
    assert amtool, "amtool is not on PATH: `make test-engine` puts it there"
    file = tmp_path / "alertmanager.json"
    file.write_text(json.dumps(receivers(configured, URL, RETRAINING_TRIGGERS).config), encoding="utf-8")
    done = subprocess.run([amtool, "check-config", str(file)], capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 0, done.stdout + done.stderr
