"""The folders that training reads."""

from dataclasses import dataclass
from pathlib import Path

from retraining.dataset import Dataset, read_dataset
from retraining.recipe import Recipe, read_recipe
from retraining.reference_data import DataSource

MODELS = Path(__file__).parents[2] / "models"
"""The models that ship."""


@dataclass(frozen=True)
class Workshop:
    """A recipe and its data."""

    models_folder: Path
    data_folder: Path

    @property
    def recipe(self) -> Recipe:
        """The recipe of the car-loan model."""
        return read_recipe(self.models_folder, "car-loan")

    @property
    def data_file(self) -> Path:
        """The file of its data."""
        source = self.recipe.data
        assert isinstance(source, DataSource)
        return self.data_folder / source.file_name

    @property
    def dataset(self) -> Dataset:
        """Its data."""
        return read_dataset(self.data_file, self.recipe)
