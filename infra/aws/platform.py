"""The AWS implementation of the platform."""

from collections.abc import Mapping
from typing import Final

import pulumi
import pulumi_aws
import pulumi_docker_build as docker_build
import pulumi_kubernetes as k8s
from pulumi_aws import eks

from infra.aws.addresses import surroundings
from infra.aws.cluster import Cluster, ClusterArgs
from infra.aws.cost import budget_alarm
from infra.aws.exposure import Exposure
from infra.aws.gpu import GpuMetrics, GpuMetricsArgs
from infra.aws.identity import WorkloadRole, WorkloadRoleArgs
from infra.aws.network import Network
from infra.aws.network_policy import enforce
from infra.aws.node_pools import NodePools, NodePoolsArgs, pool_architectures, pool_placement
from infra.aws.registry import Repository, RepositoryArgs
from infra.aws.storage import StorageBucket, StorageBucketArgs
from infra.config.stack import StackConfig
from infra.connections.parties import Surroundings
from infra.namespaces import GPU
from infra.naming import App, cloud_tags
from infra.platform import (
    Bucket,
    Endpoint,
    MetricsPods,
    MetricsSource,
    ObjectStoreAccess,
    Placement,
    Service,
    WorkloadIdentity,
)
from infra.versions import ThirdPartyImage

STORAGE_CLASS: Final = "gp3"
METRICS_SERVER: Final = "metrics-server"
METRICS_ADDONS: Final[Mapping[MetricsSource, str]] = {
    MetricsSource.KUBE_STATE_METRICS: "kube-state-metrics",
    MetricsSource.NODE_EXPORTER: "prometheus-node-exporter",
}
"""EKS add-ons that export metrics of the cluster; each runs in a namespace of its own name."""


class AwsPlatform(pulumi.ComponentResource):
    """An EKS Auto Mode cluster in a network of its own; images in ECR, objects in S3, a role for each workload.

    Its own stack outputs: `region`, `cluster_name`, `kubeconfig` (a secret), `repository_urls`, `images`,
    `bucket_names`, and `load_balancers`, the host names that the DNS records of public endpoints have to point to.

    Destroying goes backwards through what each part waits for: pods and load balancers, then node pools with their
    nodes, then who is let in, then the cluster, then the network.
    """

    kubernetes: k8s.Provider
    storage_class: str | None = STORAGE_CLASS
    metrics_sources: Mapping[MetricsSource, MetricsPods]
    namespaces: Mapping[str, k8s.core.v1.Namespace]
    surroundings: Surroundings

    def __init__(self, name: str, config: StackConfig, opts: pulumi.ResourceOptions | None = None) -> None:
        """Makes the network, the cluster, its nodes, the repositories and the buckets."""
        if config.aws is None:  # `parse` has refused it; this tells the type checker.
            message = "aws: the AWS platform needs its section"
            raise ValueError(message)
        self._config = config.aws
        self._third_party = config.images
        self._pools = {
            Service.SCORING: [config.scoring.node_pool],
            Service.RETRAINING: [config.training.node_pool],
            Service.DRIFT: [config.drift.node_pool, *([config.dask.node_pool] if config.on_dask else [])],
        }
        self._tags = cloud_tags(pulumi.get_project(), config.aws.name)
        super().__init__("realtime-ml:aws:Platform", name, None, opts)
        self._aws = self._account()
        in_account = pulumi.ResourceOptions(parent=self, providers=[self._aws])
        network = Network("network", self._config, in_account)
        self._cluster = Cluster("cluster", ClusterArgs(config=self._config, network=network), in_account)
        nodes = self._nodes(network)
        # Made after the nodes there may be, and so gone before them.
        self.kubernetes = self._cluster.connect("kubernetes", nodes.ready)
        self._disks()
        enforce(self._in_cluster(pulumi.ResourceOptions(parent=self)))
        self.surroundings = surroundings(config.aws)
        self.namespaces = {}
        self._addon(METRICS_SERVER, nodes)
        self.metrics_sources = {
            source: MetricsPods(namespace=addon, ready=(self._addon(addon, nodes),))
            for source, addon in METRICS_ADDONS.items()
        } | self._gpu_metrics()
        self._builder = docker_build.Provider("docker-build", opts=pulumi.ResourceOptions(parent=self))
        self._repositories = {service: self._repository(service) for service in Service}
        self._buckets = {bucket: self._bucket(bucket) for bucket in Bucket}
        budget_alarm(self._config, pulumi.ResourceOptions(parent=self, provider=self._aws))
        self._exposure = Exposure(
            config=self._config.exposure, oidc=config.oidc, tags=self._tags, network_cidr=self._config.network.cidr
        )
        self._public_class = self._exposure.public_class(self._in_cluster(pulumi.ResourceOptions(parent=self)))
        self.register_outputs({})

    @property
    def outputs(self) -> Mapping[str, pulumi.Input[object]]:
        """Asked for at the end, when every endpoint is there."""
        return {
            "region": self._config.region,
            "cluster_name": self._cluster.name,
            "kubeconfig": self._cluster.kubeconfig,
            "repository_urls": {str(service): made.url for service, made in self._repositories.items()},
            "images": {str(service): made.reference for service, made in self._repositories.items()},
            "bucket_names": {str(bucket): made.name for bucket, made in self._buckets.items()},
            "load_balancers": self._exposure.load_balancers,
        }

    def image(self, service: Service) -> pulumi.Output[str]:
        """The image of this checkout, for every architecture that its pods may meet."""
        return self._repositories[service].reference

    def has_image(self, image: ThirdPartyImage) -> bool:  # noqa: ARG002 (the answer is the same for all)
        """Whatever its makers publish."""
        return True

    def third_party_image(self, image: ThirdPartyImage) -> str:
        """The pinned image, or what the configuration has in its place."""
        return self._third_party.reference(image)

    def placement(self, pool: str | None) -> Placement | None:
        """The nodes of an extra pool, whose taint keeps out all but those who name it."""
        return None if pool is None else pool_placement(pool)

    def bucket_url(self, bucket: Bucket) -> pulumi.Output[str]:
        """The bucket by its name in S3."""
        return pulumi.Output.concat("s3://", self._buckets[bucket].name)

    def object_store_access(self, identity: WorkloadIdentity, opts: pulumi.ResourceOptions) -> ObjectStoreAccess:
        """Gives the workload a role of its own; no key is made, so none can be lost."""
        role = WorkloadRole(
            identity.service_account,
            WorkloadRoleArgs(config=self._config, cluster_name=self._cluster.name, identity=identity),
            pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(providers=[self._aws])),
        )
        buckets = [resource for bucket in identity.buckets for resource in self._buckets[bucket].ready]
        return ObjectStoreAccess(
            # Pods have no way to the instance's metadata, where clients look for the region otherwise.
            env={"AWS_REGION": self._config.region},
            secret_env={},
            ready=(*role.ready, *buckets),
        )

    def expose(self, endpoint: Endpoint, opts: pulumi.ResourceOptions) -> pulumi.Output[str]:
        """Makes a Service; clients reach theirs through a load balancer, operators through the API server."""
        return self._exposure.expose(endpoint, self._public_class, self._in_cluster(opts))

    def _in_cluster(self, opts: pulumi.ResourceOptions) -> pulumi.ResourceOptions:
        return pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(provider=self.kubernetes))

    def _account(self) -> pulumi_aws.Provider:
        return pulumi_aws.Provider(
            "aws",
            region=self._config.region,
            # Credentials of any other account are refused before anything is read or changed.
            allowed_account_ids=[self._config.account_id],
            default_tags={"tags": self._tags},
            opts=pulumi.ResourceOptions(parent=self),
        )

    def _nodes(self, network: Network) -> NodePools:
        return NodePools(
            "nodes",
            NodePoolsArgs(
                config=self._config.node_pools,
                cluster=self._cluster,
                subnet_ids=network.private_subnet_ids,
                tags=self._tags,
            ),
            pulumi.ResourceOptions(parent=self, providers=[self._cluster.connect("kubernetes-nodes")]),
        )

    def _disks(self) -> None:
        app = App(name="disks", instance=STORAGE_CLASS, component="storage")
        tags = {
            f"tagSpecification_{number}": f"{key}={value}"
            for number, (key, value) in enumerate(self._tags.items(), start=1)
        }
        k8s.storage.v1.StorageClass(
            STORAGE_CLASS,
            metadata={
                "name": STORAGE_CLASS,
                "labels": app.labels,
                "annotations": {"storageclass.kubernetes.io/is-default-class": "true"},
            },
            provisioner="ebs.csi.eks.amazonaws.com",
            parameters={"type": "gp3", "encrypted": "true", **tags},
            # A disk lies in one zone: made when its pod's node is known.
            volume_binding_mode="WaitForFirstConsumer",
            allow_volume_expansion=True,
            reclaim_policy="Delete",
            opts=self._in_cluster(pulumi.ResourceOptions(parent=self)),
        )

    def _addon(self, name: str, nodes: NodePools) -> eks.Addon:
        return eks.Addon(
            name,
            cluster_name=self._cluster.name,
            addon_name=name,
            resolve_conflicts_on_create="OVERWRITE",
            resolve_conflicts_on_update="OVERWRITE",
            # Its pods need a node to become healthy on.
            opts=pulumi.ResourceOptions(parent=self, provider=self._aws, depends_on=nodes.ready),
        )

    def _gpu_metrics(self) -> dict[MetricsSource, MetricsPods]:
        if not self._config.node_pools.gpu.enabled:
            return {}
        metrics = GpuMetrics(
            "gpu-metrics",
            GpuMetricsArgs(image=self.third_party_image(ThirdPartyImage.DCGM_EXPORTER)),
            pulumi.ResourceOptions(parent=self, providers=[self.kubernetes]),
        )
        self.namespaces = {GPU: metrics.namespace}
        return {
            MetricsSource.DCGM_EXPORTER: MetricsPods(
                namespace=metrics.namespace.metadata.name, ready=(metrics.namespace,)
            )
        }

    def _repository(self, service: Service) -> Repository:
        gpu = service is Service.RETRAINING
        return Repository(
            service,
            RepositoryArgs(
                config=self._config,
                service=service,
                architectures=pool_architectures(self._config.node_pools, *self._pools[service], gpu=gpu),
            ),
            pulumi.ResourceOptions(parent=self, providers=[self._aws, self._builder]),
        )

    def _bucket(self, bucket: Bucket) -> StorageBucket:
        expiry = self._config.object_store.prediction_expiry_days if bucket is Bucket.PREDICTIONS else None
        return StorageBucket(
            bucket,
            StorageBucketArgs(config=self._config, bucket=bucket, expiry_days=expiry),
            pulumi.ResourceOptions(parent=self, providers=[self._aws]),
        )
