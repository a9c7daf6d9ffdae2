"""Where models are trained."""

from typing import Annotated, Literal

from pydantic import Field

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
    node_pool: NodePoolName = None
    resources: TrainingResources = TrainingResources()
