"""A changed recipe is judged on the shipped data as a challenger is on live data."""

import subprocess
from pathlib import Path

import pytest
from retraining.dataset import read_dataset
from retraining.evidence import Evidence
from retraining.recipe import Recipe, read_recipe
from retraining.settings import RetrainingSettings
from retraining.validation import validate
from tests.services.workshop import Workshop
from toolchain import model_validation
from toolchain.errors import ToolchainError


@pytest.fixture
def recipe(small_settings: RetrainingSettings) -> Recipe:
    """The small recipe, with limits that its models keep to."""
    return read_recipe(small_settings.models_folder, "car-loan")


def test_a_recipe_passes_against_itself(recipe: Recipe, workshop: Workshop) -> None:
    """So a model that is new has only the gates that need no other."""
    found = validate(recipe, recipe, lambda one: read_dataset(workshop.data_file, one), num_threads=1, on_round=None)
    assert found.evidence.passed, found.evidence.summary
    assert (found.evidence.champion_version, found.evidence.version) == (1, 2)
    assert b"passed every gate" in found.card


@pytest.mark.parametrize(
    ("changes", "gate"),
    [
        ({"rounds": 1}, "metric"),
        ({"parameters": {"learning_rate": 1e-4}}, "predictions"),
        ({"features": 6, "slices": ()}, "schema"),
    ],
    ids=["one-round", "learns-nothing", "a-feature-less"],
)
def test_a_worse_recipe_is_refused(recipe: Recipe, workshop: Workshop, changes: dict[str, object], gate: str) -> None:
    """By the gate that should."""
    if "features" in changes:
        changes = {**changes, "features": recipe.features[:6]}
    changed = recipe.model_copy(update=changes)
    found = validate(changed, recipe, lambda one: read_dataset(workshop.data_file, one), num_threads=1, on_round=None)
    assert gate in found.evidence.refusals


@pytest.mark.engine  # git is a process
def test_the_checkouts_recipe_is_judged_against_that_of_a_commit(
    small_settings: RetrainingSettings, workshop: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It passes unchanged, fails when made worse, and leaves the evidence."""
    models, output = tmp_path / "models", tmp_path / "out"
    (models / "car_loan").mkdir(parents=True)
    path = models / "car_loan/recipe.toml"
    path.write_text((small_settings.models_folder / "car_loan/recipe.toml").read_text())
    git = ["git", "-C", str(tmp_path), "-c", "user.name=test", "-c", "user.email=test@example.org"]
    for command in (["init", "--quiet"], ["add", "models"], ["commit", "--quiet", "--message=recipe"]):
        subprocess.run([*git, *command], check=True)
    monkeypatch.setattr(model_validation, "fetch", lambda source, _: workshop.data_folder / source.file_name)
    assert model_validation.validate_model("car-loan", "HEAD", models, output)
    path.write_text(path.read_text().replace("rounds = 40", "rounds = 1"))
    assert not model_validation.validate_model("car-loan", "HEAD", models, output)
    evidence = Evidence.model_validate_json((output / "car-loan/evidence.json").read_text())
    assert "metric" in evidence.refusals
    assert (output / "car-loan/model_card.html").is_file()
    with pytest.raises(ToolchainError, match="git knows no commit 'nowhere'"):
        model_validation.validate_model("car-loan", "nowhere", models, output)
