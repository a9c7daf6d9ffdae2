"""When models are retrained."""

from typing import Annotated, Literal

from pydantic import Field

from infra.config.resources import Mebibytes, Millicores, Resources
from infra.config.rollout import RolloutConfig
from infra.section import Section


class ReceiverResources(Resources):
    """The receiver: it decides and asks the API server, some times a minute at most."""

    cpu_request_millicores: Millicores = 20
    cpu_limit_millicores: Millicores = 500
    memory_request_mib: Mebibytes = 128
    memory_limit_mib: Mebibytes = 256


AlertName = Annotated[str, Field(pattern=r"^[A-Za-z]+$", description="an alert's name")]


class RetrainingConfig(Section):
    """When models are retrained, on what, and whether a better one is promoted. Where it runs is `training`'s."""

    mode: Annotated[
        Literal["enforce", "dry_run"],
        Field(description="a challenger that passes every gate is promoted; or everything but that is done"),
    ] = "enforce"
    alerts: Annotated[tuple[AlertName, ...], Field(description="alerts that start a retraining")] = (
        "FeatureDriftDetected",
        "EstimatedPerformanceLow",
        "RealizedPerformanceLow",
    )
    schedule: Annotated[
        str,
        Field(
            pattern=r"^(off|[0-9*,/-]+( [0-9A-Za-z*,/-]+){4})$",
            description="when models are retrained whatever alerts say, as cron has it and in UTC; or `off`",
        ),
    ] = "off"
    cool_down_minutes: Annotated[
        int, Field(ge=0, le=43_200, description="after a run, alerts and the schedule start none for so long")
    ] = 360
    window_days: Annotated[
        int, Field(ge=1, le=3650, description="most days of labelled predictions that a challenger learns from")
    ] = 30
    deadline_minutes: Annotated[int, Field(ge=5, le=1440, description="for a run, with all its attempts")] = 120
    rollout: RolloutConfig = RolloutConfig()
    resources: ReceiverResources = ReceiverResources()
