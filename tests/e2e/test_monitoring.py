"""Monitoring on the running stack: what really goes wrong is alerted on, and clears."""

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

from tests.e2e.harness import Stack, eventually
from tests.e2e.sending import sending
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


def active(stack: Stack) -> set[str]:
    """The alerts that Alertmanager holds."""
    found = httpx.get(f"{stack.outputs['alertmanager_url']}/api/v2/alerts", timeout=10).json()
    return {alert["labels"]["alertname"] for alert in found if alert["status"]["state"] == "active"}


def wait_for(stack: Stack, names: set[str], timeout_seconds: float) -> None:
    """Until all of them are active."""
    seen = set[str]()

    def look() -> set[str]:
        seen.update(active(stack))
        return seen

    assert names <= eventually(look, lambda found: names <= found, timeout_seconds)


def wait_until_clear(stack: Stack, names: set[str], timeout_seconds: float) -> None:
    """Until none of them is active."""
    assert not names & eventually(lambda: active(stack), lambda found: not names & found, timeout_seconds)


def scale(stack: Stack, kind: str, name: str, replicas: int) -> None:
    """As an operator would."""
    namespace = "storage" if kind == "statefulset" else "ml"
    stack.kubectl("scale", f"{kind}/{name}", f"--namespace={namespace}", f"--replicas={replicas}")


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
