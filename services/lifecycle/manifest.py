"""The manifest: what a model version is, how it was made, and how to prove that it was loaded right."""

import hashlib
from typing import Annotated, Final, Literal, Self, TypeAlias

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, model_validator

from lifecycle.features import FeatureSchema

MODEL_FILE_NAME: Final = "model.txt"
SCHEMA_VERSION: Final = 1
PARITY_TOLERANCE: Final = 1e-12
"""How far an output may lie from the manifest's: libm's exp may differ in the last bit between builds."""

ModelName: TypeAlias = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")]
"""A DNS label: the name is part of URLs, metric labels, store keys and Kubernetes names."""

Sha256: TypeAlias = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Version: TypeAlias = Annotated[int, Field(ge=1, le=99_999_999)]
JsonScalar: TypeAlias = float | str | bool | None


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


class TimeWindow(_Contract):
    """The first and the last moment of a part of the data, both inclusive."""

    start: AwareDatetime
    end: AwareDatetime


class Metrics(_Contract):
    """How the model did on the newest rows, which it was not trained on."""

    auc: Annotated[float, Field(ge=0, le=1)]
    log_loss: Annotated[float, Field(ge=0)]
    brier: Annotated[float, Field(ge=0, le=1)]


class TrainingFacts(_Contract):
    """How the version was made."""

    rows: Annotated[int, Field(ge=1)]
    window: TimeWindow
    holdout_rows: Annotated[int, Field(ge=1)]
    holdout_window: TimeWindow
    data_sha256: Sha256
    seed: Annotated[int, Field(ge=0)]
    parameters: dict[str, bool | int | float | str]
    metrics: Metrics
    code_version: Annotated[str, Field(min_length=1)]
    library_versions: dict[str, str]
    created_at: AwareDatetime
    parent_version: Version | None
    """The champion at the time of training; null for the first version."""


class ParityRow(_Contract):
    """A row as a client sends it, and what `Booster.predict` gave for it when the model was made."""

    features: dict[str, JsonScalar]
    output: Annotated[str, Field(pattern=r"^-?0x[01]\.[0-9a-f]+p[+-]\d+$")]
    """float.hex(), so that no digit is lost."""

    @property
    def expected(self) -> float:
        """The output as a number."""
        return float.fromhex(self.output)


class Manifest(_Contract):
    """One version of one model."""

    schema_version: Literal[1] = SCHEMA_VERSION
    model: ModelName
    version: Version
    objective: Literal["binary"]
    file: ModelFile
    feature_schema: FeatureSchema
    classes: Annotated[tuple[str, ...], Field(min_length=2, max_length=2)]
    """The class names: of label 0, then of label 1, whose probability the model gives."""
    threshold: Annotated[float, Field(gt=0, lt=1)]
    """The second class is answered from this probability on."""
    training: TrainingFacts
    parity: Annotated[tuple[ParityRow, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _parity_rows_follow_the_schema(self) -> Self:
        for row in self.parity:
            self.feature_schema.encode(row.features)
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
