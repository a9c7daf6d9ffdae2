"""How models are watched."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from infra.config.fields import NodePoolName
from infra.config.resources import Mebibytes, Millicores, Resources
from infra.section import Section

ContinuousMethod = Literal["jensen_shannon", "kolmogorov_smirnov", "wasserstein", "hellinger"]
CategoricalMethod = Literal["jensen_shannon", "chi2", "l_infinity", "hellinger"]


class DriftResources(Resources):
    """The service, and beside it the one evaluation that runs at a time, whose libraries alone take 300 MiB."""

    cpu_request_millicores: Millicores = 50
    cpu_limit_millicores: Millicores = 1000
    memory_request_mib: Mebibytes = 384
    memory_limit_mib: Mebibytes = 2048


class Bounds(Section):
    """Between what values a measure is no alert; without a number it has no bound on that side."""

    lower: Annotated[float | None, Field(description="a value below is an alert")] = None
    upper: Annotated[float | None, Field(description="a value above is an alert")] = None

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.lower is not None and self.upper is not None and self.lower > self.upper:
            message = f"lower, {self.lower}, must not be above upper, {self.upper}"
            raise ValueError(message)
        return self


class DriftConfig(Section):
    """How models are watched for drift, in what they are asked and in how well they answer."""

    enabled: Annotated[bool, Field(description="whether the service runs; it needs the prediction log")] = True
    interval_seconds: Annotated[
        int, Field(ge=10, le=3600, description="from one evaluation to the next, 10 to 3600; alerts expect one an hour")
    ] = 300
    chunk_rows: Annotated[
        int, Field(ge=100, le=1_000_000, description="predictions in a chunk; at most a tenth of the reference's rows")
    ] = 5000
    chunk_hours: Annotated[
        int | None, Field(ge=1, le=8760, description="unset; or chunks of so many hours instead, 1 to 8760")
    ] = None
    label_horizon_days: Annotated[int, Field(ge=1, le=3650, description="days that labels are waited for")] = 30
    continuous_method: Annotated[ContinuousMethod, Field(description="univariate drift of numbers")] = "jensen_shannon"
    categorical_method: Annotated[CategoricalMethod, Field(description="univariate drift of categories")] = (
        "jensen_shannon"
    )
    column_methods: Annotated[
        dict[str, ContinuousMethod | CategoricalMethod], Field(description="another method, by the column's name")
    ] = Field(default={})
    domain_classifier: Annotated[
        bool, Field(description="whether a classifier is trained for each chunk, to tell it from the reference; slow")
    ] = False
    thresholds: Annotated[
        dict[str, Bounds],
        Field(description="constant ones, by method or metric; the others come from the reference"),
    ] = Field(default={})
    engine: Annotated[
        Literal["process", "dask"],
        Field(description="one process beside the service; or the Dask cluster of `dask`, for more than a core can do"),
    ] = "process"
    node_pool: NodePoolName = None
    resources: DriftResources = DriftResources()
