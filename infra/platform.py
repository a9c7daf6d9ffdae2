"""What a workload knows of where it runs; the `local` folder and its siblings say how each platform provides it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

import pulumi
import pulumi_kubernetes as k8s

from infra.connections.parties import Surroundings
from infra.naming import App
from infra.versions import ThirdPartyImage


class Service(StrEnum):
    """A service of this repository; the value names its folder in `services/` and its image."""

    SCORING = "scoring"
    RETRAINING = "retraining"
    DRIFT = "drift"


class Bucket(StrEnum):
    """A bucket of the object store, by what it holds."""

    MODELS = "models"
    PREDICTIONS = "predictions"


class Access(StrEnum):
    """What a workload may do in a bucket."""

    READ = "read"
    WRITE = "write"
    """Reads too: a conditional write is a read and a write."""


class Audience(StrEnum):
    """Who an endpoint is for; a platform may place the two on different networks."""

    CLIENTS = "clients"
    """Whoever asks for predictions."""
    OPERATORS = "operators"
    """Whoever runs the stack."""


class MetricsSource(StrEnum):
    """What exports metrics of the cluster itself, where the platform has it; the value is its job in Prometheus."""

    KUBE_STATE_METRICS = "kube-state-metrics"
    NODE_EXPORTER = "node-exporter"
    DCGM_EXPORTER = "dcgm-exporter"


@dataclass(frozen=True, kw_only=True)
class WorkloadIdentity:
    """Who a workload is to the platform, and what it may do there.

    Attributes:
        namespace: where it runs.
        service_account: what it runs as; one for each workload, so that its permissions are its own.
        buckets: what it may do in which bucket; nothing in those that are not named.
        folders: where it may write in a bucket that it may only read otherwise, such as `*/results`.
        app: what the objects made for it are labelled with.
    """

    namespace: pulumi.Input[str]
    service_account: str
    buckets: Mapping[Bucket, Access]
    app: App
    folders: Mapping[Bucket, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class SecretValue:
    """A value inside a Kubernetes Secret of the workload's own namespace."""

    secret: pulumi.Input[str]
    key: str


@dataclass(frozen=True, kw_only=True)
class ObjectStoreAccess:
    """How a workload gets at the object store.

    Attributes:
        env: environment variables in plain text, such as the region.
        secret_env: environment variables that come from a Secret; empty where the platform gives pods an identity.
        ready: what must exist before the workload's first request.
    """

    env: Mapping[str, pulumi.Input[str]]
    secret_env: Mapping[str, SecretValue]
    ready: tuple[pulumi.Resource, ...]


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """An HTTP port that others than the pods themselves call.

    Attributes:
        name: of the Service; other parts find it by that name.
        namespace: of the Service and its pods.
        app: whose pods answer.
        port: of the Service.
        target_port: name of the container's port.
        audience: who calls it.
    """

    name: str
    namespace: pulumi.Input[str]
    app: App
    port: int
    target_port: str
    audience: Audience

    @property
    def metadata(self) -> k8s.meta.v1.ObjectMetaArgsDict:
        """Of the Service, and of whatever else leads to it."""
        return {"name": self.name, "namespace": self.namespace, "labels": self.app.labels}

    @property
    def service_port(self) -> k8s.core.v1.ServicePortArgsDict:
        """The one port of the Service."""
        return {"name": "http", "port": self.port, "target_port": self.target_port}

    @property
    def cluster_url(self) -> pulumi.Output[str]:
        """How pods reach it, whatever its exposure."""
        return pulumi.Output.format("http://{0}.{1}.svc.cluster.local:{2}", self.name, self.namespace, self.port)


@dataclass(frozen=True, kw_only=True)
class MetricsPods:
    """Pods that export metrics and are not the stack's own.

    Attributes:
        namespace: where they run; Prometheus is let in to find them.
        ready: what must exist before that namespace does.
    """

    namespace: pulumi.Input[str]
    ready: tuple[pulumi.Resource, ...]


@dataclass(frozen=True, kw_only=True)
class Placement:
    """Which nodes a pod goes to, as its specification says it."""

    node_selector: Mapping[str, str]
    tolerations: Sequence[k8s.core.v1.TolerationArgsDict]


class Platform(Protocol):
    """Where the stack runs.

    What a method makes takes the `opts` it is given: its parent, so that it comes and goes with what needs it, and what
    it has to wait for. The provider is the platform's own.
    """

    @property
    def kubernetes(self) -> k8s.Provider:
        """The cluster; every Kubernetes object names it."""

    @property
    def storage_class(self) -> str | None:
        """What disks are made of; none is the cluster's default."""

    @property
    def outputs(self) -> Mapping[str, pulumi.Input[object]]:
        """Stack outputs that only this platform has; read once everything is made."""

    @property
    def metrics_sources(self) -> Mapping[MetricsSource, MetricsPods]:
        """What exports metrics of the cluster itself."""

    @property
    def namespaces(self) -> Mapping[str, k8s.core.v1.Namespace]:
        """Those that the platform itself makes, by name."""

    @property
    def surroundings(self) -> Surroundings:
        """Where pods find what is no pod of the stack, and who calls them from outside."""

    def image(self, service: Service) -> pulumi.Output[str]:
        """A service's image, built from this checkout, by its digest."""

    def third_party_image(self, image: ThirdPartyImage) -> str:
        """Where an image that the stack does not build is had."""

    def has_image(self, image: ThirdPartyImage) -> bool:
        """Whether it can be had here at all; what needs it is left out otherwise."""

    def placement(self, pool: str | None) -> Placement | None:
        """The nodes of a pool; no pool, and no placement, are the usual ones."""

    def bucket_url(self, bucket: Bucket) -> pulumi.Output[str]:
        """A bucket, such as `s3://models`, as the services' settings take it."""

    def object_store_access(self, identity: WorkloadIdentity, opts: pulumi.ResourceOptions) -> ObjectStoreAccess:
        """Lets a workload use its buckets."""

    def expose(self, endpoint: Endpoint, opts: pulumi.ResourceOptions) -> pulumi.Output[str]:
        """Makes a Service, and what else lets the audience reach it; returns the URL that they use."""
