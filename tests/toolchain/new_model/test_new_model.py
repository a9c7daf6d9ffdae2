"""A model made from the template is trained, checked, served and asked as it is, without an edit."""

import json
import shutil
from pathlib import Path

import pytest
import yaml
from lifecycle.registry import ModelRegistry
from lifecycle.store import ObjectStore
from obstore.store import MemoryStore
from retraining.bootstrap import bootstrap
from retraining.recipe import read_recipe
from retraining.settings import RetrainingSettings
from retraining.source import own_dataset
from retraining.validation import validate
from scoring.champion import ServedModel
from scoring.prediction import predict
from scoring.predictor import build_predictor

from infra.config.models import MODEL_LIMIT, MODEL_NAME_LIMIT
from infra.config.reading import parse
from infra.naming import PROJECT
from tests.infra.harness import SECRET, SECRET_KEY
from toolchain.errors import ToolchainError
from toolchain.new_model.new_model import CONFIGURATION, new_model
from toolchain.paths import REPOSITORY

NAME = "late-parcels-2"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What of a checkout is written to."""
    (tmp_path / "models").mkdir()
    shutil.copy(REPOSITORY / CONFIGURATION, tmp_path / CONFIGURATION)
    return tmp_path


def _no_file(_: object) -> Path:
    raise AssertionError


def test_a_new_model_runs_without_another_edit(checkout: Path) -> None:
    """Its first version by the code of the bootstrap job; then loaded, checked and asked as scoring does."""
    new_model(checkout, NAME)
    registry = ModelRegistry(ObjectStore(MemoryStore()), NAME)
    settings = RetrainingSettings(
        num_threads=1, models_folder=checkout / "models", data_folder=checkout / "none", store_patience_seconds=0
    )
    assert bootstrap(registry, settings).promoted
    stored = registry.load(1)
    assert stored.manifest.training.metrics["auc"] > 0.8
    served = ServedModel(stored.manifest, build_predictor(stored))
    request = (checkout / "models/late_parcels_2/sample_request.json").read_bytes()
    answer = json.loads(predict(served, request, 10).body)
    assert answer["model"] == {"name": NAME, "version": 1}
    assert answer["predictions"][0]["class"] in {"no", "yes"}


def test_a_new_model_passes_its_gates(checkout: Path) -> None:
    """So `make validate-model` has nothing to refuse before anything of it was changed."""
    new_model(checkout, NAME)
    models = checkout / "models"
    recipe = read_recipe(models, NAME)
    recipe = recipe.model_copy(update={"gates": recipe.gates.model_copy(update={"row_microseconds": 1e6})})
    found = validate(recipe, recipe, lambda one: own_dataset(one, models, _no_file), num_threads=1, on_round=None)
    assert found.evidence.passed, found.evidence.summary


def test_a_new_model_is_in_the_local_stack_and_nothing_else_changes(checkout: Path) -> None:
    """One line more, behind the models that are there; the configuration is valid."""
    before = (checkout / CONFIGURATION).read_text()
    written = new_model(checkout, NAME)
    after = (checkout / CONFIGURATION).read_text()
    assert set(after.splitlines()) - set(before.splitlines()) == {f"    - name: {NAME}"}
    assert after.replace(f"    - name: {NAME}\n", "") == before
    config = yaml.safe_load(after)["config"]
    there = [model["name"] for model in yaml.safe_load(before)["config"][f"{PROJECT}:models"]]
    values = {key: value if isinstance(value, str) else json.dumps(value) for key, value in config.items()}
    stack = parse(values | {SECRET_KEY: SECRET}, [SECRET_KEY])
    assert [model.name for model in stack.models] == [*there, NAME]
    assert {path.name for path in written} == {"recipe.toml", "generator.py", "sample_request.json", CONFIGURATION}


@pytest.mark.parametrize(
    "name", ["", "Late", "late_parcels", "-late", "late-", "a b", "../late", "x" * (MODEL_NAME_LIMIT + 1)]
)
def test_a_name_that_cannot_be_had_is_refused(checkout: Path, name: str) -> None:
    """Before anything is written."""
    with pytest.raises(ToolchainError, match="cannot be part of the names"):
        new_model(checkout, name)
    assert list((checkout / "models").iterdir()) == []
    assert (checkout / CONFIGURATION).read_text() == (REPOSITORY / CONFIGURATION).read_text()


def test_a_model_is_not_made_twice_and_not_one_too_many(checkout: Path) -> None:
    """What is there stays as it is."""
    new_model(checkout, "a")
    with pytest.raises(ToolchainError, match="models/a exists"):
        new_model(checkout, "a")
    there = (checkout / CONFIGURATION).read_text().count("- name: ")
    for number in range(MODEL_LIMIT - there):
        new_model(checkout, f"m{number}")
    with pytest.raises(ToolchainError, match="which is the most"):
        new_model(checkout, "one-more")
    assert not (checkout / "models/one_more").exists()


def test_a_configuration_without_a_list_of_models_is_left_alone(checkout: Path) -> None:
    """It says what to add by hand."""
    (checkout / CONFIGURATION).write_text(f"config:\n  {PROJECT}:platform: local\n")
    with pytest.raises(ToolchainError, match="has no list of models"):
        new_model(checkout, NAME)
    assert not (checkout / "models/late_parcels_2").exists()
