"""The bodies of answers."""

from typing import Literal

import msgspec


class ModelReference(msgspec.Struct, frozen=True):
    """The model version that gave an answer."""

    name: str
    version: int


class Prediction(msgspec.Struct, frozen=True):
    """The answer to one row."""

    id: str
    """Names this prediction for good."""
    probability: float
    """Of the second of the model's classes: exactly what `Booster.predict` gives."""
    class_: str = msgspec.field(name="class")
    """The second class from the model's threshold on, else the first."""


class PredictResponse(msgspec.Struct, frozen=True):
    """The answers to the rows of a request, in their order."""

    model: ModelReference
    predictions: list[Prediction]


class Live(msgspec.Struct, frozen=True):
    """The process runs."""

    status: Literal["live"] = "live"


class Ready(msgspec.Struct, frozen=True):
    """Predictions are answered."""

    model: ModelReference
    status: Literal["ready"] = "ready"


encode_json = msgspec.json.Encoder().encode
"""Floats are written with as many digits as it takes to read the same float back."""
