"""The AWS platform."""

import difflib
import re
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Network
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from infra.aws.instance_families import GENERAL_PURPOSE, INSTANCE_FAMILIES, Architecture
from infra.aws.subnets import NARROWEST_PREFIX, WIDEST_PREFIX, ZONE_LIMIT
from infra.naming import is_dns_label
from infra.section import Section
from infra.versions import KUBERNETES_VERSION

BUCKET_NAME_LIMIT: Final = 63
_LONGEST_REGION: Final = len("ap-southeast-1")
_LONGEST_BUCKET: Final = len("predictions")
_ACCOUNT_LENGTH: Final = 12
NAME_LIMIT: Final = BUCKET_NAME_LIMIT - _ACCOUNT_LENGTH - _LONGEST_REGION - _LONGEST_BUCKET - 3
"""Characters in an environment's name: with account, region and purpose behind it, it still names a bucket."""

POOL_NAME_LIMIT: Final = 40
"""Characters in a node pool's name: it becomes a label with the capacity type behind it."""

_REGION: Final = re.compile(r"(af|ap|ca|eu|il|me|mx|sa|us)-[a-z]+-[1-9]")
_CIDR: Final = re.compile(r"\d{1,3}(\.\d{1,3}){3}/\d{1,2}")
_PRIVATE: Final = tuple(map(IPv4Network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")))
_POOL_NAMES: Final = ("cpu", "gpu")


def _name(text: str) -> str:
    if not is_dns_label(text, NAME_LIMIT):
        message = f"must be lower-case letters, digits and inner hyphens, {NAME_LIMIT} characters at most"
        raise ValueError(message)
    return text


def _pool_name(text: str) -> str:
    if not is_dns_label(text, POOL_NAME_LIMIT) or text in _POOL_NAMES:
        message = (
            f"must be lower-case letters, digits and inner hyphens, {POOL_NAME_LIMIT} characters at most, "
            f"and none of {', '.join(_POOL_NAMES)}"
        )
        raise ValueError(message)
    return text


def _region(text: str) -> str:
    if _REGION.fullmatch(text) is None or len(text) > _LONGEST_REGION:
        message = "must be a region of the partition `aws`, such as eu-central-1"
        raise ValueError(message)
    return text


def _network(text: str) -> str:
    try:
        if _CIDR.fullmatch(text) is None:
            raise ValueError  # noqa: TRY301 (the same answer for every way of being no network)
        IPv4Network(text)
    except ValueError:
        message = "must be an IPv4 network without host bits, such as 10.0.0.0/16"
        raise ValueError(message) from None
    return text


def _private_network(text: str) -> str:
    network = IPv4Network(_network(text))
    if not WIDEST_PREFIX <= network.prefixlen <= NARROWEST_PREFIX:
        message = f"must be a /{WIDEST_PREFIX} to /{NARROWEST_PREFIX}, not a /{network.prefixlen}"
        raise ValueError(message)
    if not any(network.subnet_of(private) for private in _PRIVATE):
        message = f"must lie in {', '.join(map(str, _PRIVATE))}"
        raise ValueError(message)
    return text


def _client_network(text: str) -> str:
    if IPv4Network(_network(text)).prefixlen == 0:
        message = "must not be the whole internet: name the networks that clients come from"
        raise ValueError(message)
    return text


def _families(names: tuple[str, ...]) -> tuple[str, ...]:
    for name in names:
        if name not in INSTANCE_FAMILIES:
            close = difflib.get_close_matches(name, INSTANCE_FAMILIES, n=3)
            suggestion = f"did you mean {', '.join(close)}? " if close else ""
            message = f"unknown instance family {name}; {suggestion}known: {', '.join(sorted(INSTANCE_FAMILIES))}"
            raise ValueError(message)
    return names


Cidr = Annotated[str, AfterValidator(_client_network)]
PrivateNetwork = Annotated[str, AfterValidator(_private_network)]
InstanceFamilies = Annotated[tuple[str, ...], AfterValidator(_families)]
RoleArn = Annotated[str, Field(pattern=r"^arn:aws:iam::[0-9]{12}:role/[A-Za-z0-9_+=,.@/-]+$", max_length=600)]
CertificateArn = Annotated[str, Field(pattern=r"^arn:aws:acm:[a-z0-9-]+:[0-9]{12}:certificate/[0-9a-f-]{36}$")]
KeyArn = Annotated[str, Field(pattern=r"^arn:aws:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+$", max_length=200)]
Domain = Annotated[str, Field(pattern=r"^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}$", max_length=200)]
Cores = Annotated[int, Field(ge=2, le=10_000, description="cores of all its nodes together, 2 to 10000")]
Gpus = Annotated[int, Field(ge=1, le=1_000, description="GPUs of all its nodes together, 1 to 1000")]
SpotShare = Annotated[float, Field(ge=0, le=1, description="part of the pool's cores that may be Spot, 0 to 1")]


class NetworkConfig(Section):
    """The VPC that the environment has to itself."""

    cidr: Annotated[
        PrivateNetwork, Field(description="private, /16 to /20, and no other environment's if the two are ever joined")
    ] = "10.0.0.0/16"
    zones: Annotated[tuple[str, ...], Field(description="two or three availability zones of the region")]
    nat: Annotated[
        Literal["one", "per_zone"],
        Field(description="`one` saves its price and takes every zone down with its own; `per_zone` does neither"),
    ] = "per_zone"
    ecr_endpoints: Annotated[bool, Field(description="pull images past the NAT; priced by zone and hour")] = True
    flow_logs: Annotated[bool, Field(description="keep a record of every connection for 30 days")] = False

    @model_validator(mode="after")
    def _zones_fit_the_subnets(self) -> Self:
        if not 2 <= len(self.zones) <= ZONE_LIMIT:  # noqa: PLR2004 (EKS wants two)
            message = f"zones: {len(self.zones)} given: the cluster's subnets need 2 to {ZONE_LIMIT}"
            raise ValueError(message)
        if repeated := sorted({zone for zone in self.zones if self.zones.count(zone) > 1}):
            message = f"zones: must be different; given more than once: {', '.join(repeated)}"
            raise ValueError(message)
        return self


class ClusterConfig(Section):
    """The EKS control plane."""

    kubernetes_version: Annotated[str, Field(pattern=r"^1\.[0-9]{2}$", description="minor version")] = (
        KUBERNETES_VERSION
    )
    service_cidr: Annotated[
        PrivateNetwork, Field(description="addresses of Services, apart from the network; cannot be changed")
    ] = "172.20.0.0/16"
    public_access_cidrs: Annotated[
        tuple[Cidr, ...], Field(description="who may reach the API over the internet; nobody when empty")
    ] = ()
    admin_principals: Annotated[
        tuple[RoleArn, ...], Field(description="IAM roles that administer the cluster, the deploying one among them")
    ]
    kms_key_arn: Annotated[
        KeyArn | None,
        Field(description="key for Secrets in etcd, on which the deploying role may create grants; unset: AWS's own"),
    ] = None
    deletion_protection: Annotated[bool, Field(description="EKS refuses to delete the cluster")] = False
    log_types: Annotated[
        tuple[Literal["api", "audit", "authenticator", "controllerManager", "scheduler"], ...],
        Field(description="control-plane logs to keep"),
    ] = ("api", "audit", "authenticator")
    log_retention_days: Annotated[
        Literal[7, 14, 30, 60, 90, 180, 365], Field(description="days that the control plane's logs are kept")
    ] = 30

    @model_validator(mode="after")
    def _somebody_administers(self) -> Self:
        if not self.admin_principals:
            message = "admin_principals: none given: name the role that deploys, or nobody can make objects"
            raise ValueError(message)
        return self


class CpuPoolConfig(Section):
    """Nodes for everything that needs no GPU."""

    architecture: Annotated[Architecture, Field(description="arm64 is Graviton; images are built for it")] = "arm64"
    instance_families: Annotated[InstanceFamilies, Field(description="unset: the architecture's usual ones")] = ()
    spot_share: SpotShare = 0.0
    cpu_limit: Cores = 64

    @property
    def families(self) -> tuple[str, ...]:
        """The families that nodes are chosen from."""
        return self.instance_families or GENERAL_PURPOSE[self.architecture]

    @model_validator(mode="after")
    def _families_fit(self) -> Self:
        for name in self.instance_families:
            family = INSTANCE_FAMILIES[name]
            if family.gpu or family.architecture != self.architecture:
                fitting = [n for n, f in INSTANCE_FAMILIES.items() if not f.gpu and f.architecture == self.architecture]
                message = f"instance_families: {name} is no {self.architecture} family without GPUs; fitting: {fitting}"
                raise ValueError(message)
        return self


class ExtraPoolConfig(CpuPoolConfig):
    """A CPU pool besides the usual one, for pods that ask for it."""

    name: Annotated[str, AfterValidator(_pool_name), Field(description="of the pool, its taint's value too")]


class GpuPoolConfig(Section):
    """Nodes with GPUs: none until a pod asks for one. They train; predictions are made on CPUs."""

    enabled: Annotated[bool, Field(description="whether there is such a pool")] = False
    instance_families: Annotated[
        InstanceFamilies, Field(min_length=1, description="several, because GPU capacity runs out by family")
    ] = ("g4dn", "g5", "g6")
    gpu_limit: Annotated[Gpus | None, Field(description="most GPUs at a time, 1 to 1000; required when enabled")] = None
    spot: Annotated[bool, Field(description="try Spot first; on demand where there is none")] = True

    @model_validator(mode="after")
    def _limited(self) -> Self:
        if self.enabled and self.gpu_limit is None:
            message = "gpu_limit: not set: a GPU pool needs one, 1 to 1000, because each GPU costs from the first hour"
            raise ValueError(message)
        for name in self.instance_families:
            if not INSTANCE_FAMILIES[name].gpu:
                fitting = sorted(n for n, f in INSTANCE_FAMILIES.items() if f.gpu)
                message = f"instance_families: {name} has no GPU; fitting: {', '.join(fitting)}"
                raise ValueError(message)
        return self


def _distinct_pools(pools: tuple[ExtraPoolConfig, ...]) -> tuple[ExtraPoolConfig, ...]:
    names = [pool.name for pool in pools]
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        message = f"must have a name each; given more than once: {', '.join(repeated)}"
        raise ValueError(message)
    return pools


class NodePoolsConfig(Section):
    """What nodes there may be."""

    cpu: CpuPoolConfig = CpuPoolConfig()
    gpu: GpuPoolConfig = GpuPoolConfig()
    extra: Annotated[
        tuple[ExtraPoolConfig, ...], AfterValidator(_distinct_pools), Field(description="further CPU pools, tainted")
    ] = ()
    expire_after_days: Annotated[
        int, Field(ge=1, le=21, description="age at which a node is replaced, 1 to 21; Auto Mode allows no more")
    ] = 14


class ObjectStoreConfig(Section):
    """The buckets."""

    retain_on_destroy: Annotated[bool, Field(description="keep buckets and objects when the stack goes")] = False
    prediction_expiry_days: Annotated[int, Field(ge=1, le=3650, description="days, 1 to 3650")] = 90


class ExposureConfig(Section):
    """How clients reach scoring: from the network alone, or over the internet with TLS."""

    public: Annotated[bool, Field(description="an ALB on the internet in place of the internal load balancer")] = False
    certificate_arn: Annotated[CertificateArn | None, Field(description="covers `*.<domain>`")] = None
    domain: Annotated[Domain | None, Field(description="models answer at `<model>.<domain>`")] = None
    allowed_cidrs: Annotated[tuple[Cidr, ...], Field(description="where clients come from")] = ()

    @model_validator(mode="after")
    def _public_is_complete(self) -> Self:
        if self.public:
            for key in ("certificate_arn", "domain", "allowed_cidrs"):
                if not getattr(self, key):
                    message = f"{key}: not set: a public endpoint needs certificate_arn, domain and allowed_cidrs"
                    raise ValueError(message)
        return self


class CostConfig(Section):
    """What the environment may cost before somebody hears of it."""

    budget_usd_per_month: Annotated[int | None, Field(ge=1, le=10_000_000, description="US dollars; unset: none")] = (
        None
    )
    notify_email: Annotated[
        str | None, Field(pattern=r"^[^@\s]+@[^@\s]+\.[^@\s]+$", max_length=50, description="who hears of it")
    ] = None

    @model_validator(mode="after")
    def _somebody_hears(self) -> Self:
        if (self.budget_usd_per_month is None) != (self.notify_email is None):
            message = "budget_usd_per_month and notify_email: give both or neither: a budget nobody hears of is none"
            raise ValueError(message)
        return self


class AwsConfig(Section):
    """An environment in an AWS account."""

    name: Annotated[str, AfterValidator(_name), Field(description="what everything in the account is called after")]
    region: Annotated[str, AfterValidator(_region), Field(description="such as eu-central-1")]
    account_id: Annotated[
        str, Field(pattern=r"^[0-9]{12}$", description="twelve digits, quoted; credentials of any other are refused")
    ]
    images_from: Annotated[
        str | None,
        Field(
            pattern=r"^[0-9]{12}\.dkr\.ecr\.[a-z0-9-]+\.amazonaws\.com/[a-z0-9-]+$",
            description="registry/name of the environment whose images are copied, by digest; unset: built here",
        ),
    ] = None
    protect: Annotated[bool, Field(description="Pulumi refuses to delete what holds data or serves")] = False
    network: NetworkConfig
    cluster: ClusterConfig
    node_pools: NodePoolsConfig = NodePoolsConfig()
    object_store: ObjectStoreConfig = ObjectStoreConfig()
    exposure: ExposureConfig = ExposureConfig()
    cost: CostConfig = CostConfig()

    @model_validator(mode="after")
    def _zones_lie_in_the_region(self) -> Self:
        for zone in self.network.zones:
            if re.fullmatch(rf"{self.region}[a-z]", zone) is None:
                message = f"network.zones: {zone} is no zone of {self.region}; they are {self.region}a and so on"
                raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _networks_are_apart(self) -> Self:
        network, services = self.network.cidr, self.cluster.service_cidr
        if IPv4Network(network).overlaps(IPv4Network(services)):
            message = f"network.cidr {network} and cluster.service_cidr {services} overlap; choose others, such as "
            message += "10.0.0.0/16 and 172.20.0.0/16"
            raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _keys_and_certificates_lie_in_the_region(self) -> Self:
        arns = {
            "cluster.kms_key_arn": self.cluster.kms_key_arn,
            "exposure.certificate_arn": self.exposure.certificate_arn,
        }
        for key, arn in arns.items():
            if arn is not None and arn.split(":")[3] != self.region:
                message = f"{key}: lies in {arn.split(':')[3]}: must lie in {self.region}, as the stack does"
                raise ValueError(message)
        return self


def architectures(families: Iterable[str]) -> Sequence[Architecture]:
    """The architectures of these families, sorted."""
    return sorted({INSTANCE_FAMILIES[name].architecture for name in families})
