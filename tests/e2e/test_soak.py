"""The running stack under a steady load for ten minutes, with all that happens to it in a day; what it shows then."""

import asyncio
import json

import httpx
import pytest

from monitoring.dashboards.panels import DASHBOARDS, Panel
from tests.e2e.harness import Stack, eventually
from tests.e2e.sending import sending
from toolchain.demo import traffic
from toolchain.demo.rows import DRIFT_BEGINS, MODEL, rows
from toolchain.reference.reliability import SOAK

pytestmark = pytest.mark.e2e


@pytest.mark.timeout(1500)
def test_ten_minutes_at_half_the_capacity_grow_nothing_and_lose_nothing(stack: Stack) -> None:
    """`make soak` fails where a claim does not hold; the hour that it takes otherwise says the same of more swaps."""
    stack.make("soak", MINUTES="10", PAGE="")
    found = json.loads(SOAK.read_text(encoding="utf-8"))[-1]
    assert (found["minutes"], found["share"]) == (10, 0.5)
    assert found["requests"] == found["acknowledged"] == found["logged"]["distinct"] == found["logged"]["rows"] > 10_000
    assert {each["service"] for each in found["growth"]} == {"scoring", "drift", "retraining"}
    assert [one["claim"] for one in found["verdicts"] if not one["met"]] == []


def ask(stack: Stack, panel: Panel) -> tuple[str, int]:
    """How Prometheus answers a panel's query, and with how many series."""
    url = f"{stack.outputs['prometheus_url']}/api/v1/query"
    answer = httpx.get(url, params={"query": panel.query.replace("$model", MODEL)}, timeout=10).json()
    return answer["status"], len(answer.get("data", {}).get("result", []))


_EMPTY_HERE = {
    ("fleet", "Alerts that fire"): "none does",
    ("retraining", "Decisions, within a day"): "nobody has asked for a retraining",
    ("retraining", "Share of the requests on trial"): "no challenger is on trial",
    ("retraining", "Scored on trial, by version"): "no challenger is on trial",
}
"""Panels without data on a stack that is minutes old and well, and why."""


def test_every_panel_shows_something_under_traffic(stack: Stack) -> None:
    """Each query is answered without an error, and with data but for a short list that is stated here.

    After the soak, which has filled what hours of traffic fill elsewhere.
    """
    shown = [(one, panel) for one in DASHBOARDS if not one.needs for panel in one.panels]
    assert len(shown) > 10

    def empty() -> set[tuple[str, str]]:
        return {(one.uid, panel.title) for one, panel in shown if ask(stack, panel)[1] == 0}

    with sending(stack, rows()[:DRIFT_BEGINS]) as outcome:
        eventually(lambda: len(outcome.answers), lambda count: count > 1500, 120)
        asyncio.run(traffic.tell(stack.outputs["scoring_url"], outcome.answers[:1000]))
        left = eventually(empty, lambda found: found <= _EMPTY_HERE.keys(), 240)
    assert {ask(stack, panel)[0] for _, panel in shown} == {"success"}
    assert left <= _EMPTY_HERE.keys(), left
