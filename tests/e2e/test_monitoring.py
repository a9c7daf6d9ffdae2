"""Monitoring on the running stack: every panel shows something; what really goes wrong is alerted on, and clears."""

import asyncio
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from threading import Event
from typing import Final

import httpx
import pytest
from lifecycle.manifest import Manifest, ModelFile
from lifecycle.registry import ModelRegistry
from lifecycle.store import ObjectStore

from monitoring.dashboards.panels import DASHBOARDS
from tests.e2e.harness import Stack, eventually
from tests.e2e.replay import sending
from toolchain.demo import traffic
from toolchain.demo.rows import DRIFT_BEGINS, Row, rows

pytestmark = pytest.mark.e2e

MODEL = "car-loan"


@dataclass(frozen=True)
class Load:
    """Clients that each send one large body after the other.

    Attributes:
        clients: how many.
        rows: in each body.
        contributions: whether they ask what each feature added, a hundred times the work of a prediction.
    """

    clients: int
    rows: int
    contributions: bool = False


SLOW: Final = Load(clients=60, rows=1000)
"""About a second of work for two cores: each answer comes, ten times later than the objective has it."""
OVERRUN: Final = Load(clients=200, rows=300, contributions=True)
"""Over a minute of work for two cores, in bodies of 100 kB: most are given up after the ten seconds of a batch."""


@pytest.fixture(scope="module")
def known() -> list[Row]:
    """Rows as in training, and from `DRIFT_BEGINS` on others."""
    return rows()


def wait_for(stack: Stack, names: set[str], timeout_seconds: float) -> None:
    """Until all of them are active."""
    seen = set[str]()

    def look() -> set[str]:
        seen.update(stack.alerts())
        return seen

    assert names <= eventually(look, lambda found: names <= found, timeout_seconds)


def wait_until_clear(stack: Stack, names: set[str], timeout_seconds: float) -> None:
    """Until none of them is active."""
    assert not names & eventually(stack.alerts, lambda found: not names & found, timeout_seconds)


def scale(stack: Stack, kind: str, name: str, replicas: int) -> None:
    """As an operator would."""
    namespace = "storage" if kind == "statefulset" else "ml"
    stack.kubectl("scale", f"{kind}/{name}", f"--namespace={namespace}", f"--replicas={replicas}")


def ask(stack: Stack, query: str) -> tuple[str, int]:
    """How Prometheus answers a dashboard's query, and with how many series."""
    url = f"{stack.outputs['prometheus_url']}/api/v1/query"
    answer = httpx.get(url, params={"query": query.replace("$model", MODEL)}, timeout=10).json()
    return answer["status"], len(answer.get("data", {}).get("result", []))


_EMPTY_HERE = {
    ("fleet", "Alerts that fire"): "none does",
    ("retraining", "Decisions, within a day"): "nobody has asked for a retraining",
    ("retraining", "Share of the requests on trial"): "no challenger is on trial",
    ("retraining", "Scored on trial, by version"): "no challenger is on trial",
}
"""Panels without data on a stack that is minutes old and well, and why."""


def test_every_panel_shows_something_under_traffic(stack: Stack, known: list[Row]) -> None:
    """Each query is answered without an error, and with data but for a short list that is stated here."""
    shown = [(one, panel) for one in DASHBOARDS if not one.needs for panel in one.panels]
    marks = [annotation.query for one in DASHBOARDS if not one.needs for annotation in one.annotations]
    assert len(shown) > 10
    assert marks

    def empty() -> set[tuple[str, str]]:
        return {(one.uid, panel.title) for one, panel in shown if ask(stack, panel.query)[1] == 0}

    with sending(stack, known[:DRIFT_BEGINS]) as outcome:
        eventually(lambda: len(outcome.answers), lambda count: count > 1500, 120)
        asyncio.run(traffic.tell(stack.outputs["scoring_url"], outcome.answers[:1000]))
        left = eventually(empty, lambda found: found <= _EMPTY_HERE.keys(), 240)
    assert left <= _EMPTY_HERE.keys(), left
    # The first version began to serve within the hours that this stack is old.
    assert all(ask(stack, f"last_over_time(({query})[3h:15s])")[1] for query in marks)
    # Those that need other exporters, for nodes and GPUs, are empty here; they are answered all the same.
    assert {ask(stack, each.query)[0] for one in DASHBOARDS for each in one.shown} == {"success"}


def test_a_champion_that_does_not_load_is_alerted_on(stack: Stack, known: list[Row]) -> None:
    """Until the pointer is back; meanwhile the former one answers every request."""
    registry = ModelRegistry(ObjectStore(stack.bucket("models")), MODEL)
    champion = registry.champion()
    assert champion is not None

    def describe(version: int, file: ModelFile) -> Manifest:
        return registry.manifest(champion.version).model_copy(update={"version": version, "file": file})

    broken = registry.publish(b"no model", describe).version
    registry.promote(broken, replacing=champion)
    with sending(stack, known[:DRIFT_BEGINS]) as outcome:
        wait_for(stack, {"ModelSwapFailing"}, 120)
        registry.promote(champion.version, replacing=registry.champion())
        wait_until_clear(stack, {"ModelSwapFailing"}, 120)
    assert outcome.answers
    assert not outcome.failures
    assert {answer.version for answer in outcome.answers} == {champion.version}


@pytest.mark.timeout(1500)
def test_what_stops_or_is_overrun_is_alerted_on(stack: Stack, known: list[Row]) -> None:
    """The object store, drift evaluation and at last scoring stop; before that far more is asked than it can answer."""
    stopped = {"PredictionLogStalled", "ServiceDown"}
    scale(stack, "statefulset", "object-store", 0)
    scale(stack, "deployment", "drift", 0)
    try:
        with loading(stack, known, SLOW):
            wait_for(stack, {"ScoringLatencyHigh"}, 300)
        with loading(stack, known, OVERRUN):
            wait_for(stack, {"ScoringErrorsHigh"}, 300)
        wait_for(stack, stopped, 480)
    finally:
        scale(stack, "statefulset", "object-store", 1)
        scale(stack, "deployment", "drift", 1)
    try:
        scale(stack, "deployment", f"scoring-{MODEL}", 0)
        wait_for(stack, {"ScoringDown"}, 300)
    finally:
        # The autoscaler steps aside at none, and takes over again at one.
        scale(stack, "deployment", f"scoring-{MODEL}", 1)
    # What the month's budget lost within half an hour is told for as long: promtool's tests see these two end.
    wait_until_clear(stack, stopped | {"ScoringDown"}, 480)


@contextmanager
def loading(stack: Stack, known: list[Row], load: Load) -> Iterator[None]:
    """A load on scoring while the block runs."""
    asked = {"rows": [row.features for row in known[: load.rows]], "contributions": load.contributions}
    ended, body = Event(), json.dumps(asked)

    def ask_on() -> None:
        with httpx.Client(base_url=stack.outputs["scoring_url"], timeout=60) as client:
            while not ended.is_set():
                with suppress(httpx.TransportError):
                    client.post("/v1/predict", content=body, headers={"content-type": "application/json"})

    with ThreadPoolExecutor(load.clients) as pool:
        asking = [pool.submit(ask_on) for _ in range(load.clients)]
        try:
            yield
        finally:
            ended.set()
            for each in asking:
                each.result(timeout=120)
