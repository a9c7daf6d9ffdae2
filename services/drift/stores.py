"""The object stores that drift uses."""

from dataclasses import dataclass

from lifecycle.settings import PredictionStoreSettings, StoreSettings, read_settings
from lifecycle.store import ObjectStore, patience


class _ModelStore(StoreSettings):
    """Drift is about every model that its own settings name."""

    model_name: str = ""


@dataclass(frozen=True, slots=True)
class Stores:
    """Where models and their references are, and where predictions, labels and results are."""

    models: ObjectStore
    predictions: ObjectStore

    @classmethod
    def open(cls, patience_seconds: float) -> "Stores":
        """Those that the environment names; nothing is sent yet.

        Args:
            patience_seconds: how long a call is retried.

        Raises:
            ConfigurationError: the environment names none.
        """
        settings, retrying = read_settings(_ModelStore), patience(patience_seconds)
        predictions_url = read_settings(PredictionStoreSettings).prediction_store_url
        return cls(ObjectStore.open(settings, retrying), ObjectStore.open(settings, retrying, predictions_url))
