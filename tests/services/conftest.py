"""A small model, trained once for all tests of the services on the first rows of the reference data."""

import hashlib
import logging
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import lightgbm as lgb
import numpy as np
import obstore
import pytest
import structlog
from lifecycle.manifest import Manifest, ModelFile, TrainingFacts
from lifecycle.registry import StoredModel
from lifecycle.store import ObjectStore
from obstore.store import LocalStore, MemoryStore
from retraining.reference_data import cache_folder, fetch, read_source
from retraining.training import Trained, train
from tests.services.workshop import MODELS, Workshop

SMALL_ROWS = 2000
SMALL_ROUNDS = 8


@pytest.fixture(scope="session")
def reference_csv() -> Path:
    """The whole reference data of the car-loan model, fetched once per machine."""
    source = read_source(MODELS / "car_loan")
    assert source is not None
    return fetch(source, cache_folder() / source.sha256)


@pytest.fixture(scope="session")
def workshop(tmp_path_factory: pytest.TempPathFactory, reference_csv: Path) -> Workshop:
    """The shipped recipe over the first rows, with few rounds."""
    folder = tmp_path_factory.mktemp("workshop")
    (folder / "data").mkdir()
    (folder / "models/car_loan").mkdir(parents=True)
    with reference_csv.open() as lines:
        small = "".join(line for line, _ in zip(lines, range(SMALL_ROWS + 1), strict=False))
    (folder / "data" / reference_csv.name).write_text(small)
    recipe = (MODELS / "car_loan/recipe.toml").read_text()
    recipe = re.sub(r"^rounds = \d+.*$", f"rounds = {SMALL_ROUNDS}", recipe, flags=re.MULTILINE)
    recipe = re.sub(r'^sha256 = ".*"$', f'sha256 = "{_sha256(small.encode())}"', recipe, flags=re.MULTILINE)
    (folder / "models/car_loan/recipe.toml").write_text(recipe)
    return Workshop(folder / "models", folder / "data")


@pytest.fixture(scope="session")
def trained(workshop: Workshop) -> Trained:
    """The small model."""
    return train(workshop.dataset, workshop.recipe, num_threads=1)


@pytest.fixture(scope="session")
def describe(trained: Trained) -> Callable[[int, ModelFile], Manifest]:
    """Makes the small model's manifest for a version number and a file."""

    def describe(version: int, file: ModelFile) -> Manifest:
        return Manifest(
            model="car-loan",
            version=version,
            objective="binary",
            file=file,
            feature_schema=trained.train.schema,
            classes=("not_repaid", "repaid"),
            threshold=0.5,
            training=TrainingFacts(
                rows=len(trained.train),
                window=trained.train.window,
                holdout_rows=len(trained.holdout),
                holdout_window=trained.holdout.window,
                data_sha256="0" * 64,
                seed=1,
                parameters=trained.parameters,
                metrics=trained.metrics,
                code_version="test",
                library_versions={"lightgbm": lgb.__version__, "numpy": np.__version__},
                created_at=datetime(2026, 1, 1, tzinfo=UTC),
                parent_version=None,
            ),
            parity=trained.parity,
        )

    return describe


@pytest.fixture(scope="session")
def stored_model(trained: Trained, describe: Callable[[int, ModelFile], Manifest]) -> StoredModel:
    """The small model as a registry gives it."""
    return StoredModel(describe(1, ModelFile.of(trained.text.encode())), trained.text)


@pytest.fixture(params=["memory", "file"])
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> obstore.store.ObjectStore:
    """An empty store, once of each kind that needs no server."""
    return MemoryStore() if request.param == "memory" else LocalStore(tmp_path / "store", mkdir=True)


@pytest.fixture
def store(backend: obstore.store.ObjectStore) -> ObjectStore:
    """The same, as the services use it."""
    return ObjectStore(backend)


@pytest.fixture
def own_logging() -> Iterator[None]:
    """Lets a test configure the logging of the process, and takes it back afterwards."""
    client = logging.getLogger("httpx2")
    handlers, level, told = logging.root.handlers[:], logging.root.level, client.level
    yield
    client.setLevel(told)
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
