"""A model's own data, that its first version is trained on: out of a wheel, or made by a program in its folder."""

import runpy
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped] # pyarrow ships no types

from retraining.dataset import Dataset, DatasetError, column_types, encode, read_dataset
from retraining.recipe import GeneratedData, Recipe, recipe_folder
from retraining.reference_data import DataSource, verified

Find = Callable[[DataSource], Path]
"""Where the file of a wheel is."""


def own_dataset(recipe: Recipe, models_folder: Path, find: Find) -> Dataset:
    """The data that a recipe names.

    Args:
        recipe: which names it.
        models_folder: where the recipe's folder is.
        find: tells where a file that is taken out of a wheel lies.

    Raises:
        DatasetError: it does not fit the recipe, or its program does not give it.
        ReferenceDataError: the file is missing, or another one.
    """
    if isinstance(recipe.data, GeneratedData):
        return encode(_generated(recipe, recipe.data, recipe_folder(models_folder, recipe.name)), recipe)
    return read_dataset(find(recipe.data), recipe)


def in_folder(folder: Path) -> Find:
    """Files that an image build put there; see `verified`."""
    return lambda source: verified(source, folder)


def data_sha256(recipe: Recipe, dataset: Dataset) -> str:
    """What a manifest says of the data: the hash of the file, or of what was made."""
    return dataset.sha256 if isinstance(recipe.data, GeneratedData) else recipe.data.sha256


def generate(program: Path, rows: int, seed: int) -> Mapping[str, Any]:
    """What a generator gives: arrays of equal length, by column.

    Raises:
        DatasetError: there is no such program, or it has no such function.
    """
    if not program.is_file():
        message = f"{program} does not exist; the recipe names it as the generator of its data"
        raise DatasetError(message)
    # Not imported: that would write a cache beside it, which is part of the version of the code.
    function = runpy.run_path(str(program)).get("generate")
    if not callable(function):
        message = f"{program} has no function generate(rows, seed)"
        raise DatasetError(message)
    columns: Mapping[str, Any] = function(rows, seed)
    return columns


def _generated(recipe: Recipe, data: GeneratedData, folder: Path) -> Any:  # noqa: ANN401 - an arrow table
    program = folder / data.generator
    columns = generate(program, data.rows, data.seed)
    types = column_types(recipe)
    if missing := [name for name in types if name not in columns]:
        message = f"{program} gives no column {missing[0]}"
        raise DatasetError(message)
    try:
        # NaN is how an array of numbers says that a value is missing.
        return pa.table({name: pa.array(columns[name], kind, from_pandas=True) for name, kind in types.items()})
    except (pa.ArrowException, TypeError, ValueError) as error:
        message = f"{program}: {str(error).splitlines()[0]}"
        raise DatasetError(message) from None
