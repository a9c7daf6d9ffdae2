"""What starts a run, and what does not."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from retraining.receiver.asking import Asked, Ignored, Notification, wishes
from retraining.receiver.decision import Job, decide

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
ALERT = Asked(model="car-loan", trigger="alert", cause="FeatureDriftDetected {}")
RUNNING = Job(
    name="retraining-car-loan-3",
    run="uid",
    model="car-loan",
    number=3,
    trigger="alert",
    cause="",
    created_at=NOW - HOUR,
    finished_at=None,
    failed=False,
)
ENDED = replace(RUNNING, finished_at=NOW - HOUR)


@pytest.mark.parametrize(
    ("asked", "jobs", "verdict", "job"),
    [
        (ALERT, [], "started", "retraining-car-loan-1"),
        (ALERT, [RUNNING], "already_running", "retraining-car-loan-3"),
        (replace(ALERT, trigger="person"), [RUNNING], "already_running", "retraining-car-loan-3"),
        (ALERT, [ENDED], "cooling_down", ""),
        (replace(ALERT, trigger="calendar"), [ENDED], "cooling_down", ""),
        (replace(ALERT, trigger="person"), [ENDED], "started", "retraining-car-loan-4"),
        (ALERT, [replace(ENDED, finished_at=NOW - 2 * HOUR)], "started", "retraining-car-loan-4"),
        (ALERT, [replace(ENDED, failed=True)], "cooling_down", ""),
        # A clock a little behind Kubernetes' own, and one that was put back by a day.
        (ALERT, [replace(ENDED, finished_at=NOW + timedelta(seconds=5))], "cooling_down", ""),
        (ALERT, [replace(ENDED, finished_at=NOW + 24 * HOUR)], "started", "retraining-car-loan-4"),
        (ALERT, [ENDED, replace(ENDED, finished_at=NOW + 24 * HOUR)], "cooling_down", ""),
        (ALERT, [replace(ENDED, finished_at=NOW - 9 * HOUR), replace(RUNNING, number=4)], "already_running", None),
    ],
)
def test_one_run_at_a_time_and_a_pause_after_it(asked: Asked, jobs: list[Job], verdict: str, job: str | None) -> None:
    """A person need not wait for the pause; a run that failed is followed by one as well."""
    decision = decide(asked, jobs, NOW, cool_down=2 * HOUR)
    assert decision.verdict == verdict
    assert job is None or decision.job == job
    assert decision.reason


def _notification(*alerts: tuple[str, str, str]) -> Notification:
    return Notification.model_validate(
        {
            "version": "4",
            "groupKey": "{}:{}",
            "receiver": "retraining",
            "alerts": [
                {"status": status, "labels": {"alertname": name, "model": model}, "startsAt": "2026-01-31T12:00:00Z"}
                for status, name, model in alerts
            ],
        }
    )


def test_each_model_that_a_triggering_alert_fires_for_is_asked_for_once() -> None:
    """What is resolved, and alerts that do not trigger, ask for nothing and are told apart."""
    notification = _notification(
        ("firing", "FeatureDriftDetected", "a"),
        ("firing", "RealizedPerformanceLow", "a"),
        ("firing", "FeatureDriftDetected", "b"),
        ("resolved", "FeatureDriftDetected", "c"),
        ("firing", "ScoringDown", "d"),
    )
    found = list(wishes(notification, ("FeatureDriftDetected", "RealizedPerformanceLow")))
    assert [asked.model for asked in found if isinstance(asked, Asked)] == ["a", "b"]
    assert [ignored for ignored in found if isinstance(ignored, Ignored)] == [
        Ignored("c", "FeatureDriftDetected is resolved"),
        Ignored("d", "ScoringDown triggers no retraining"),
    ]
