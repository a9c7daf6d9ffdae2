"""A recipe is complete and means one thing, or it is refused by the first property at fault."""

import json
import tomllib
from pathlib import Path

import pytest
from retraining.recipe import RecipeError, read_recipe
from tests.services.workshop import MODELS

SHIPPED = sorted(path.parent.name for path in MODELS.glob("*/recipe.toml"))


@pytest.mark.parametrize("folder", SHIPPED)
def test_every_model_that_ships_has_a_valid_recipe(folder: str) -> None:
    """Under the name of its folder."""
    assert read_recipe(MODELS, folder.replace("_", "-")).name == folder.replace("_", "-")


@pytest.mark.parametrize("folder", SHIPPED)
def test_every_model_that_ships_has_a_sample_request_with_its_features(folder: str) -> None:
    """The sample is what the first request of a newcomer is made of."""
    recipe = read_recipe(MODELS, folder.replace("_", "-"))
    sample = json.loads((MODELS / folder / "sample_request.json").read_text())
    for row in sample["rows"]:
        assert list(row) == [feature.name for feature in recipe.features]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('name = "car-loan"', 'name = "other"', "name is 'other', its folder says 'car-loan'"),
        ("rounds = ", "round = ", "rounds: Field required"),
        ("threshold = 0.5", "threshold = 1.5", "threshold: "),
        ("[parameters]", "[parameters]\nseed = 1", "parameters the trainer sets itself: seed"),
        ("[parameters]", "[parameters]\nnum_threads = 1", "parameters the trainer sets itself: num_threads"),
        ('kind = "boolean"', 'kind = "bool"', "features"),
        ('name = "driver_tenure"', 'name = "car_value"', "given twice: car_value"),
        ('name = "driver_tenure"', 'name = "repaid"', "given twice: repaid"),
        ("[data]", "[data", "line"),
        ("requirement = ", "package = ", "data"),
        ("threshold = 0.5", "", "threshold: a binary model needs it"),
        ('classes = ["not_repaid", "repaid"]', "", "classes: a binary model needs it"),
        ('name = "car-loan"', 'name = "car-loan"\nobjective = "ranking"', "classes: a ranking model has none"),
        ('name = "car-loan"', 'name = "car-loan"\nmetric = "ndcg"', "metric: of a binary model it is one of auc"),
        ('target = "repaid"', 'target = "repaid"\ngroup_column = "q"', "group_column: a binary model has none"),
        ("[data]", '[data]\ngenerator = "../x.py"', "generator: String should match"),
    ],
)
def test_a_wrong_recipe_is_refused_by_property(tmp_path: Path, old: str, new: str, message: str) -> None:
    """One line that names the file too."""
    text = (MODELS / "car_loan/recipe.toml").read_text()
    assert old in text
    (tmp_path / "car_loan").mkdir()
    (tmp_path / "car_loan/recipe.toml").write_text(text.replace(old, new, 1))
    with pytest.raises(RecipeError, match=message) as caught:
        read_recipe(tmp_path, "car-loan")
    assert "car_loan/recipe.toml" in str(caught.value)


def test_an_unknown_model_is_refused_with_the_known_ones() -> None:
    """The way out of a misspelt MODEL_NAME."""
    with pytest.raises(RecipeError, match=r"MODEL_NAME is 'car-lone', the models that ship are .*car-loan"):
        read_recipe(MODELS, "car-lone")


def test_the_pinned_wheel_is_an_exact_version() -> None:
    """The hash alone would not say which version to look for."""
    for folder in SHIPPED:
        data = tomllib.loads((MODELS / folder / "recipe.toml").read_text())["data"]
        assert "==" in data["requirement"] if "requirement" in data else data["generator"].endswith(".py")
