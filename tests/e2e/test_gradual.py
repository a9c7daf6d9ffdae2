"""What a fork may choose otherwise, on a running stack: drift and training on Dask, challengers by canary."""

import asyncio
import re
import time
from collections.abc import Iterator
from itertools import pairwise
from typing import Final

import httpx
import lightgbm as lgb
import numpy as np
import pytest
import yaml
from lifecycle.manifest import Manifest, ModelFile
from lifecycle.registry import ModelRegistry
from lifecycle.rollouts import Rollouts, RolloutStep
from lifecycle.store import ObjectStore

from tests.e2e.harness import GRADUAL, Stack, configure, copy_checkout, eventually, running
from tests.e2e.replay import sending
from toolchain.demo import traffic
from toolchain.demo.rows import DRIFT_BEGINS, MODEL, Row, rows

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

_ROWS: Final = 6000
"""Drifted and labelled: six chunks, and enough of the newest for the gates."""
_WORKERS: Final = 2
_SHARES: Final = (0.2, 0.6)
_LEARNED_SECONDS: Final = 5.0
"""Scoring looks every two."""

_CHOSEN: Final = yaml.safe_load(f"""
realtime-ml:dask: {{min_workers: {_WORKERS}, max_workers: {_WORKERS}}}
realtime-ml:drift: {{engine: dask}}
realtime-ml:training: {{engine: dask}}
realtime-ml:retraining:
  alerts: []
  rollout: {{mode: canary, canary_percents: [20, 60], step_minutes: 1, step_rows: 200}}
""")
"""No alert starts a run here: the test does."""


_GATES: Final = "\n[gates]\nauc_margin = 0.03\n"
"""With the margin that it comes with, 0.005, whether a challenger of so few rows passes is chance: it knows what cars
are worth now, and was trained on an eighth of the champion's rows."""


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The stack of a fork that chose so, on a cluster of its own."""
    fork = copy_checkout(tmp_path_factory.mktemp("fork") / "checkout")
    configure(fork / "Pulumi.local.yaml", _CHOSEN)
    with (fork / "models" / "car_loan" / "recipe.toml").open("a", encoding="utf-8") as recipe:
        recipe.write(_GATES)
    with running(GRADUAL, fork) as one:
        yield one


@pytest.fixture(scope="module")
def drifted() -> list[Row]:
    """Rows that are not like those in training."""
    return rows()[DRIFT_BEGINS:]


@pytest.fixture
def registry(stack: Stack) -> ModelRegistry:
    """Of the model's versions."""
    return ModelRegistry(ObjectStore(stack.bucket("models")), MODEL)


@pytest.fixture
def rollouts(stack: Stack) -> Rollouts:
    """Of the model's challengers."""
    return Rollouts(ObjectStore(stack.bucket("models")), MODEL)


def _alerts_of_car_value(stack: Stack) -> dict[int, bool]:
    """Of each evaluated chunk, by its number, whether what cars are worth is alerted on."""
    url = f"{stack.outputs['drift_url']}/v1/results"
    found = httpx.get(url, params={"model": MODEL}, timeout=20).raise_for_status().json()["results"]
    return {
        each["chunk"]: each["alert"]
        for each in found
        if (each["column"], each["method"]) == ("car_value", "jensen_shannon")
    }


def _seconds_of_workers(stack: Stack) -> float:
    """How long the workers have computed, as their scheduler counts it."""
    text = httpx.get(f"{stack.outputs['dask_dashboard_url']}/metrics", timeout=20).raise_for_status().text
    return sum(float(each) for each in re.findall(r"^dask_scheduler_tasks_compute_seconds_total\S* (\S+)$", text, re.M))


def test_workers_find_the_drift(stack: Stack, drifted: list[Row]) -> None:
    """Every chunk of drifted rows is evaluated by the cluster's workers, and their dashboard is there to be seen."""
    before = _seconds_of_workers(stack)
    outcome = asyncio.run(traffic.send(stack.outputs["scoring_url"], drifted[:_ROWS], per_second=200))
    assert (len(outcome.answers), outcome.failures) == (_ROWS, [])
    asyncio.run(traffic.tell(stack.outputs["scoring_url"], outcome.answers))
    wanted = _ROWS // 1000 - 1  # the newest may still be open
    found = eventually(lambda: _alerts_of_car_value(stack), lambda seen: len(seen) >= wanted, 180)
    assert len(found) >= wanted
    assert set(found.values()) == {True}
    assert _seconds_of_workers(stack) > before
    page = httpx.get(f"{stack.outputs['dask_dashboard_url']}/status", timeout=20)
    assert (page.status_code, "Bokeh" in page.text) == (200, True)


def _state(rollouts: Rollouts) -> str:
    current = rollouts.current()
    return "" if current is None else current.step.state


def _share(answers: list[traffic.Answer], step: RolloutStep, following: RolloutStep) -> float:
    """Of the answers between two steps those of the challenger, the seconds left out in which pods learn of a step."""
    offset = time.time() - time.monotonic()
    first, last = step.entered_at.timestamp() + _LEARNED_SECONDS, following.entered_at.timestamp()
    versions = [answer.version for answer in answers if first < answer.at + offset < last]
    return versions.count(step.version) / len(versions)


def test_a_challenger_that_workers_trained_becomes_champion_step_by_step(
    stack: Stack, drifted: list[Row], registry: ModelRegistry, rollouts: Rollouts
) -> None:
    """It answers the share of each step, no request is lost, and after the last step every pod has it as champion."""
    said = stack.make("retrain", MODEL=MODEL)
    current = rollouts.current()
    assert current is not None, said[-3000:]
    with sending(stack, drifted[_ROWS:]) as outcome:
        assert eventually(lambda: _state(rollouts), lambda seen: seen not in {"", "canary"}, 420) == "promoted"
        steps = rollouts.history()
        eventually(lambda: {answer.version for answer in outcome.answers[-100:]}, lambda seen: seen == {2}, 60)
    assert outcome.failures == []
    assert {answer.version for answer in outcome.answers[-50:]} == {2}
    assert tuple(step.share for step in steps) == (0.0, *_SHARES, 1.0)
    for step, following in pairwise(steps[1:]):
        assert abs(_share(outcome.answers, step, following) - step.share) < 0.05, step
    champion = registry.champion()
    assert champion is not None
    assert champion.version == 2
    assert registry.manifest(2).training.parameters["num_machines"] == _WORKERS


def test_a_canary_that_predicts_otherwise_is_taken_back(
    stack: Stack, drifted: list[Row], registry: ModelRegistry, rollouts: Rollouts
) -> None:
    """By itself, in its first step; no request is lost, the champion answers on, and an alert tells people."""
    champion = registry.champion()
    assert champion is not None
    # Its first trees alone: probabilities near the mean of all.
    stunted = lgb.Booster(model_str=registry.load(champion.version).text).model_to_string(num_iteration=3)
    manifest = registry.manifest(champion.version)
    vectors = np.asarray([manifest.feature_schema.encode(row.features) for row in manifest.parity])
    answers = np.asarray(lgb.Booster(model_str=stunted).predict(vectors))
    parity = tuple(
        row.model_copy(update={"outputs": (float(answer).hex(),)})
        for row, answer in zip(manifest.parity, answers, strict=True)
    )

    def describe(version: int, file: ModelFile) -> Manifest:
        return manifest.model_copy(update={"version": version, "file": file, "parity": parity})

    version = registry.publish(stunted.encode(), describe).version
    with sending(stack, drifted[_ROWS:]) as outcome:
        rollouts.begin(version, "canary", champion, actor="a test", reason="a worse one")
        assert eventually(lambda: _state(rollouts), lambda seen: seen not in {"", "canary"}, 180) == "taken_back"
        alerts = eventually(stack.alerts, lambda seen: "RolloutTakenBack" in seen, 180)
    (*_, widened, last) = rollouts.history()
    assert (widened.share, last.cause) == (_SHARES[0], "prediction_drift")
    assert registry.champion() == champion
    assert "RolloutTakenBack" in alerts
    assert outcome.failures == []
    versions = [answer.version for answer in outcome.answers]
    assert version in versions
    assert set(versions[-100:]) == {champion.version}
