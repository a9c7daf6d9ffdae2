"""What pods ask of nodes."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from infra.section import Section

Millicores = Annotated[int, Field(ge=10, le=64_000, description="thousandths of a core, 10 to 64000")]
Mebibytes = Annotated[int, Field(ge=16, le=524_288, description="MiB, 16 to 524288")]


class Resources(Section):
    """What one pod asks of a node, and the most it gets."""

    cpu_request_millicores: Millicores
    cpu_limit_millicores: Millicores
    memory_request_mib: Mebibytes
    memory_limit_mib: Mebibytes

    @model_validator(mode="after")
    def _requests_within_limits(self) -> Self:
        for what, request, limit in (
            ("cpu", self.cpu_request_millicores, self.cpu_limit_millicores),
            ("memory", self.memory_request_mib, self.memory_limit_mib),
        ):
            if request > limit:
                message = f"the {what} request, {request}, must not be above the {what} limit, {limit}"
                raise ValueError(message)
        return self
