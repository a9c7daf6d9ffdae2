"""The scoring application around the small model."""

import asyncio
from collections.abc import Callable, Iterator

import pytest
from fastapi.testclient import TestClient
from lifecycle.registry import StoredModel
from scoring.app import Dependencies, create_app
from scoring.champion import ChampionHolder, ServedModel
from scoring.metrics import Metrics
from scoring.predictor import build_predictor
from scoring.settings import ScoringSettings


@pytest.fixture(scope="session")
def model(stored_model: StoredModel) -> ServedModel:
    """The small model, loaded and checked."""
    return ServedModel(stored_model.manifest, build_predictor(stored_model))


@pytest.fixture
def dependencies(model: ServedModel) -> Dependencies:
    """The small model serves; nothing goes on in the background."""
    champion, metrics = ChampionHolder(), Metrics()
    champion.current = model
    metrics.serve(model.manifest)
    settings = ScoringSettings(max_body_bytes=20_000, max_rows=50, inline_body_bytes=4_000)
    return Dependencies(settings, champion, metrics, lambda: asyncio.sleep(0), is_draining=lambda: False)


@pytest.fixture
def open_client() -> Iterator[Callable[[Dependencies], TestClient]]:
    """Opens clients of applications, and closes them after the test."""
    opened: list[TestClient] = []

    def open_client(dependencies: Dependencies) -> TestClient:
        client = TestClient(create_app(dependencies), raise_server_exceptions=False)
        client.__enter__()
        opened.append(client)
        return client

    yield open_client
    for client in opened:
        client.__exit__(None, None, None)


@pytest.fixture
def client(open_client: Callable[[Dependencies], TestClient], dependencies: Dependencies) -> TestClient:
    """A client of the application with the small model."""
    return open_client(dependencies)


@pytest.fixture(scope="session")
def row(model: ServedModel) -> dict[str, object]:
    """A valid row."""
    return dict(model.manifest.parity[0].features)
