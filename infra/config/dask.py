"""The Dask cluster that drift and training may share."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from infra.config.fields import NodePoolName
from infra.config.resources import Mebibytes, Millicores, Resources
from infra.section import Section


class SchedulerResources(Resources):
    """The cluster's scheduler, which holds no data; its dashboard is most of it."""

    cpu_request_millicores: Millicores = 50
    cpu_limit_millicores: Millicores = 1000
    memory_request_mib: Mebibytes = 192
    memory_limit_mib: Mebibytes = 1024


class WorkerResources(Resources):
    """A worker: one thread, which a second core would not help."""

    cpu_request_millicores: Millicores = 250
    cpu_limit_millicores: Millicores = 1000
    memory_request_mib: Mebibytes = 768
    memory_limit_mib: Mebibytes = 2048


class DaskConfig(Section):
    """The one cluster of `drift.engine: dask` and `training.engine: dask`; where neither asks, there is none."""

    min_workers: Annotated[
        int, Field(ge=1, le=100, description="workers that are always there, and that a training waits for, 1 to 100")
    ] = 1
    max_workers: Annotated[int, Field(ge=1, le=1000, description="most workers, 1 to 1000")] = 8
    target_cpu_percent: Annotated[
        int, Field(ge=10, le=95, description="of its CPU limit that a worker uses before there is another, 10 to 95")
    ] = 60
    scheduler: SchedulerResources = SchedulerResources()
    worker: WorkerResources = WorkerResources()
    node_pool: NodePoolName = None

    @model_validator(mode="after")
    def _room_to_scale(self) -> Self:
        if self.min_workers > self.max_workers:
            message = f"min_workers, {self.min_workers}, must not be above max_workers, {self.max_workers}"
            raise ValueError(message)
        return self
