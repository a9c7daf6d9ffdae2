"""Where metrics are kept."""

from typing import Annotated

from pydantic import Field, SecretStr

from infra.config.fields import DiskSize
from infra.config.resources import Mebibytes, Millicores, Resources
from infra.section import Section


class PrometheusResources(Resources):
    """Prometheus with a few thousand series; its memory grows with their number."""

    cpu_request_millicores: Millicores = 100
    cpu_limit_millicores: Millicores = 1000
    memory_request_mib: Mebibytes = 192
    memory_limit_mib: Mebibytes = 768


class MonitoringConfig(Section):
    """How long and where metrics are kept."""

    retention_days: Annotated[int, Field(ge=1, le=365, description="days that metrics are kept, 1 to 365")] = 7
    disk_size_gib: DiskSize = 4
    resources: PrometheusResources = PrometheusResources()


class RemoteWriteConfig(Section):
    """A store that metrics are also written to, for longer than the stack keeps them."""

    url: Annotated[str, Field(pattern=r"^https://\S+$", description="where it takes them, https")]
    username: Annotated[str, Field(min_length=1, description="who writes")]
    password: Annotated[SecretStr, Field(description="set with --secret")]
