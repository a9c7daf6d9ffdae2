"""The `local` implementation of the platform."""

from collections.abc import Mapping
from types import MappingProxyType

import pulumi
import pulumi_docker_build as docker_build
import pulumi_kubernetes as k8s

from infra.config.stack import StackConfig
from infra.connections.parties import Surroundings
from infra.images import ServiceImage, ServiceImageArgs
from infra.local.addresses import SURROUNDINGS
from infra.local.exposure import Exposure
from infra.local.object_store import (
    ACCESS_KEY_ID,
    REGION,
    ObjectStore,
    ObjectStoreArgs,
    client_environment,
    credentials_secret,
)
from infra.namespaces import STORAGE, restricted_namespace
from infra.platform import (
    Bucket,
    Endpoint,
    MetricsPods,
    MetricsSource,
    ObjectStoreAccess,
    Service,
    WorkloadIdentity,
)
from infra.versions import ThirdPartyImage


class LocalPlatform(pulumi.ComponentResource):
    """Any Kubernetes context: images through a registry on this machine, objects in a store inside the cluster.

    Its own stack outputs: `object_store_url`, and `object_store_access_key_id` and `object_store_secret_access_key`
    (a secret), which open it.
    """

    kubernetes: k8s.Provider
    storage_class: str | None = None
    outputs: Mapping[str, pulumi.Input[object]]
    metrics_sources: Mapping[MetricsSource, MetricsPods] = MappingProxyType({})
    """None: the stack watches its own pods, and whoever runs the cluster watches the cluster."""

    namespaces: Mapping[str, k8s.core.v1.Namespace]
    surroundings: Surroundings = SURROUNDINGS

    def __init__(self, name: str, config: StackConfig, opts: pulumi.ResourceOptions | None = None) -> None:
        """Connects to the cluster, and makes its object store."""
        super().__init__("realtime-ml:local:Platform", name, None, opts)
        self._config = config.local
        self._third_party = config.images
        if config.object_store_secret_key is None:  # `parse` has refused it; this tells the type checker.
            message = "object_store_secret_key: the local platform needs one"
            raise ValueError(message)
        self._secret_access_key = pulumi.Output.secret(config.object_store_secret_key.get_secret_value())
        self._exposure = Exposure(kind=config.local.exposure, models=[model.name for model in config.models])
        self._images: dict[Service, ServiceImage] = {}
        self.kubernetes = self._cluster()
        self._builder = docker_build.Provider("docker-build", opts=pulumi.ResourceOptions(parent=self))
        self._store = self._object_store()
        self.outputs = {
            "object_store_url": self._store.url,
            "object_store_access_key_id": ACCESS_KEY_ID,
            "object_store_secret_access_key": self._secret_access_key,
        }
        self.register_outputs({})

    def image(self, service: Service) -> pulumi.Output[str]:
        """Builds and pushes the image the first time that it is asked for."""
        if service not in self._images:
            base_image = self._config.base_image
            self._images[service] = ServiceImage(
                service,
                ServiceImageArgs(
                    service=service,
                    repository=f"{self._config.registry}/{service}",
                    tag=pulumi.get_stack(),
                    build_args={} if base_image is None else {"BASE_IMAGE": base_image},
                ),
                pulumi.ResourceOptions(parent=self, providers=[self._builder]),
            )
        return self._images[service].reference

    def has_image(self, image: ThirdPartyImage) -> bool:
        """All but Grafana's, unless the configuration says where that is had."""
        return image is not ThirdPartyImage.GRAFANA or self._third_party.grafana is not None

    def third_party_image(self, image: ThirdPartyImage) -> str:
        """The pinned image, or what the configuration has in its place."""
        return self._third_party.reference(image)

    def placement(self, pool: str | None) -> None:
        """Wherever there is room: the configuration takes no pool here."""

    def bucket_url(self, bucket: Bucket) -> pulumi.Output[str]:
        """The bucket of that name: the store has one account and so no other's names to keep out of the way of."""
        return pulumi.Output.from_input(f"s3://{bucket}")

    def object_store_access(self, identity: WorkloadIdentity, opts: pulumi.ResourceOptions) -> ObjectStoreAccess:
        """Gives the workload the store's one key pair.

        It opens every bucket: which of them a workload may use is enforced where identities exist, on a cloud.
        """
        secret = credentials_secret(
            f"{identity.service_account}-object-store",
            identity.namespace,
            self._secret_access_key,
            identity.app,
            self._in_cluster(opts),
        )
        return ObjectStoreAccess(
            env={"AWS_ENDPOINT_URL": self._store.cluster_url, "AWS_REGION": REGION},
            secret_env=client_environment(secret),
            ready=self._store.ready,
        )

    def expose(self, endpoint: Endpoint, opts: pulumi.ResourceOptions) -> pulumi.Output[str]:
        """Makes a Service of the kind that the configuration asks for; audiences are not told apart on one machine."""
        _, url = self._exposure.expose(endpoint, self._in_cluster(opts))
        return url

    def _in_cluster(self, opts: pulumi.ResourceOptions) -> pulumi.ResourceOptions:
        return pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(provider=self.kubernetes))

    def _cluster(self) -> k8s.Provider:
        context = self._config.kube_context
        return k8s.Provider(
            "kubernetes",
            context=context,
            # Another kubeconfig path is the same cluster: without this, Pulumi might take it for a new one and replace
            # everything.
            cluster_identifier=context,
            opts=pulumi.ResourceOptions(parent=self),
        )

    def _object_store(self) -> ObjectStore:
        namespace = restricted_namespace(STORAGE, self._in_cluster(pulumi.ResourceOptions(parent=self)))
        self.namespaces = {STORAGE: namespace}
        return ObjectStore(
            "object-store",
            ObjectStoreArgs(
                namespace=namespace.metadata.name,
                image=self.third_party_image(ThirdPartyImage.VERSITYGW),
                secret_access_key=self._secret_access_key,
                disk_size_gib=self._config.object_store_disk_size_gib,
                storage_class=self.storage_class,
                exposure=self._exposure,
            ),
            pulumi.ResourceOptions(parent=self, providers=[self.kubernetes]),
        )
