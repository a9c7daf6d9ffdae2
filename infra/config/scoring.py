"""How models are served."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from infra.config.fields import NodePoolName
from infra.config.resources import Mebibytes, Millicores, Resources
from infra.section import Section


class ScoringResources(Resources):
    """A scoring pod: one process that predicts on one thread, so that a second core would idle."""

    cpu_request_millicores: Millicores = 100
    cpu_limit_millicores: Millicores = 1000
    memory_request_mib: Mebibytes = 192
    memory_limit_mib: Mebibytes = 512


class PredictionLogConfig(Section):
    """What becomes of predictions once they are answered."""

    durability: Annotated[
        Literal["off", "async", "sync"],
        Field(description="predictions are not kept; kept behind the answer; or on the pod's disk before the answer"),
    ] = "async"
    sample_rate: Annotated[float, Field(ge=0, le=1, description="share of the predictions that are kept")] = 1.0
    flush_seconds: Annotated[
        int, Field(ge=1, le=3600, description="longest time from a prediction to the object store, 1 to 3600")
    ] = 30
    disk_size_mib: Annotated[
        int, Field(ge=16, le=65_536, description="MiB that a pod keeps while the object store is away, 16 to 65536")
    ] = 512


ClientName = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")]
KeyHash = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class ScoringConfig(Section):
    """How models are served."""

    # Two, because one may go with its node. A request takes 170 us of a pod (docs/benchmarks/ramp.md), so that at its
    # target one answers 3,500 a second and six 21,000.
    min_replicas: Annotated[int, Field(ge=1, le=100, description="pods that each model always has, 1 to 100")] = 2
    max_replicas: Annotated[int, Field(ge=1, le=1000, description="most pods of each model, 1 to 1000")] = 6
    # Another pod is ready 26 to 41 s after the load asks for it (docs/benchmarks/ramp.md): until then those that are
    # there carry what comes, and at 60 % of their limit that may be two thirds more.
    target_cpu_percent: Annotated[
        int, Field(ge=10, le=95, description="of its CPU limit that a pod uses before there is another, 10 to 95")
    ] = 60
    api_keys_sha256: Annotated[
        dict[ClientName, KeyHash],
        Field(description="SHA-256 in hex of each API key that is valid, by whose it is; none lets everyone in"),
    ] = Field(default={})
    prediction_log: PredictionLogConfig = PredictionLogConfig()
    node_pool: NodePoolName = None
    resources: ScoringResources = ScoringResources()

    @model_validator(mode="after")
    def _room_to_scale(self) -> Self:
        if self.min_replicas > self.max_replicas:
            message = f"min_replicas, {self.min_replicas}, must not be above max_replicas, {self.max_replicas}"
            raise ValueError(message)
        return self
