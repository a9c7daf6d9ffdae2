"""Data arrives in order of time, encoded as scoring encodes it, or is refused by column."""

from pathlib import Path

import numpy as np
import pytest
from retraining.dataset import DatasetError, read_dataset
from tests.services.workshop import Workshop

COLUMN = {"car_value": 1, "salary_range": 2, "repaid": 8, "timestamp": 9}


def _spoilt(workshop: Workshop, tmp_path: Path, column: str, value: str) -> Path:
    """A copy of the first rows, the last of which has this value in this column."""
    lines = workshop.data_file.read_text().splitlines()[:200]
    cells = lines[-1].split(",")
    cells[COLUMN[column]] = value
    path = tmp_path / "spoilt.csv"
    path.write_text("\n".join([*lines[:-1], ",".join(cells)]) + "\n")
    return path


def test_training_and_scoring_encode_a_row_alike(workshop: Workshop) -> None:
    """Column by column in training, row by row in scoring: the same numbers."""
    dataset = workshop.dataset
    for index in range(0, len(dataset), 7):
        assert dataset.schema.encode(dataset.row(index)) == dataset.matrix[index].tolist()


def test_the_oldest_row_comes_first(workshop: Workshop, tmp_path: Path) -> None:
    """Whatever the order of the file: the newest are held out by position."""
    header, *lines = workshop.data_file.read_text().splitlines()
    path = tmp_path / "shuffled.csv"
    path.write_text("\n".join([header, *reversed(lines)]) + "\n")
    shuffled = read_dataset(path, workshop.recipe)
    assert (np.diff(shuffled.moments) > np.timedelta64(0)).all()
    assert np.array_equal(shuffled.matrix, workshop.dataset.matrix)
    assert np.array_equal(shuffled.labels, workshop.dataset.labels)


def test_the_schema_has_the_range_that_was_seen(workshop: Workshop) -> None:
    """For guards and documents; of all rows."""
    feature = workshop.dataset.schema.features[0]
    assert feature.name == "car_value"
    assert feature.kind == "numeric"
    assert feature.minimum == workshop.dataset.matrix[:, 0].min()
    assert feature.maximum == workshop.dataset.matrix[:, 0].max()


@pytest.mark.parametrize("column", ["car_value", "salary_range"])
def test_an_empty_cell_of_a_nullable_column_is_missing(workshop: Workshop, tmp_path: Path, column: str) -> None:
    """NaN in the matrix, null in the row."""
    dataset = read_dataset(_spoilt(workshop, tmp_path, column, ""), workshop.recipe)
    assert np.isnan(dataset.matrix[-1, dataset.schema.names.index(column)])
    assert dataset.row(len(dataset) - 1)[column] is None


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("repaid", "", "repaid: 1 values are missing"),
        ("repaid", "2.0", "repaid: the labels must be 0 and 1"),
        ("timestamp", "", "timestamp: 1 values are missing"),
        ("timestamp", "yesterday", "timestamp"),
        ("car_value", "much", "car_value|column #1"),
        ("car_value", "inf", "car_value: needs at least one value, and all of them finite"),
        ("salary_range", "a million", "salary_range: 'a million' is none of the recipe's categories"),
    ],
)
def test_a_wrong_cell_is_refused_by_column(
    workshop: Workshop, tmp_path: Path, column: str, value: str, message: str
) -> None:
    """Rather than trained on."""
    with pytest.raises(DatasetError, match=message):
        read_dataset(_spoilt(workshop, tmp_path, column, value), workshop.recipe)


def test_a_missing_value_is_refused_where_the_recipe_forbids_it(workshop: Workshop, tmp_path: Path) -> None:
    """A feature that is not nullable has no missing values in training either."""
    column = workshop.recipe.features[0].model_copy(update={"nullable": False})
    recipe = workshop.recipe.model_copy(update={"features": (column, *workshop.recipe.features[1:])})
    with pytest.raises(DatasetError, match="car_value: 1 values are missing, and the recipe does not call it nullable"):
        read_dataset(_spoilt(workshop, tmp_path, "car_value", ""), recipe)


def test_a_file_without_a_column_or_without_rows_is_refused(workshop: Workshop, tmp_path: Path) -> None:
    """With the path and the column."""
    header = workshop.data_file.read_text().splitlines()[0]
    path = tmp_path / "odd.csv"
    path.write_text(header + "\n")
    with pytest.raises(DatasetError, match="has no rows"):
        read_dataset(path, workshop.recipe)
    path.write_text("a,b\n1,2\n")
    with pytest.raises(DatasetError, match="car_value"):
        read_dataset(path, workshop.recipe)
    with pytest.raises(DatasetError, match=r"none\.csv"):
        read_dataset(tmp_path / "none.csv", workshop.recipe)
