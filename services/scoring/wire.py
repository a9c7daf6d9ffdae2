"""The bodies of answers, and of labels."""

from typing import Final, Literal, TypeAlias

import msgspec

LabelOutcome: TypeAlias = Literal["accepted", "duplicate", "conflict"]
UnusualKind: TypeAlias = Literal["out_of_range", "unseen", "anomaly"]


class ModelReference(msgspec.Struct, frozen=True):
    """The model version that gave an answer."""

    name: str
    version: int


class Contribution(msgspec.Struct, frozen=True):
    """What made one output what it is: base and features add up to the raw score, before any link function."""

    class_: str | None = msgspec.field(name="class")
    """The class whose score it is, of a multiclass model; else null."""
    base: float
    """The model's mean."""
    features: dict[str, float]
    """What each feature added; SHAP values."""


class Unusual(msgspec.Struct, frozen=True, omit_defaults=True):
    """Something about a row that no row of training had. It was scored all the same."""

    kind: UnusualKind
    """A number out of the range seen in training, a category that was not in it, or all numbers taken together."""
    feature: str | msgspec.UnsetType = msgspec.UNSET
    """Which one; not of an anomaly."""
    score: float | msgspec.UnsetType = msgspec.UNSET
    """Of an anomaly: how far the row lies from those of training, in the distance up to which a row is usual."""


class Prediction(msgspec.Struct, frozen=True, omit_defaults=True):
    """The answer to one row: for two classes a probability, for more probabilities, else a value or a score."""

    id: str
    """Names this prediction for good."""
    probability: float | msgspec.UnsetType | None = msgspec.UNSET
    """Of the second of two classes: exactly what `Booster.predict` gives."""
    probabilities: dict[str, float | None] | msgspec.UnsetType = msgspec.UNSET
    """Of each of three classes or more."""
    value: float | msgspec.UnsetType | None = msgspec.UNSET
    """Of a regression; null where it is not a finite number."""
    score: float | msgspec.UnsetType | None = msgspec.UNSET
    """Of a ranking: the higher, the sooner."""
    class_: str | msgspec.UnsetType = msgspec.field(name="class", default=msgspec.UNSET)
    """Of two, the second from the model's threshold on, else the first; of more, the most probable."""
    contributions: list[Contribution] | msgspec.UnsetType = msgspec.UNSET
    """One for each output, where the request asks for them."""
    unusual: list[Unusual] | msgspec.UnsetType = msgspec.UNSET
    """Where there is something unusual about the row."""


class Ranked(Prediction, frozen=True, kw_only=True):
    """One of the best candidates."""

    index: int
    """Its place among the candidates of the request, from 0."""


class PredictResponse(msgspec.Struct, frozen=True):
    """The answers to the rows of a request, in their order."""

    model: ModelReference
    predictions: list[Prediction]


class RankResponse(msgspec.Struct, frozen=True):
    """The best candidates of a request, the best first."""

    model: ModelReference
    ranking: list[Ranked]


class LabelAnswer(msgspec.Struct, frozen=True):
    """What became of one label."""

    id: str
    outcome: LabelOutcome
    """A duplicate says what is known already; a conflict says otherwise, and is kept beside the first, which counts."""


class LabelsResponse(msgspec.Struct, frozen=True):
    """What became of the labels of a request, in their order."""

    labels: list[LabelAnswer]


class Live(msgspec.Struct, frozen=True):
    """The process runs."""

    status: Literal["live"] = "live"


class Ready(msgspec.Struct, frozen=True):
    """Predictions are answered."""

    model: ModelReference
    status: Literal["ready"] = "ready"


encode_json: Final = msgspec.json.Encoder().encode
"""Floats are written with as many digits as it takes to read the same float back."""
