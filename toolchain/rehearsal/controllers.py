"""Stand-in for what AWS runs for an EKS cluster in Auto Mode: its load balancers, disks, node class and interfaces.

As at AWS they work only while there is a cluster: what is left when it goes stays in the account for good.
"""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Self

from toolchain.doubles.aws import planting
from toolchain.doubles.aws.account import Account, Holdings
from toolchain.doubles.aws.references import CLUSTER, INTERFACE, SUBNET
from toolchain.doubles.errors import RefusedError
from toolchain.doubles.kubernetes.client import ApiError, Cluster, UnknownKindError
from toolchain.doubles.kubernetes.objects import KubernetesObject, dig

DISK_DRIVER = "ebs.csi.eks.amazonaws.com"
_NETWORK_CLASS = "eks.amazonaws.com/nlb"
_INGRESS_CONTROLLER = "eks.amazonaws.com/alb"
_FINALIZER = "rehearsal/aws"
_MANAGER = "rehearsal-aws"
_ZONE = "topology.kubernetes.io/zone"
_LOOK_SECONDS = 0.5
# At AWS it is minutes. Simulated nodes go at once, and an `up` that does not wait for them would not be found out.
_TERMINATION_SECONDS = 5.0


class Controllers:
    """Look at the cluster twice a second while the context lasts, and set there and in the account what AWS would."""

    def __init__(self, cluster: Cluster, account: Account) -> None:
        """Take the cluster to look at, and the account that pays."""
        self._cluster = cluster
        self._account = account
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._work, name="controllers", daemon=True)
        self.trouble = ""

    def __enter__(self) -> Self:
        """Begin."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End."""
        self._ended.set()
        self._thread.join()

    def _work(self) -> None:
        while not self._ended.wait(_LOOK_SECONDS):
            try:
                self._look()
                self.trouble = ""
            except (ApiError, RefusedError, UnknownKindError) as error:
                # Somebody else was quicker, or the API server is not there yet: the next look sees it anew.
                self.trouble = str(error)

    def _look(self) -> None:
        if not self._account.look().of(CLUSTER):
            return
        self._node_classes()
        nodes = self._list("v1", "Node")
        balanced = list(self._balanced())
        self._interfaces(nodes, balanced)
        for live, host in balanced:
            self._balance(live, host)
        for node in nodes:
            self._keep(node)
        self._disks({node["metadata"]["name"]: node for node in nodes})

    def _node_classes(self) -> None:
        """Karpenter's simulated provider wants a class of its own kind; that of the stack says when there is one."""
        wanted = {each["metadata"]["name"] for each in self._list("eks.amazonaws.com/v1", "NodeClass")}
        api_version, kind = "karpenter.kwok.sh/v1alpha1", "KWOKNodeClass"
        there = {each["metadata"]["name"] for each in self._list(api_version, kind)}
        for name in wanted - there:
            self._apply({"apiVersion": api_version, "kind": kind, "metadata": {"name": name}, "spec": {}})
        for name in there - wanted:
            self._cluster.delete(self._cluster.endpoint(api_version, kind).path(None, name), "Background")

    def _balanced(self) -> Iterator[tuple[KubernetesObject, str]]:
        """What has a load balancer, and the host name of it."""
        for service in self._list("v1", "Service"):
            if dig(service, "spec", "loadBalancerClass") == _NETWORK_CLASS:
                yield service, f"{_label(service)}.elb.rehearsal.internal"
        classes = self._list("networking.k8s.io/v1", "IngressClass")
        ours = [each["metadata"]["name"] for each in classes if dig(each, "spec", "controller") == _INGRESS_CONTROLLER]
        for ingress in self._list("networking.k8s.io/v1", "Ingress"):
            if dig(ingress, "spec", "ingressClassName") in ours:
                yield ingress, "public.elb.rehearsal.internal"

    def _balance(self, live: KubernetesObject, host: str) -> None:
        if self._keep(live) and dig(live, "status", "loadBalancer", "ingress", 0, "hostname") != host:
            self._apply({**_head(live), "status": {"loadBalancer": {"ingress": [{"hostname": host}]}}}, "/status")

    def _keep(self, live: KubernetesObject) -> bool:
        """Hold an object until what it has in the account is gone; whether it is to stay."""
        deleted, head = bool(dig(live, "metadata", "deletionTimestamp")), _head(live)
        if _is_free_to_go(live) and _finalizers(live):
            self._apply(head)
        elif not deleted and _FINALIZER not in _finalizers(live):
            self._apply({**head, "metadata": {**head["metadata"], "finalizers": [_FINALIZER]}})
        return not deleted

    def _interfaces(self, nodes: list[KubernetesObject], balanced: list[tuple[KubernetesObject, str]]) -> None:
        """A network interface for each node and each load balancer; without it AWS lets no subnet go."""
        wanted = {f"node-{node['metadata']['name']}": dig(node, "metadata", "labels", _ZONE) for node in nodes}
        wanted |= {f"load-balancer-{_label(live)}": None for live, _ in balanced}
        leaving = {
            *(f"node-{node['metadata']['name']}" for node in nodes if _is_free_to_go(node)),
            *(f"load-balancer-{_label(live)}" for live, _ in balanced if _is_free_to_go(live)),
        }
        for name in leaving:
            wanted.pop(name, None)
        there = {str(record.inputs["name"]) for record in self._account.look().of(INTERFACE)}
        if there == set(wanted):
            return
        with self._account.change() as holdings:
            gone = [record for record in holdings.of(INTERFACE) if record.inputs["name"] not in wanted]
            holdings.remove(gone)
            for name in sorted(set(wanted) - there):
                planting.plant(holdings, "interface", _subnet(holdings, wanted[name]), name)

    def _disks(self, nodes: dict[str, KubernetesObject]) -> None:
        classes = self._list("storage.k8s.io/v1", "StorageClass")
        ours = {each["metadata"]["name"] for each in classes if each.get("provisioner") == DISK_DRIVER}
        for claim in self._list("v1", "PersistentVolumeClaim"):
            node = nodes.get(str(dig(claim, "metadata", "annotations", "volume.kubernetes.io/selected-node")))
            if dig(claim, "status", "phase") == "Pending" and dig(claim, "spec", "storageClassName") in ours and node:
                self._apply(_volume(claim, str(dig(node, "metadata", "labels", _ZONE))))
        for volume in self._list("v1", "PersistentVolume"):
            released = dig(volume, "status", "phase") == "Released"
            if released and dig(volume, "spec", "csi", "driver") == DISK_DRIVER:
                path = self._cluster.endpoint("v1", "PersistentVolume").path(None, volume["metadata"]["name"])
                self._cluster.delete(path, "Background")

    def _list(self, api_version: str, kind: str) -> list[KubernetesObject]:
        found = self._cluster.items(self._cluster.endpoint(api_version, kind).path(None))
        return [{"apiVersion": api_version, "kind": kind, **each} for each in found]

    def _apply(self, body: KubernetesObject, subresource: str = "") -> None:
        endpoint = self._cluster.endpoint(body["apiVersion"], body["kind"])
        path = endpoint.path(dig(body, "metadata", "namespace"), body["metadata"]["name"])
        self._cluster.apply(f"{path}{subresource}", body, _MANAGER, force=True)


def _head(live: KubernetesObject) -> dict[str, Any]:
    # With its uid: an object that went in the meantime is not made again by applying to it.
    metadata = {key: live["metadata"][key] for key in ("name", "namespace", "uid") if key in live["metadata"]}
    return {"apiVersion": live["apiVersion"], "kind": live["kind"], "metadata": metadata}


def _label(live: KubernetesObject) -> str:
    return f"{live['metadata']['name']}-{live['metadata']['namespace']}"


def _finalizers(live: KubernetesObject) -> list[str]:
    return list(dig(live, "metadata", "finalizers") or [])


def _is_free_to_go(live: KubernetesObject) -> bool:
    """Whether its deletion has had its time, and nobody but us holds it."""
    asked = dig(live, "metadata", "deletionTimestamp")
    if not asked or not set(_finalizers(live)) <= {_FINALIZER}:
        return False
    return (datetime.now(UTC) - datetime.fromisoformat(asked)).total_seconds() >= _TERMINATION_SECONDS


def _subnet(holdings: Holdings, zone: str | None) -> str:
    """A private subnet, in the zone if one is given."""
    private = [
        record
        for record in holdings.of(SUBNET)
        if "kubernetes.io/role/internal-elb" in (record.inputs.get("tags") or {})
    ]
    fitting = [record for record in private if zone in (None, record.inputs.get("availabilityZone"))]
    if not fitting:
        message = f"there is no private subnet in {zone or 'the account'}"
        raise RefusedError(message)
    return fitting[0].identifier


def _volume(claim: KubernetesObject, zone: str) -> KubernetesObject:
    metadata, spec = claim["metadata"], claim["spec"]
    name = f"pvc-{metadata['uid']}"
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name, "annotations": {"pv.kubernetes.io/provisioned-by": DISK_DRIVER}},
        "spec": {
            "accessModes": spec["accessModes"],
            "capacity": {"storage": dig(spec, "resources", "requests", "storage")},
            "claimRef": {
                "apiVersion": "v1",
                "kind": "PersistentVolumeClaim",
                **{key: metadata[key] for key in ("name", "namespace", "uid")},
            },
            "csi": {"driver": DISK_DRIVER, "volumeHandle": f"vol-{metadata['uid']}"},
            "nodeAffinity": {
                "required": {
                    "nodeSelectorTerms": [{"matchExpressions": [{"key": _ZONE, "operator": "In", "values": [zone]}]}]
                }
            },
            "persistentVolumeReclaimPolicy": "Delete",
            "storageClassName": spec["storageClassName"],
        },
    }
