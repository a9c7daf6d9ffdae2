"""The real process: it starts, it says why it cannot, and it stops without losing a request."""

import http.client
import json
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from lifecycle.manifest import Manifest, ModelFile
from lifecycle.registry import ModelRegistry
from lifecycle.store import ObjectStore
from obstore.store import LocalStore
from retraining.training import Trained
from scoring.server import Drain
from tests.services.scoring.process.service import Service

StartService = Callable[..., Service]
CLOSED_CONNECTIONS = 3
"""How many closed connections each client takes before it goes elsewhere."""


@dataclass
class Client(threading.Thread):
    """Sends requests on a kept-alive connection, and connects anew when it is told to close."""

    service: Service
    body: bytes
    statuses: list[int] = field(default_factory=list)
    headers: set[str] = field(default_factory=set)
    told_to_close: int = 0
    lost: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Makes it a thread."""
        super().__init__(daemon=True)

    def __hash__(self) -> int:
        """Threads are kept in sets."""
        return id(self)

    def run(self) -> None:
        """Until the server closed a few connections, or lost a request."""
        connection = self.service.connect()
        while self.told_to_close < CLOSED_CONNECTIONS:
            try:
                connection.request("POST", "/v1/predict", self.body, {"content-type": "application/json"})
                response = connection.getresponse()
                response.read()
            except (OSError, http.client.HTTPException) as error:
                self.lost.append(repr(error))
                return
            self.statuses.append(response.status)
            self.headers |= {name.lower() for name, _ in response.getheaders()}
            if response.getheader("connection", "").lower() == "close":
                self.told_to_close += 1
                connection.close()


@pytest.mark.usefixtures("registry")
def test_a_process_told_to_stop_loses_no_request(start: StartService, row: dict[str, Any]) -> None:
    """Under kept-alive load: all answered, each answer closes its connection, not ready meanwhile, exit status 0.

    The drain is longer than any machine is slow; a second signal ends it.
    """
    service = start(SCORING_DRAIN_SECONDS="600")
    service.wait_until("/ready", 200)
    body = json.dumps({"rows": [row]}).encode()
    clients = [Client(service, body) for _ in range(4)]
    for client in clients:
        client.start()
    while any(client.is_alive() and len(client.statuses) < 10 for client in clients):
        time.sleep(0.01)
    service.process.send_signal(signal.SIGTERM)
    assert service.wait_until("/ready", 503)["error"]["code"] == "draining"
    assert service.get("/live")[0] == 200
    for client in clients:
        client.join(30)
    assert [client.lost for client in clients] == [[]] * 4
    assert [client.told_to_close for client in clients] == [CLOSED_CONNECTIONS] * 4
    assert {status for client in clients for status in client.statuses} == {200}
    assert "server" not in set().union(*(client.headers for client in clients))
    service.process.send_signal(signal.SIGTERM)
    status, log = service.stop()
    assert status == 0
    assert sorted(line["event"] for line in log) == ["listening", "model_loaded", "predictor_chosen"]


def test_a_drain_takes_its_time_and_no_longer() -> None:
    """From the first call on, whatever is called after it; until it is cut short."""
    drain = Drain(0.05)
    assert not drain.begun
    assert not drain.over
    drain.begin()
    assert drain.begun
    assert not drain.over
    time.sleep(0.03)
    drain.begin()
    time.sleep(0.03)
    assert drain.over
    endless = Drain(600)
    endless.begin()
    assert not endless.over
    endless.cut_short()
    assert endless.over


def test_a_tampered_model_keeps_the_process_alive_unready_and_quiet(
    start: StartService, registry: ModelRegistry, tmp_path: Path
) -> None:
    """One line says why; nothing crashes, nothing repeats."""
    model = tmp_path / "models/car-loan/versions/00000001/model.txt"
    model.write_bytes(model.read_bytes()[:-1] + b"!")
    assert registry.versions() == [1]
    service = start()
    service.wait_until("/live", 200)
    deadline = time.monotonic() + 10
    while service.get("/ready")[1]["error"]["code"] == "starting" and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(0.5)  # one more try at least
    status, body = service.get("/ready")
    assert (status, body["error"]["code"]) == (503, "model_refused")
    assert "sha256_mismatch" in body["error"]["message"]
    service.process.send_signal(signal.SIGTERM)
    exit_status, log = service.stop()
    assert exit_status == 0
    refusals = [line for line in log if line["event"] == "model_refused"]
    assert [(line["cause"], line["version"]) for line in refusals] == [("sha256_mismatch", 1)]
    assert len(log) == 2


def test_a_champion_promoted_later_is_picked_up(
    start: StartService, tmp_path: Path, trained: Trained, describe: Callable[[int, ModelFile], Manifest]
) -> None:
    """Pods may start before the first training ends."""
    service = start()
    service.wait_until("/live", 200)
    assert service.get("/ready")[0] == 503
    registry = ModelRegistry(ObjectStore(LocalStore(tmp_path / "models")), "car-loan")
    registry.promote(registry.publish(trained.text.encode(), describe).version, replacing=None)
    assert service.wait_until("/ready", 200)["model"] == {"name": "car-loan", "version": 1}


def test_a_wrong_configuration_is_one_line_and_exit_status_2(start: StartService) -> None:
    """Before anything listens."""
    status, log = start(SCORING_MAX_ROWS="many", MODEL_NAME="Car Loan").stop()
    assert status == 2
    (line,) = log
    assert line["event"] == "configuration_invalid"
    assert "MODEL_NAME is 'Car Loan'" in line["problems"][0]
