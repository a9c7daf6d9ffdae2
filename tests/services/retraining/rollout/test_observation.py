"""What Prometheus says becomes what both versions did; whatever else it says, nothing was seen."""

import json
from datetime import UTC, datetime
from math import inf

import httpx2
import pytest
from lifecycle.rollouts import RolloutStep
from monitoring import promql, rules
from retraining.rollout.observation import Prometheus, UnobservedError
from retraining.rollout.trial import Buckets, Side

STEP = RolloutStep(
    sequence=1,
    version=12,
    state="canary",
    share=0.05,
    champion_version=9,
    champion_tag="a",
    entered_at=datetime(2026, 5, 1, tzinfo=UTC),
    actor="test",
    reason="test",
)


def answer(*samples: tuple[dict[str, str], str]) -> bytes:
    """As Prometheus writes it."""
    result = [{"metric": labels, "value": [1700000000.1, value]} for labels, value in samples]
    return json.dumps({"status": "success", "data": {"resultType": "vector", "result": result}}).encode()


ANSWERS = {
    "scoring_trial_requests_total": answer(
        ({"role": "canary", "outcome": "answered"}, "40"),
        ({"role": "canary", "outcome": "failed"}, "2"),
        ({"role": "champion", "outcome": "answered"}, "800.5"),
    ),
    "scoring_trial_duration_seconds": answer(
        ({"role": "canary", "le": "+Inf"}, "40"),
        ({"role": "canary", "le": "0.001"}, "30"),
        ({"role": "champion", "le": "0.001"}, "NaN"),
    ),
    "scoring_trial_output": answer(({"role": "canary", "le": "0.5"}, "10"), ({"role": "canary", "le": "+Inf"}, "9.99")),
    "scoring_trial_refused": answer(({}, "0")),
    "scoring_trial_share": answer(({}, "2")),
}


def prometheus(asked: list[str], answers: dict[str, bytes], status: int = 200) -> Prometheus:
    """One that answers by the metric that a query is about."""

    def answered(request: httpx2.Request) -> httpx2.Response:
        query = request.url.params["query"]
        asked.append(query)
        return httpx2.Response(status, content=next(body for name, body in answers.items() if name in query))

    return Prometheus(httpx2.Client(base_url="http://prometheus", transport=httpx2.MockTransport(answered)))


def test_both_sides_are_read() -> None:
    """Buckets by their bounds, never falling; what is no number is nothing."""
    found = prometheus([], ANSWERS).observe("car-loan", STEP, 60)
    assert found.challenger == Side(
        answered=40, failed=2, seconds=Buckets((0.001, inf), (30, 40)), outputs=Buckets((0.5, inf), (10, 10))
    )
    assert (found.champion.answered, found.champion.seconds.total, found.refused) == (800.5, 0, 0)


def test_every_query_asks_for_what_scoring_exports() -> None:
    """By the catalogue, over the time since the step began, of both versions and no other."""
    asked: list[str] = []
    prometheus(asked, ANSWERS).observe("car-loan", STEP, 61.2)
    for query in asked:
        promql.check(query, rules.recorded(rules.read(rules.subjects())))
    assert sum("[62s]" in query and 'version=~"12|9"' in query for query in asked) == 3


@pytest.mark.parametrize(
    ("answers", "status"),
    [
        (ANSWERS, 503),
        (dict.fromkeys(ANSWERS, b"<html>"), 200),
        (ANSWERS | {"scoring_trial_refused": answer(), "scoring_trial_share": answer()}, 200),
    ],
    ids=["it is away", "it is something else", "no pod tells of the trial"],
)
def test_else_nothing_was_seen(answers: dict[str, bytes], status: int) -> None:
    """Which the keeper bears for a while."""
    with pytest.raises(UnobservedError):
        prometheus([], answers, status).observe("car-loan", STEP, 60)


def test_a_connection_that_fails_is_nothing_seen() -> None:
    """Whatever the client raises."""
    with pytest.raises(UnobservedError, match="cannot be asked"):
        Prometheus.at("http://127.0.0.1:9").observe("car-loan", STEP, 60)
