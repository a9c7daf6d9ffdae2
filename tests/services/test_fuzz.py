"""Drift and retraining under what a fuzzer makes of their OpenAPI documents, with and without the token.

Scoring's own, on a real process with its log, is tests/services/scoring/process/test_fuzz.py.
"""

import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest
import requests
import uvicorn
from drift.app import create_app as drift_app
from drift.metrics import Metrics
from drift.schedule import Schedule
from drift.settings import DriftSettings
from drift.stores import Stores
from fastapi import FastAPI
from lifecycle.store import ObjectStore
from obstore.store import MemoryStore
from retraining.receiver.app import create_app as receiver_app
from retraining.receiver.receiver import Receiver
from retraining.receiver.settings import ReceiverSettings
from tests.services.fuzzing import Answers, fuzz, requests_wanted
from tests.services.retraining.receiver.fakes import FakeJobs

pytestmark = [pytest.mark.engine, pytest.mark.timeout(1800)]  # half a minute each

REQUESTS: Final = 1000
"""Of each service, by default, over all that it is asked with."""

TOKEN: Final = "the-right-token"  # noqa: S105 - of these tests alone
RIGHT: Final = {"authorization": f"Bearer {TOKEN}"}
OTHERS: Final[tuple[Mapping[str, str], ...]] = (
    {},
    {"authorization": "Bearer another-token"},
    {"authorization": f"Basic {TOKEN}"},
)
START: Final = datetime(2026, 1, 31, 12, tzinfo=UTC)


@contextmanager
def served(app: FastAPI) -> Iterator[str]:
    """The application behind a port of its own; gives where."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        try:
            while not server.started:
                assert thread.is_alive()
                time.sleep(0.01)
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


def document(url: str) -> dict[str, Any]:
    """What a service says of itself."""
    found: dict[str, Any] = requests.get(f"{url}/openapi.json", timeout=10).json()
    return found


def refused_all(answers: Answers, operation: str) -> bool:
    """Whether an operation answered nothing but that the token has to be shown."""
    return set(answers.by_operation[operation]) == {401}


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    """Holds the token."""
    file = tmp_path / "token"
    file.write_text(TOKEN)
    return file


@pytest.fixture
def jobs() -> FakeJobs:
    """A cluster that runs nothing."""
    return FakeJobs()


@pytest.fixture
def retraining(token_file: Path, jobs: FakeJobs) -> Iterator[str]:
    """The receiver, on a cluster and a store in memory."""
    receiver = Receiver(jobs, ObjectStore(MemoryStore()), timedelta(hours=1), now=lambda: START + timedelta(minutes=1))
    settings = ReceiverSettings(token_file=token_file, refresh_seconds=3600)
    with served(receiver_app(receiver, settings)) as url:
        yield url


class _NoSchedule(Schedule):
    """Evaluates nothing, and counts how often it was told to."""

    evaluated = 0

    async def evaluate(self, model: str) -> None:  # noqa: ARG002 (the base class's signature)
        """Counted."""
        self.evaluated += 1


def drift_settings(**more: Any) -> DriftSettings:  # noqa: ANN401 - whatever the settings take
    """Of a service that watches one model."""
    return DriftSettings(models=("car-loan",), interval_seconds=86_400, **more)


@contextmanager
def drift(settings: DriftSettings) -> Iterator[tuple[str, _NoSchedule]]:
    """The service on stores in memory, whose evaluations are counted; the interval's own is over when it answers."""
    schedule = _NoSchedule(settings, Metrics(settings.models))
    stores = Stores(models=ObjectStore(MemoryStore()), predictions=ObjectStore(MemoryStore()))
    with served(drift_app(settings, stores, schedule)) as url:
        while requests.get(f"{url}/ready", timeout=10).status_code != 200 or not schedule.evaluated:
            time.sleep(0.01)
        schedule.evaluated = 0
        yield url, schedule


def test_with_the_token_retraining_answers_as_its_document_says(retraining: str) -> None:
    """Wrong bodies are refused by name, right ones decided."""
    answers = fuzz(retraining, document(retraining), RIGHT, requests_wanted(REQUESTS) // 2)
    assert answers.total >= requests_wanted(REQUESTS) // 2
    for path in ("/v1/alerts", "/v1/retrain"):
        statuses = answers.by_operation[f"POST {path}"]
        assert statuses[422], statuses
        assert statuses.total() - statuses[422], statuses
    assert not answers.statuses[401]


def test_without_the_token_retraining_refuses_everything_and_nothing_starts(retraining: str, jobs: FakeJobs) -> None:
    """Whatever is sent; probes and metrics are open."""
    share = requests_wanted(REQUESTS) // 4 // len(OTHERS)
    for headers in OTHERS:
        answers = fuzz(retraining, document(retraining), headers, share)
        for operation in ("POST /v1/alerts", "POST /v1/retrain", "GET /v1/runs"):
            assert refused_all(answers, operation), answers.by_operation[operation]
        assert answers.by_operation["GET /metrics"].keys() == {200}
    assert jobs.jobs == []


def test_with_the_token_drift_answers_as_its_document_says(token_file: Path) -> None:
    """And evaluates when it is told to."""
    with drift(drift_settings(token_file=token_file)) as (url, schedule):
        answers = fuzz(url, document(url), RIGHT, requests_wanted(REQUESTS) // 4)
        assert answers.statuses[422]
        assert answers.statuses[404]
        assert not answers.statuses[401]
        before = schedule.evaluated
        assert requests.post(f"{url}/v1/evaluate?model=car-loan", headers=RIGHT, timeout=10).status_code == 200
        assert schedule.evaluated == before + 1


def test_without_the_token_drift_evaluates_nothing(token_file: Path) -> None:
    """What only reads stays open; the network policies say to whom."""
    share = requests_wanted(REQUESTS) // 4 // len(OTHERS)
    with drift(drift_settings(token_file=token_file)) as (url, schedule):
        for headers in OTHERS:
            answers = fuzz(url, document(url), headers, share)
            assert refused_all(answers, "POST /v1/evaluate"), answers.by_operation
        assert requests.post(f"{url}/v1/evaluate?model=car-loan", timeout=10).status_code == 401
        assert schedule.evaluated == 0


def test_drift_without_authentication_answers_as_its_document_says() -> None:
    """Where no token is configured, nobody has to show one."""
    with drift(drift_settings()) as (url, _):
        answers = fuzz(url, document(url), {}, requests_wanted(REQUESTS) // 4)
        assert not answers.statuses[401]
        assert answers.statuses[422]
