"""Scoring as real processes, before the real object store of the local stack."""

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from lifecycle.manifest import Manifest, ModelFile
from lifecycle.registry import ModelRegistry
from lifecycle.store import ObjectStore
from obstore.store import LocalStore
from retraining.training import Trained
from tests.services.scoring.process.object_store import ObjectStoreServer, with_champion
from tests.services.scoring.process.service import Service, start_service
from toolchain.install import install

StartService = Callable[..., Service]

_LONGEST_SECONDS = 300


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks everything in this folder; what hangs is ended long before CI would."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.engine)
            item.add_marker(pytest.mark.timeout(_LONGEST_SECONDS))


@pytest.fixture
def start(tmp_path: Path) -> Iterator[StartService]:
    """Starts services, by default on the registry of the test's own folder, and ends what is left of them."""
    started: list[Service] = []
    numbers = itertools.count()

    def start(core: int | None = None, **settings: str) -> Service:
        environment = {"MODEL_STORE_URL": f"file://{tmp_path}/models", "MODEL_NAME": "car-loan"} | settings
        service = start_service(tmp_path / f"service-{next(numbers)}.log", environment, core)
        started.append(service)
        return service

    yield start
    for service in started:
        if service.process.poll() is None:
            service.process.kill()
        service.process.wait()


@pytest.fixture
def registry(tmp_path: Path, trained: Trained, describe: Callable[[int, ModelFile], Manifest]) -> ModelRegistry:
    """A registry in a folder, whose champion is the small model."""
    return with_champion(ObjectStore(LocalStore(tmp_path / "models", mkdir=True)), trained, describe)


@pytest.fixture
def object_store(
    tmp_path: Path, trained: Trained, describe: Callable[[int, ModelFile], Manifest]
) -> Iterator[ObjectStoreServer]:
    """An S3 server with a registry whose champion is the small model, and an empty bucket for predictions."""
    server = ObjectStoreServer(install(["versitygw"])["versitygw"], tmp_path / "buckets")
    server.start()
    with_champion(server.bucket("models"), trained, describe)
    yield server
    server.stop()
