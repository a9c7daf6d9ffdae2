"""Rollouts for real: a scoring process under load, the object store, Prometheus, and the keeper that moves the pointer.

A good canary becomes champion, a bad one is taken back, by themselves; no request fails meanwhile, and every answer is
that of the version which it names, bit for bit.
"""

import json
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, Final

import httpx2
import lightgbm as lgb
import numpy as np
import pytest
from lifecycle.features import CategoricalFeature
from lifecycle.manifest import Manifest, ModelFile
from lifecycle.registry import ModelRegistry
from lifecycle.rollouts import RolloutMode, Rollouts, RolloutStep
from retraining.rollout.keeper import Keeper
from retraining.rollout.observation import Prometheus
from retraining.rollout.settings import RolloutSettings
from retraining.training import Trained
from tests.services.scoring.challengers import publish, shifted, shorter, slower, without_a_category
from tests.services.scoring.process.object_store import ObjectStoreServer
from tests.services.scoring.process.prometheus import PrometheusServer
from tests.services.scoring.process.service import SERVICES, Service, eventually

StartService = Callable[..., Service]
Describe = Callable[[int, ModelFile], Manifest]

SETTINGS: Final = RolloutSettings(
    canary_shares=(0.2, 0.6),
    step_seconds=2,
    step_rows=100,
    latency_ratio_limit=2.0,
    latency_floor_seconds=0.00005,
)
PAUSE_SECONDS: Final = 0.002
"""Between two requests: some hundreds a second, which leaves the machine its breath."""


class Clients(threading.Thread):
    """Asks the same rows again and again, one after the other, and checks each answer."""

    def __init__(self, service: Service, rows: list[dict[str, Any]]) -> None:
        """Args: whom to ask, and for what."""
        super().__init__(daemon=True)
        self._service = service
        self._bodies = [json.dumps({"rows": [row]}).encode() for row in rows]
        self.expected: dict[int, list[float]] = {}
        """What each version answers to each row."""
        self.versions: Counter[int] = Counter()
        self.wrong: list[object] = []
        self.over = threading.Event()

    def run(self) -> None:
        """See Thread."""
        with closing(self._service.connect()) as connection:
            self._ask(connection)

    def _ask(self, connection: HTTPConnection) -> None:
        number = 0
        while not self.over.wait(PAUSE_SECONDS):
            place = number % len(self._bodies)
            number += 1
            connection.request("POST", "/v1/predict", self._bodies[place], {"content-type": "application/json"})
            answer = connection.getresponse()
            body = json.loads(answer.read())
            version = body.get("model", {}).get("version", 0)
            right = self.expected.get(version, [None] * len(self._bodies))[place]
            if answer.status != 200 or body["predictions"][0]["probability"] != right:
                self.wrong.append((answer.status, body, right))
            self.versions[version] += 1


class World:
    """All of it, with version 1 as champion."""

    def __init__(
        self,
        service: Service,
        object_store: ObjectStoreServer,
        prometheus: Prometheus,
        trained: Trained,
        describe: Describe,
    ) -> None:
        """Starts the clients."""
        self.service, self.trained, self.describe = service, trained, describe
        store = object_store.bucket("models")
        self.registry, self.rollouts = ModelRegistry(store, "car-loan"), Rollouts(store, "car-loan")
        self.keeper = Keeper(store, SETTINGS, prometheus)
        manifest = self.registry.manifest(1)
        _, self.feature, self.category = without_a_category(manifest)
        known = [dict(row.features) for row in trained.parity]
        # A fifth of the rows have the category that one of the challengers will not know.
        usual = next(f for f in manifest.feature_schema.features if isinstance(f, CategoricalFeature)).categories[0]
        self.rows = [row | {self.feature: usual} for row in known] * 4 + [
            row | {self.feature: self.category} for row in known
        ]
        self.clients = Clients(service, self.rows)
        self.clients.expected[1] = self.answers(trained.text)
        self.clients.start()

    def answers(self, text: str) -> list[float]:
        """What a model answers to the clients' rows."""
        encoded = np.array([self.trained.train.schema.encode(row) for row in self.rows])
        return [float(output) for output in np.asarray(lgb.Booster(model_str=text).predict(encoded)).ravel()]

    def add(self, text: str) -> int:
        """Publishes a challenger and says what to expect of it."""
        version = publish(self.registry, text, self.trained, self.describe)
        self.clients.expected[version] = self.answers(text)
        return version

    def begin(self, version: int, mode: RolloutMode) -> None:
        """Puts it on trial."""
        champion = self.registry.champion()
        assert champion is not None
        self.rollouts.begin(version, mode, champion, actor="test", reason="test")

    def roll_out(self, version: int, mode: RolloutMode = "canary") -> list[RolloutStep]:
        """Puts it on trial and watches until that is over; the steps."""
        first = len(self.rollouts.history())
        self.begin(version, mode)
        deadline = time.monotonic() + 60
        while (current := self.rollouts.current()) is not None and current.step.running:
            assert time.monotonic() < deadline, current.step
            self.keeper.look(["car-loan"])
            time.sleep(0.2)
        return self.rollouts.history(after=first)

    def serves_alone(self, version: int) -> bool:
        """Whether the process has this champion and no challenger."""
        return (
            self.service.metric("scoring_model_info", version=str(version)) == 1
            and self.service.metric("scoring_trial_share") == 0
        )

    def lifecycle(self, environment: dict[str, str], *words: str) -> None:
        """What a person types."""
        command = [sys.executable, "-m", "lifecycle", *words, "--actor", "ann", "--reason", "test"]
        done = subprocess.run(command, cwd=SERVICES, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


@pytest.fixture
def world(
    start: StartService, object_store: ObjectStoreServer, tmp_path: Path, trained: Trained, describe: Describe
) -> Iterator[World]:
    """Under load from the first moment; at the end nobody was answered wrongly."""
    service = start(**object_store.environment, SCORING_POLL_SECONDS="0.2")
    service.wait_until("/ready", 200)
    server = PrometheusServer(tmp_path / "prometheus", service.port)
    try:
        with httpx2.Client(base_url=server.url) as client:
            world = World(service, object_store, Prometheus(client), trained, describe)
            yield world
            world.clients.over.set()
            world.clients.join(30)
        assert not world.clients.is_alive()
        assert world.clients.wrong == []
    finally:
        server.stop()


def test_a_good_canary_becomes_champion_and_a_person_can_go_back(world: World, object_store: ObjectStoreServer) -> None:
    """Through its steps, each with more of the requests; then to the former champion by the command line."""
    second = world.add(shorter(world.trained))
    steps = world.roll_out(second)
    assert [(step.state, step.share) for step in steps] == [
        ("canary", 0.0),
        ("canary", 0.2),
        ("canary", 0.6),
        ("promoted", 1.0),
    ]
    assert world.clients.versions[second] >= 2 * SETTINGS.step_rows
    eventually(lambda: world.serves_alone(second), "the challenger is champion everywhere")
    third = world.add(f"{world.trained.text}\n")
    world.begin(third, "canary")
    world.keeper.look(["car-loan"])
    eventually(lambda: world.service.metric("scoring_trial_share", version=str(third)) > 0, "the next is on trial")
    world.lifecycle(object_store.environment, "rollback", "1")
    # The looks of the process are 0.24 s apart at most; the rest is for a busy machine.
    eventually(lambda: world.serves_alone(1), "the former champion serves alone", seconds=10)
    world.keeper.look(["car-loan"])
    assert world.rollouts.history()[-1].cause == "champion_changed"


def test_a_bad_canary_is_taken_back_by_itself(world: World) -> None:
    """For each bound one that breaks it and no other; the champion was never moved."""
    manifest, _, _ = without_a_category(world.registry.manifest(1))
    taken = {
        "prediction_drift": world.add(shifted(world.trained, 4.0)),
        "latency": world.add(slower(world.trained, 1000)),
    }
    unknowing = world.registry.publish(
        f"{world.trained.text}\n".encode(),
        lambda number, file: manifest.model_copy(update={"version": number, "file": file}),
    )
    world.clients.expected[unknowing.version] = world.answers(world.trained.text)
    taken["error_rate"] = unknowing.version
    for cause, version in taken.items():
        steps = world.roll_out(version)
        assert (steps[-1].state, steps[-1].cause) == ("taken_back", cause), steps[-1].reason
        eventually(lambda: world.serves_alone(1), "the champion serves alone")
    champion = world.registry.champion()
    assert champion is not None
    assert champion.version == 1
    assert len(world.registry.history()) == 1
    assert world.clients.versions[taken["prediction_drift"]] > 0


def test_a_shadow_answers_nobody_and_is_judged_all_the_same(world: World) -> None:
    """A drifted one is taken back, a good one becomes champion."""
    drifted, good = world.add(shifted(world.trained, 4.0)), world.add(shorter(world.trained))
    assert world.roll_out(drifted, "shadow")[-1].cause == "prediction_drift"
    world.begin(good, "shadow")
    world.keeper.look(["car-loan"])
    eventually(lambda: world.service.metric("scoring_trial_requests_total", role="shadow") > 50, "it scores")
    assert set(world.clients.versions) == {1}
    assert world.roll_out(good, "shadow")[-1].state == "promoted"
    eventually(lambda: world.serves_alone(good), "the challenger is champion everywhere")
