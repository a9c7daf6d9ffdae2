"""A changed recipe before it is merged: trained on the shipped data and judged against the recipe before the change."""

import os
import subprocess
from pathlib import Path
from typing import Final

from retraining.dataset import DatasetError
from retraining.recipe import Recipe, RecipeError, read_recipe, recipe_folder
from retraining.reference_data import DataSource, ReferenceDataError, cache_folder, fetch
from retraining.source import own_dataset
from retraining.validation import validate
from rich.table import Table

from toolchain.errors import ToolchainError
from toolchain.paths import REPOSITORY
from toolchain.progress import console, step

_EXPECTED_SECONDS: Final = 40
_OUTPUT: Final = REPOSITORY / "build" / "validation"


def validate_model(model: str, base: str, models: Path = REPOSITORY / "models", output: Path = _OUTPUT) -> bool:
    """Judge the recipe in the checkout against that of a commit, and keep the evidence.

    Args:
        model: whose recipe.
        base: the commit, as git names it.
        models: the folder of recipes, in a git checkout.
        output: where a folder with `evidence.json` and `model_card.html` is written for the model.

    Returns:
        Whether it passed every gate.

    Raises:
        ToolchainError: the recipe or its data cannot be used, or there is no such commit.
    """
    title = f"validating the recipe of {model}"
    try:
        recipe = read_recipe(models, model)
        former = _recipe_of(models, model, base, output / model) or recipe
        with step(title, _EXPECTED_SECONDS):
            found = validate(
                recipe,
                former,
                lambda one: own_dataset(one, models, _fetched),
                num_threads=os.cpu_count() or 1,
                on_round=None,
            )
    except (RecipeError, DatasetError, ReferenceDataError) as error:
        raise ToolchainError(title, str(error), "mend the recipe") from None
    folder = output / model
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "evidence.json").write_bytes(found.evidence.to_json())
    (folder / "model_card.html").write_bytes(found.card)
    table = Table(
        title=f"{model} against its recipe at {base}" if former != recipe else f"{model}, recipe as at {base}"
    )
    for column in ("gate", "", "why"):
        table.add_column(column, overflow="fold")
    for gate in found.evidence.gates:
        table.add_row(gate.gate, "[green]passed" if gate.passed else "[red]refused", gate.reason)
    console.print(table)
    console.print(
        f"evidence and model card: {folder.relative_to(REPOSITORY) if folder.is_relative_to(REPOSITORY) else folder}"
    )
    return found.evidence.passed


def _fetched(source: DataSource) -> Path:
    return fetch(source, cache_folder() / source.sha256)


def _recipe_of(models: Path, model: str, commit: str, scratch: Path) -> Recipe | None:
    """The recipe at a commit; none where there was none of this model.

    Raises:
        ToolchainError: there is no such commit.
    """
    folder = recipe_folder(Path(models.name), model)
    git = ["git", "-C", str(models.parent)]
    known = subprocess.run(
        [*git, "rev-parse", "--verify", "--quiet", f"{commit}^{{commit}}"], capture_output=True, check=False
    )
    if known.returncode != 0:
        raise ToolchainError(
            f"looking at the recipe of {model} before the change",
            f"git knows no commit {commit!r}",
            "give another BASE",
        )
    shown = subprocess.run([*git, "show", f"{commit}:./{folder}/recipe.toml"], capture_output=True, check=False)
    if shown.returncode != 0:
        return None
    former = scratch / "base" / folder.name
    former.mkdir(parents=True, exist_ok=True)
    (former / "recipe.toml").write_bytes(shown.stdout)
    return read_recipe(former.parent, model)
