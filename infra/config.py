"""The whole configuration of a stack: read once, typed, checked in one go, every default in this file."""

import json
import re
from collections.abc import Collection, Mapping
from typing import Annotated, Final, Literal, Self

import pulumi
from pulumi.runtime.config import CONFIG
from pydantic import AfterValidator, Field, SecretStr, ValidationError, model_validator

from infra.aws.config import AwsConfig
from infra.naming import PROJECT, is_dns_label
from infra.problems import Problem, holds_secret, problems, property_path, section_in, shown
from infra.section import Section
from infra.versions import THIRD_PARTY_IMAGES, ThirdPartyImage

MODEL_NAME_LIMIT: Final = 40
"""Characters in a model's name: with `scoring-` or `bootstrap-` before it and a suffix after, it still fits a label."""

MODEL_LIMIT: Final = 10
"""Models in a stack: the local platform keeps ten node ports for them."""

_SECRET_KEY: Final = re.compile(r"[!-~]{16,128}")
_REGISTRY: Final = re.compile(r"[a-z0-9][a-z0-9.-]*(:[0-9]{1,5})?(/[a-z0-9][a-z0-9._/-]*)?")
_IMAGE: Final = re.compile(
    r"[a-z0-9][a-z0-9.-]*(:[0-9]{1,5})?(/[a-z0-9][a-z0-9._-]*)+"  # host, port and path
    r"(:(?P<tag>[A-Za-z0-9_][A-Za-z0-9._-]{0,127}))?(@sha256:(?P<digest>[0-9a-f]{64}))?"
)


class ConfigError(ValueError):
    """A configuration that no stack is built from; its text lists every problem, a line each."""

    def __init__(self, found: Collection[Problem]) -> None:
        """Keeps the problems, sorted by path."""
        self.problems = tuple(sorted(found, key=lambda problem: problem.path))
        lines = "".join(f"\n  {problem}" for problem in self.problems)
        super().__init__(f"the stack's configuration is refused, nothing was changed:{lines}")


def _image_reference(text: str) -> str:
    match = _IMAGE.fullmatch(text)
    if match is None or (match["digest"] is None and match["tag"] in {None, "latest"}):
        message = "must be `host/path:tag` with a tag other than `latest`, or `host/path@sha256:<digest>`"
        raise ValueError(message)
    return text


def _registry(text: str) -> str:
    if _REGISTRY.fullmatch(text) is None:
        message = "must be `host`, `host:port` or `host:port/path`, in lower case and without a scheme"
        raise ValueError(message)
    return text


def _model_name(text: str) -> str:
    if not is_dns_label(text, MODEL_NAME_LIMIT):
        message = f"must be lower-case letters, digits and inner hyphens, {MODEL_NAME_LIMIT} characters at most"
        raise ValueError(message)
    return text


def _secret_key(secret: SecretStr) -> SecretStr:
    if _SECRET_KEY.fullmatch(secret.get_secret_value()) is None:
        message = "must be 16 to 128 characters of printable ASCII, without spaces"
        raise ValueError(message)
    return secret


def _secret_url(secret: SecretStr) -> SecretStr:
    if not secret.get_secret_value().startswith("https://"):
        message = "must begin with https://"
        raise ValueError(message)
    return secret


ImageReference = Annotated[
    str, AfterValidator(_image_reference), Field(description="where the image is had, by tag or digest")
]
Registry = Annotated[str, AfterValidator(_registry), Field(description="where built images are pushed to")]
SecretUrl = Annotated[SecretStr, AfterValidator(_secret_url)]
MailAddress = Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+\.[^@\s]+$", description="a mail address")]
ModelName = Annotated[str, AfterValidator(_model_name), Field(description="as in its URL and its registry folder")]
Millicores = Annotated[int, Field(ge=10, le=64_000, description="thousandths of a core, 10 to 64000")]
Mebibytes = Annotated[int, Field(ge=16, le=524_288, description="MiB, 16 to 524288")]
DiskSize = Annotated[int, Field(ge=1, le=16_384, description="GiB, 1 to 16384; another size replaces disk and data")]
NodePoolName = Annotated[
    str | None, Field(description="one of `aws.node_pools.extra` to run on; unset: the usual nodes")
]
ContinuousMethod = Literal["jensen_shannon", "kolmogorov_smirnov", "wasserstein", "hellinger"]
CategoricalMethod = Literal["jensen_shannon", "chi2", "l_infinity", "hellinger"]
OptionalSecretKey = Annotated[
    Annotated[SecretStr, AfterValidator(_secret_key)] | None,
    Field(description="what clients of the local object store sign their requests with"),
]

_PLATFORM_KEYS: Final[Mapping[str, tuple[str, ...]]] = {
    "local": ("object_store_secret_key", "local"),
    "aws": ("aws",),
}
"""The keys that one platform alone has."""


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


class ScoringResources(Resources):
    """A scoring pod: one process that predicts on one thread, so that a second core would idle."""

    cpu_request_millicores: Millicores = 100
    cpu_limit_millicores: Millicores = 1000
    memory_request_mib: Mebibytes = 192
    memory_limit_mib: Mebibytes = 512


class TrainingResources(Resources):
    """The job that trains a first model: short, so it may take what is free."""

    cpu_request_millicores: Millicores = 200
    cpu_limit_millicores: Millicores = 2000
    memory_request_mib: Mebibytes = 512
    memory_limit_mib: Mebibytes = 1536


class DriftResources(Resources):
    """The service, and beside it the one evaluation that runs at a time, whose libraries alone take 300 MiB."""

    cpu_request_millicores: Millicores = 50
    cpu_limit_millicores: Millicores = 1000
    memory_request_mib: Mebibytes = 384
    memory_limit_mib: Mebibytes = 2048


class PrometheusResources(Resources):
    """Prometheus with a few thousand series; its memory grows with their number."""

    cpu_request_millicores: Millicores = 100
    cpu_limit_millicores: Millicores = 1000
    memory_request_mib: Mebibytes = 192
    memory_limit_mib: Mebibytes = 768


class ModelConfig(Section):
    """A model that the stack trains and serves."""

    name: ModelName


def _distinct(models: tuple[ModelConfig, ...]) -> tuple[ModelConfig, ...]:
    """Checked here and not by the type, which would count only the models that are right by themselves."""
    if not 1 <= len(models) <= MODEL_LIMIT:
        message = f"must be 1 to {MODEL_LIMIT} models, not {len(models)}"
        raise ValueError(message)
    names = [model.name for model in models]
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        message = f"must have a name each; given more than once: {', '.join(repeated)}"
        raise ValueError(message)
    return models


Models = Annotated[tuple[ModelConfig, ...], AfterValidator(_distinct), Field(description="what to train and serve")]


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


class ScoringConfig(Section):
    """How models are served."""

    min_replicas: Annotated[int, Field(ge=1, le=100, description="pods that each model always has, 1 to 100")] = 2
    max_replicas: Annotated[int, Field(ge=1, le=1000, description="most pods of each model, 1 to 1000")] = 6
    target_cpu_percent: Annotated[
        int, Field(ge=10, le=95, description="of its CPU limit that a pod uses before there is another, 10 to 95")
    ] = 60
    prediction_log: PredictionLogConfig = PredictionLogConfig()
    node_pool: NodePoolName = None
    resources: ScoringResources = ScoringResources()

    @model_validator(mode="after")
    def _room_to_scale(self) -> Self:
        if self.min_replicas > self.max_replicas:
            message = f"min_replicas, {self.min_replicas}, must not be above max_replicas, {self.max_replicas}"
            raise ValueError(message)
        return self


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
    node_pool: NodePoolName = None
    resources: DriftResources = DriftResources()


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
    resources: ReceiverResources = ReceiverResources()


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


class SlackReceiver(Section):
    """A channel that hears of every alert."""

    channel: Annotated[str, Field(pattern=r"^#\S+$", description="such as #alerts")]
    webhook_url: Annotated[SecretUrl, Field(description="Slack's incoming webhook; set with --secret")]


class MailReceiver(Section):
    """An address that hears of every alert."""

    to: MailAddress
    sender: MailAddress
    smarthost: Annotated[str, Field(pattern=r"^[^\s:]+:[0-9]{1,5}$", description="host:port that takes mail, with TLS")]
    username: Annotated[str, Field(min_length=1, description="who sends")]
    password: Annotated[SecretStr, Field(description="set with --secret")]


class PagerDutyReceiver(Section):
    """Whoever is on call, for critical alerts."""

    routing_key: Annotated[SecretStr, Field(description="of an Events API v2 integration; set with --secret")]


class WebhookReceiver(Section):
    """A program that hears of alerts, as Alertmanager's webhook sends them."""

    url: Annotated[SecretUrl, Field(description="https; set with --secret")]


class AlertReceivers(Section):
    """Who hears of alerts; nobody but retraining when empty. One secret stored encrypted makes the section one."""

    slack: SlackReceiver | None = None
    mail: MailReceiver | None = None
    pagerduty: PagerDutyReceiver | None = None
    webhook: WebhookReceiver | None = None
    watchdog: Annotated[
        WebhookReceiver | None, Field(description="a dead man's switch, called every five minutes while alerting works")
    ] = None


class ThirdPartyImages(Section):
    """Other places to have the third-party images from, such as a mirror."""

    alertmanager: ImageReference = THIRD_PARTY_IMAGES[ThirdPartyImage.ALERTMANAGER]
    dcgm_exporter: ImageReference = THIRD_PARTY_IMAGES[ThirdPartyImage.DCGM_EXPORTER]
    grafana: Annotated[
        ImageReference | None,
        Field(description="unset: none, because the embedded node has no way to get it; Grafana is left out"),
    ] = None
    prometheus: ImageReference = THIRD_PARTY_IMAGES[ThirdPartyImage.PROMETHEUS]
    versitygw: ImageReference = THIRD_PARTY_IMAGES[ThirdPartyImage.VERSITYGW]

    def reference(self, image: ThirdPartyImage) -> str:
        """Where an image is had."""
        return getattr(self, image) or THIRD_PARTY_IMAGES[image]


class LocalConfig(Section):
    """The `local` platform: any Kubernetes context that this machine reaches."""

    kube_context: Annotated[str, Field(min_length=1, description="a context of the kubeconfig")] = PROJECT
    registry: Registry = "127.0.0.1:30500"
    exposure: Annotated[
        Literal["node_port", "cluster_ip"],
        Field(description="how Services are reached: fixed ports of every node, or from inside the cluster alone"),
    ] = "node_port"
    base_image: Annotated[
        ImageReference | None,
        Field(description="what the services' images start from; unset: as their Dockerfiles say"),
    ] = None
    object_store_disk_size_gib: DiskSize = 2


class StackConfig(Section):
    """Everything a stack can be told; `infra/config.py` holds the defaults, `Pulumi.<stack>.yaml` what differs."""

    platform: Annotated[Literal["local", "aws"], Field(description="what the stack runs on")]
    models: Models
    object_store_secret_key: OptionalSecretKey = None
    images: ThirdPartyImages = ThirdPartyImages()
    local: LocalConfig = LocalConfig()
    aws: Annotated[AwsConfig | None, Field(description="account, region, network and cluster")] = None
    monitoring: MonitoringConfig = MonitoringConfig()
    remote_write: Annotated[RemoteWriteConfig | None, Field(description="where metrics are also written to")] = None
    alert_receivers: Annotated[AlertReceivers | None, Field(description="who hears of alerts")] = None
    scoring: ScoringConfig = ScoringConfig()
    training: TrainingConfig = TrainingConfig()
    drift: DriftConfig = DriftConfig()
    retraining: RetrainingConfig = RetrainingConfig()

    @model_validator(mode="after")
    def _gpus_exist(self) -> Self:
        if self.training.device_type != "cpu" and self.aws is not None and not self.aws.node_pools.gpu.enabled:
            message = f"training.device_type is {self.training.device_type}, which needs aws.node_pools.gpu.enabled"
            raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _pools_exist(self) -> Self:
        known = [] if self.aws is None else [pool.name for pool in self.aws.node_pools.extra]
        for key, pool in (
            ("scoring", self.scoring.node_pool),
            ("training", self.training.node_pool),
            ("drift", self.drift.node_pool),
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


def parse(values: Mapping[str, str], secret_keys: Collection[str] = ()) -> StackConfig:
    """Reads a configuration as Pulumi hands it to a program.

    Args:
        values: full key, such as `realtime-ml:scoring`, to text; structured values are JSON. Keys of other projects
            are not looked at.
        secret_keys: the full keys whose values are stored encrypted.

    Raises:
        ConfigError: naming every problem at once.
    """
    prefix = f"{PROJECT}:"
    own = {key.removeprefix(prefix): text for key, text in values.items() if key.startswith(prefix)}
    secret = {key.removeprefix(prefix) for key in secret_keys if key.startswith(prefix)}
    found = _stored_in_the_open(own, secret) + _of_another_platform(own, secret)
    document = json.dumps({key: _decoded(key, text) for key, text in own.items()})
    try:
        config = StackConfig.model_validate_json(document)
    except ValidationError as error:
        found += problems(error, StackConfig, secret)
    if found:
        raise ConfigError(found)
    return config


def read() -> StackConfig:
    """The configuration of the stack that this program runs for.

    Raises:
        pulumi.RunError: naming every problem at once; Pulumi prints it without a trace and changes nothing.
    """
    values = CONFIG.get()
    try:
        return parse(values, [key for key in values if pulumi.runtime.is_config_secret(key)])
    except ConfigError as error:
        # Not chained: what pydantic raised holds the values, secrets too.
        raise pulumi.RunError(str(error)) from None


def _decoded(key: str, text: str) -> object:
    """A structured value from its JSON; text stays text, also where a structure was due, to be refused as such."""
    field = StackConfig.model_fields.get(key)
    if field is None or section_in(field.annotation) is None:
        return text
    try:
        return json.loads(text)
    except ValueError:
        return text


def _stored_in_the_open(own: Collection[str], secret: Collection[str]) -> list[Problem]:
    return [
        Problem(
            path=property_path((key,)),
            given="[secret]",
            allowed=f"stored in plain text; set it with `pulumi config set --secret {property_path((key,))}`",
        )
        for key, field in StackConfig.model_fields.items()
        if holds_secret(field.annotation) and key in own and key not in secret
    ]


def _of_another_platform(own: Mapping[str, str], secret: Collection[str]) -> list[Problem]:
    """Keys that the chosen platform needs and has not, or has and does not know."""
    chosen = own.get("platform")
    if chosen not in _PLATFORM_KEYS:
        return []
    found = []
    for platform, keys in _PLATFORM_KEYS.items():
        for key in keys:
            field, path = StackConfig.model_fields[key], property_path((key,))
            missing = own.get(key, "null").strip() == "null"
            if platform == chosen and missing and field.get_default() is None:
                found.append(Problem(path=path, given="not set", allowed=f"required ({field.description})"))
            elif platform != chosen and key in own:
                hidden = key in secret or holds_secret(field.annotation)
                given = "[secret]" if hidden else shown(own[key])
                found.append(Problem(path=path, given=given, allowed=f"only for platform {platform}, not {chosen}"))
    return found
