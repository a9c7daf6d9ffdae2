"""Where models are trained."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from infra.config.fields import NodePoolName
from infra.config.resources import Mebibytes, Millicores, Resources
from infra.section import Section


class TrainingResources(Resources):
    """The job that trains a first model: short, so it may take what is free."""

    cpu_request_millicores: Millicores = 200
    cpu_limit_millicores: Millicores = 2000
    memory_request_mib: Mebibytes = 512
    memory_limit_mib: Mebibytes = 1536


class TrainingConfig(Section):
    """Where a model's first version and its challengers are trained."""

    device_type: Annotated[
        Literal["cpu", "gpu", "cuda"],
        Field(
            description="what trains challengers: the CPU, a GPU through OpenCL, or through CUDA where the image's "
            "LightGBM has it"
        ),
    ] = "cpu"
    engine: Annotated[
        Literal["process", "dask"],
        Field(
            description="challengers are trained in one process; or by the workers of `dask` together, for more rows "
            "than one holds"
        ),
    ] = "process"
    node_pool: NodePoolName = None
    resources: TrainingResources = TrainingResources()

    @model_validator(mode="after")
    def _workers_have_no_gpus(self) -> Self:
        if self.engine == "dask" and self.device_type != "cpu":
            message = f"engine: dask trains on the CPUs of its workers; device_type is {self.device_type}"
            raise ValueError(message)
        return self
