"""Everything a stack can be told."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from infra.config.alert_receivers import AlertReceivers
from infra.config.aws import AwsConfig
from infra.config.dask import DaskConfig
from infra.config.drift import DriftConfig
from infra.config.fields import OptionalSecretKey
from infra.config.images import ThirdPartyImages
from infra.config.local import LocalConfig
from infra.config.models import Models
from infra.config.monitoring import MonitoringConfig, RemoteWriteConfig
from infra.config.oidc import OidcConfig
from infra.config.retraining import RetrainingConfig
from infra.config.scoring import ScoringConfig
from infra.config.training import TrainingConfig
from infra.section import Section


class StackConfig(Section):
    """Everything a stack can be told; `infra/config/` holds the defaults, `Pulumi.<stack>.yaml` what differs."""

    platform: Annotated[Literal["local", "aws"], Field(description="what the stack runs on")]
    models: Models
    object_store_secret_key: OptionalSecretKey = None
    images: ThirdPartyImages = ThirdPartyImages()
    local: LocalConfig = LocalConfig()
    aws: Annotated[AwsConfig | None, Field(description="account, region, network and cluster")] = None
    oidc: Annotated[OidcConfig | None, Field(description="who logs in to a public endpoint; unset: nobody has to")] = (
        None
    )
    monitoring: MonitoringConfig = MonitoringConfig()
    remote_write: Annotated[RemoteWriteConfig | None, Field(description="where metrics are also written to")] = None
    alert_receivers: Annotated[AlertReceivers | None, Field(description="who hears of alerts")] = None
    scoring: ScoringConfig = ScoringConfig()
    training: TrainingConfig = TrainingConfig()
    drift: DriftConfig = DriftConfig()
    dask: DaskConfig = DaskConfig()
    retraining: RetrainingConfig = RetrainingConfig()

    @property
    def drift_on_dask(self) -> bool:
        """Whether drift asks for the cluster."""
        return self.drift.enabled and self.drift.engine == "dask"

    @property
    def training_on_dask(self) -> bool:
        """Whether training does."""
        return self.training.engine == "dask"

    @property
    def on_dask(self) -> bool:
        """Whether there is a cluster."""
        return self.drift_on_dask or self.training_on_dask

    @model_validator(mode="after")
    def _gpus_exist(self) -> Self:
        if self.training.device_type != "cpu" and self.aws is not None and not self.aws.node_pools.gpu.enabled:
            message = f"training.device_type is {self.training.device_type}, which needs aws.node_pools.gpu.enabled"
            raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _logins_have_an_endpoint(self) -> Self:
        if self.oidc is not None and (self.aws is None or not self.aws.exposure.public):
            message = "oidc: only a public endpoint asks people to log in; it needs aws.exposure.public"
            raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _pools_exist(self) -> Self:
        known = [] if self.aws is None else [pool.name for pool in self.aws.node_pools.extra]
        for key, pool in (
            ("scoring", self.scoring.node_pool),
            ("training", self.training.node_pool),
            ("drift", self.drift.node_pool),
            ("dask", self.dask.node_pool),
        ):
            if pool is not None and pool not in known:
                message = f"{key}.node_pool: no pool {pool}; aws.node_pools.extra has {', '.join(known) or 'none'}"
                raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _drift_has_a_log(self) -> Self:
        if self.drift.enabled and self.scoring.prediction_log.durability == "off":
            message = "drift.enabled: needs the predictions that scoring.prediction_log.durability `off` does not keep"
            raise ValueError(message)
        return self
