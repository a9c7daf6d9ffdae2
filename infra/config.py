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


ImageReference = Annotated[str, AfterValidator(_image_reference)]
Registry = Annotated[str, AfterValidator(_registry), Field(description="where built images are pushed to")]
ModelName = Annotated[str, AfterValidator(_model_name), Field(description="as in its URL and its registry folder")]
Millicores = Annotated[int, Field(ge=10, le=64_000, description="thousandths of a core, 10 to 64000")]
Mebibytes = Annotated[int, Field(ge=16, le=524_288, description="MiB, 16 to 524288")]
DiskSize = Annotated[int, Field(ge=1, le=16_384, description="GiB, 1 to 16384; another size replaces disk and data")]
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


class ScoringConfig(Section):
    """How models are served."""

    replicas: Annotated[int, Field(ge=1, le=100, description="pods for each model, 1 to 100")] = 2
    resources: ScoringResources = ScoringResources()


class TrainingConfig(Section):
    """How a model's first version is trained."""

    resources: TrainingResources = TrainingResources()


class MonitoringConfig(Section):
    """How long and where metrics are kept."""

    retention_days: Annotated[int, Field(ge=1, le=365, description="days that metrics are kept, 1 to 365")] = 7
    disk_size_gib: DiskSize = 4
    resources: PrometheusResources = PrometheusResources()


class ThirdPartyImages(Section):
    """Other places to have the third-party images from, such as a mirror."""

    prometheus: ImageReference = THIRD_PARTY_IMAGES[ThirdPartyImage.PROMETHEUS]
    versitygw: ImageReference = THIRD_PARTY_IMAGES[ThirdPartyImage.VERSITYGW]


class LocalConfig(Section):
    """The `local` platform: any Kubernetes context that this machine reaches."""

    kube_context: Annotated[str, Field(min_length=1, description="a context of the kubeconfig")] = PROJECT
    registry: Registry = "127.0.0.1:30500"
    exposure: Annotated[
        Literal["node_port", "cluster_ip"],
        Field(description="how Services are reached: fixed ports of every node, or from inside the cluster alone"),
    ] = "node_port"
    images: ThirdPartyImages = ThirdPartyImages()
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
    local: LocalConfig = LocalConfig()
    aws: Annotated[AwsConfig | None, Field(description="account, region, network and cluster")] = None
    monitoring: MonitoringConfig = MonitoringConfig()
    scoring: ScoringConfig = ScoringConfig()
    training: TrainingConfig = TrainingConfig()


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
