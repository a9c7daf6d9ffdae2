"""The object stores that drift uses."""

from dataclasses import dataclass

from lifecycle.store import ObjectStore


@dataclass(frozen=True, slots=True)
class Stores:
    """Where models and their references are, and where predictions, labels and results are."""

    models: ObjectStore
    predictions: ObjectStore
