"""The manifest: what a model version is, how it was made, and how to prove that it was loaded right."""

import hashlib
from typing import Annotated, Final, Literal, Self, TypeAlias

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, model_validator

from lifecycle.features import FeatureSchema, refuse_doubled
from lifecycle.guard import InputGuard

MODEL_FILE_NAME: Final = "model.txt"
REFERENCE_FILE_NAME: Final = "reference.parquet"
EVIDENCE_FILE_NAME: Final = "evidence.json"
MODEL_CARD_FILE_NAME: Final = "model_card.html"
SCHEMA_VERSION: Final = 1
PARITY_TOLERANCE: Final = 1e-12
"""How far an output may lie from the manifest's: libm's exp may differ in the last bit between builds."""

ModelName: TypeAlias = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")]
"""A DNS label: the name is part of URLs, metric labels, store keys and Kubernetes names."""

Sha256: TypeAlias = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Version: TypeAlias = Annotated[int, Field(ge=1, le=99_999_999)]
JsonScalar: TypeAlias = float | str | bool | None
MetricName: TypeAlias = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
HexFloat: TypeAlias = Annotated[str, Field(pattern=r"^-?0x[01]\.[0-9a-f]+p[+-]\d+$")]
"""float.hex(), so that no digit is lost."""


Objective: TypeAlias = Literal["binary", "multiclass", "regression", "ranking"]

_CLASSES: Final[dict[Objective, tuple[int, int]]] = {
    "binary": (2, 2),
    "multiclass": (3, 1000),
    "regression": (0, 0),
    "ranking": (0, 0),
}
"""How many classes an objective has, from and to."""


class _Contract(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class ModelFile(_Contract):
    """The model file and what must hold for its bytes."""

    name: Literal["model.txt"] = MODEL_FILE_NAME
    sha256: Sha256
    size_bytes: Annotated[int, Field(ge=1)]

    @classmethod
    def of(cls, data: bytes) -> Self:
        """The facts of these bytes."""
        return cls(sha256=hashlib.sha256(data).hexdigest(), size_bytes=len(data))


class ReferenceFile(_Contract):
    """What drift is measured against: what the version answered on rows it was not trained on, and the truth."""

    name: Literal["reference.parquet"] = REFERENCE_FILE_NAME
    sha256: Sha256
    size_bytes: Annotated[int, Field(ge=1)]
    rows: Annotated[int, Field(ge=1)]

    @classmethod
    def of(cls, data: bytes, rows: int) -> Self:
        """The facts of these bytes, a Parquet file of this many rows."""
        return cls(sha256=hashlib.sha256(data).hexdigest(), size_bytes=len(data), rows=rows)


class TimeWindow(_Contract):
    """The first and the last moment of a part of the data, both inclusive."""

    start: AwareDatetime
    end: AwareDatetime


class TrainingFacts(_Contract):
    """How the version was made."""

    rows: Annotated[int, Field(ge=1)]
    window: TimeWindow
    holdout_rows: Annotated[int, Field(ge=1)]
    holdout_window: TimeWindow
    data_sha256: Sha256
    seed: Annotated[int, Field(ge=0)]
    parameters: dict[str, bool | int | float | str]
    metrics: Annotated[dict[MetricName, float], Field(min_length=1)]
    """How the model did on the holdout: the newest rows, which it was not trained on."""
    code_version: Annotated[str, Field(min_length=1)]
    library_versions: dict[str, str]
    created_at: AwareDatetime
    parent_version: Version | None
    """The champion at the time of training; null for the first version."""


class ParityRow(_Contract):
    """A row as a client sends it, and what `Booster.predict` gave for it when the model was made."""

    features: dict[str, JsonScalar]
    outputs: Annotated[tuple[HexFloat, ...], Field(min_length=1)]
    """One for each class of a multiclass model, else one."""

    @property
    def expected(self) -> tuple[float, ...]:
        """The outputs as numbers."""
        return tuple(map(float.fromhex, self.outputs))


class Manifest(_Contract):
    """One version of one model."""

    schema_version: Literal[1] = SCHEMA_VERSION
    model: ModelName
    version: Version
    objective: Objective
    file: ModelFile
    reference: ReferenceFile | None = None
    feature_schema: FeatureSchema
    classes: tuple[str, ...]
    """The class names in the order of their labels 0, 1, ...; none for regression and ranking.

    A binary model gives the probability of the second, a multiclass model that of each.
    """
    threshold: Annotated[float, Field(gt=0, lt=1)] | None
    """Binary only: the second class is answered from this probability on."""
    guard: InputGuard | None = None
    """What tells unusual rows; none where the recipe asks for none."""
    training: TrainingFacts
    parity: Annotated[tuple[ParityRow, ...], Field(min_length=1)]

    @property
    def outputs(self) -> int:
        """How many numbers the model gives for a row."""
        return len(self.classes) if self.objective == "multiclass" else 1

    @model_validator(mode="after")
    def _classes_and_threshold_fit_the_objective(self) -> Self:
        least, most = _CLASSES[self.objective]
        refuse_doubled(self.classes, "classes")
        if not least <= len(self.classes) <= most:
            message = f"classes: {self.objective} has {least} to {most}, given {len(self.classes)}"
            raise ValueError(message)
        if (self.threshold is not None) != (self.objective == "binary"):
            message = "threshold: binary has one, the other objectives have none"
            raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _parity_rows_follow_the_schema(self) -> Self:
        for row in self.parity:
            self.feature_schema.encode(row.features)
            if len(row.outputs) != self.outputs:
                message = f"parity: a row has {len(row.outputs)} outputs; {self.objective} has {self.outputs}"
                raise ValueError(message)
        return self

    def to_json(self) -> bytes:
        """The manifest as it is stored."""
        return self.model_dump_json(indent=2).encode() + b"\n"

    @classmethod
    def from_json(cls, data: bytes) -> Self:
        """Reads a stored manifest.

        Raises:
            ValueError: with one line that names the first property at fault.
        """
        try:
            return cls.model_validate_json(data)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False, include_context=False)[0]
            where = ".".join(map(str, first["loc"])) or "manifest"
            message = f"{where}: {first['msg']}"
            raise ValueError(message) from None
