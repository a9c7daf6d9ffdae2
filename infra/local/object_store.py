"""The object store of a cluster without a cloud: versitygw, an S3 server over a file system."""

from dataclasses import dataclass
from typing import Final

import pulumi
import pulumi_kubernetes as k8s
from pulumi_kubernetes.core.v1 import ContainerArgsDict, VolumeMountArgsDict

from infra.config.resources import Resources
from infra.local.exposure import Exposure
from infra.naming import App
from infra.platform import Audience, Bucket, Endpoint, SecretValue
from infra.pods import (
    CONTAINER_SECURITY,
    disk,
    http_probe,
    resource_requirements,
    service_account,
    standard_pod,
)

ACCESS_KEY_ID: Final = "realtime-ml"
REGION: Final = "us-east-1"
"""What versitygw calls itself, and what every S3 client takes where nothing else is said."""

_APP: Final = App(name="object-store", instance="object-store", component="storage")
_PORT: Final = 7070
_DATA: Final = "/data"
_DATA_MOUNT: Final[VolumeMountArgsDict] = {"name": "data", "mount_path": _DATA}
_HEALTH: Final = "/_/health"
"""No bucket can have this name: the path stays free for objects."""

_GRACE_SECONDS: Final = 10
"""For the requests under way; the longest is a model of some MiB, a second at most."""

_RESOURCES: Final = Resources(
    # 32 MiB at rest, plus 1 MiB for each request under way.
    cpu_request_millicores=50,
    cpu_limit_millicores=1000,
    memory_request_mib=64,
    memory_limit_mib=256,
)


@dataclass(frozen=True, kw_only=True)
class ObjectStoreArgs:
    """What an object store is made of.

    Attributes:
        namespace: where it runs.
        image: versitygw; `mkdir` and `versitygw` are on its PATH.
        secret_access_key: what every client signs its requests with.
        disk_size_gib: room for models and predictions.
        storage_class: of the disk; none is the cluster's default.
        exposure: how it is reached.
    """

    namespace: pulumi.Input[str]
    image: str
    secret_access_key: pulumi.Output[str]
    disk_size_gib: int
    storage_class: str | None
    exposure: Exposure


class ObjectStore(pulumi.ComponentResource):
    """An S3 server on one disk: one account, conditional writes, no replication."""

    url: pulumi.Output[str]
    """How people reach it."""
    cluster_url: pulumi.Output[str]
    """How pods reach it."""
    ready: tuple[pulumi.Resource, ...]
    """What must exist before it answers."""

    def __init__(self, name: str, args: ObjectStoreArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Makes the server and its disk."""
        super().__init__("realtime-ml:local:ObjectStore", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        account = service_account(name, args.namespace, _APP, child)
        credentials = credentials_secret(name, args.namespace, args.secret_access_key, _APP, child)
        endpoint = Endpoint(
            name=name,
            namespace=args.namespace,
            app=_APP,
            port=_PORT,
            target_port="s3",
            audience=Audience.OPERATORS,
        )
        server = self._server(name, args, account, credentials)
        service, self.url = args.exposure.expose(endpoint, pulumi.ResourceOptions(parent=self, depends_on=[server]))
        self.cluster_url = endpoint.cluster_url
        self.ready = (server, service)
        self.register_outputs({"url": self.url, "cluster_url": self.cluster_url})

    def _server(
        self,
        name: str,
        args: ObjectStoreArgs,
        account: k8s.core.v1.ServiceAccount,
        credentials: k8s.core.v1.Secret,
    ) -> k8s.apps.v1.StatefulSet:
        return k8s.apps.v1.StatefulSet(
            name,
            metadata={"name": name, "namespace": args.namespace, "labels": _APP.labels},
            spec={
                "service_name": name,
                "replicas": 1,
                "revision_history_limit": 3,
                "selector": {"match_labels": _APP.selector},
                # Destroying the stack destroys the data; a restart or a scale to zero does not.
                "persistent_volume_claim_retention_policy": {"when_deleted": "Delete", "when_scaled": "Retain"},
                "template": {
                    "metadata": {"labels": _APP.labels},
                    "spec": standard_pod(
                        {
                            "termination_grace_period_seconds": _GRACE_SECONDS,
                            "init_containers": [_make_buckets(args.image)],
                            "containers": [_serve(args.image, credentials)],
                        },
                        account.metadata.name,
                    ),
                },
                "volume_claim_templates": [disk("data", _APP, args.disk_size_gib, args.storage_class)],
            },
            opts=pulumi.ResourceOptions(parent=self),
        )


def _make_buckets(image: str) -> ContainerArgsDict:
    """To versitygw a folder below its root is a bucket."""
    return {
        "name": "buckets",
        "image": image,
        "image_pull_policy": "IfNotPresent",
        "command": ["mkdir", "-p", *(f"{_DATA}/{bucket}" for bucket in Bucket)],
        "resources": resource_requirements(_RESOURCES),
        "security_context": CONTAINER_SECURITY,
        "volume_mounts": [_DATA_MOUNT],
    }


def _serve(image: str, credentials: k8s.core.v1.Secret) -> ContainerArgsDict:
    key_pair = {"ROOT_ACCESS_KEY_ID": "access_key_id", "ROOT_SECRET_ACCESS_KEY": "secret_access_key"}
    # Quiet: without it every probe is a line of log.
    options = ["--port", f":{_PORT}", "--region", REGION, "--health", _HEALTH, "--quiet"]
    return {
        "name": "versitygw",
        "image": image,
        "image_pull_policy": "IfNotPresent",
        "command": ["versitygw"],
        "args": [*options, "posix", _DATA],
        "env": [
            {"name": name, "value_from": {"secret_key_ref": {"name": credentials.metadata.name, "key": key}}}
            for name, key in key_pair.items()
        ],
        "ports": [{"name": "s3", "container_port": _PORT}],
        "resources": resource_requirements(_RESOURCES),
        "security_context": CONTAINER_SECURITY,
        "volume_mounts": [_DATA_MOUNT],
        # Up in well under a second; a minute leaves room for a slow disk.
        "startup_probe": http_probe(_HEALTH, "s3", period=1, timeout=2, failures=60),
        "readiness_probe": http_probe(_HEALTH, "s3", period=5, timeout=2, failures=2),
        # Half a minute without an answer is a hang, and a restart loses nothing that was acknowledged.
        "liveness_probe": http_probe(_HEALTH, "s3", period=10, timeout=5, failures=3),
    }


def credentials_secret(
    name: str,
    namespace: pulumi.Input[str],
    secret_access_key: pulumi.Output[str],
    app: App,
    opts: pulumi.ResourceOptions,
) -> k8s.core.v1.Secret:
    """The account's key pair, under a name that changes with it, so that pods which read it start anew."""
    return k8s.core.v1.Secret(
        f"{name}-credentials",
        metadata={"namespace": namespace, "labels": app.labels},
        immutable=True,
        string_data={"access_key_id": ACCESS_KEY_ID, "secret_access_key": secret_access_key},
        opts=opts,
    )


def client_environment(secret: k8s.core.v1.Secret) -> dict[str, SecretValue]:
    """The account's key pair as S3 clients look for it in their environment."""
    return {
        "AWS_ACCESS_KEY_ID": SecretValue(secret=secret.metadata.name, key="access_key_id"),
        "AWS_SECRET_ACCESS_KEY": SecretValue(secret=secret.metadata.name, key="secret_access_key"),
    }
