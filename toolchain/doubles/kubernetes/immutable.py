"""Which properties take a new object when they change (pure)."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace

from toolchain.doubles.changes import Change, touches
from toolchain.doubles.kubernetes.objects import GroupKind

_Rules = tuple[str, ...]

_EVERY_KIND: _Rules = ("kind", "metadata.name", "metadata.generateName", "metadata.namespace")

_BY_KIND: Mapping[GroupKind, _Rules] = {
    GroupKind("", "ConfigMap"): ("binaryData", "data", "immutable"),
    GroupKind("", "PersistentVolume"): (
        "spec.claimRef", "spec.csi", "spec.hostPath", "spec.local", "spec.nfs", "spec.nodeAffinity", "spec.volumeMode",
    ),
    GroupKind("", "PersistentVolumeClaim"): (
        "spec.accessModes", "spec.dataSource", "spec.dataSourceRef", "spec.selector", "spec.storageClassName",
        "spec.volumeMode", "spec.volumeName",
    ),
    GroupKind("", "Pod"): (
        "spec.affinity", "spec.automountServiceAccountToken", "spec.containers.*.args", "spec.containers.*.command",
        "spec.containers.*.env", "spec.containers.*.envFrom", "spec.containers.*.name", "spec.containers.*.ports",
        "spec.containers.*.resources", "spec.containers.*.securityContext", "spec.containers.*.volumeMounts",
        "spec.containers.*.livenessProbe", "spec.containers.*.readinessProbe", "spec.containers.*.startupProbe",
        "spec.nodeName", "spec.nodeSelector", "spec.restartPolicy", "spec.securityContext", "spec.serviceAccountName",
        "spec.volumes",
    ),
    GroupKind("", "Secret"): ("data", "immutable", "stringData", "type"),
    GroupKind("", "Service"): ("spec.clusterIP", "spec.clusterIPs"),
    GroupKind("apiextensions.k8s.io", "CustomResourceDefinition"): (
        "spec.group", "spec.names.kind", "spec.names.plural", "spec.scope",
    ),
    GroupKind("apps", "DaemonSet"): ("spec.selector",),
    GroupKind("apps", "Deployment"): ("spec.selector",),
    GroupKind("apps", "ReplicaSet"): ("spec.selector",),
    GroupKind("apps", "StatefulSet"): (
        "spec.podManagementPolicy", "spec.selector", "spec.serviceName", "spec.volumeClaimTemplates",
    ),
    GroupKind("batch", "Job"): (
        "spec.completionMode", "spec.completions", "spec.podFailurePolicy", "spec.selector", "spec.successPolicy",
        "spec.template",
    ),
    GroupKind("networking.k8s.io", "IngressClass"): ("spec.controller",),
    GroupKind("node.k8s.io", "RuntimeClass"): ("handler",),
    GroupKind("rbac.authorization.k8s.io", "ClusterRoleBinding"): ("roleRef",),
    GroupKind("rbac.authorization.k8s.io", "RoleBinding"): ("roleRef",),
    GroupKind("scheduling.k8s.io", "PriorityClass"): ("preemptionPolicy", "value"),
    GroupKind("storage.k8s.io", "StorageClass"): (
        "mountOptions", "parameters", "provisioner", "reclaimPolicy", "volumeBindingMode",
    ),
}  # fmt: skip

# What servers say of a property that cannot change. They have no code for it: it comes as Invalid, like any other.
_SAYS_IMMUTABLE = re.compile(
    r"immutable|may not be (changed|updated)|cannot be (changed|updated)|updates? to .* (are|is) forbidden"
    r"|pod updates may not change",
    re.IGNORECASE,
)


def marked(changes: Iterable[Change], kind: GroupKind, *, mutable_kinds: frozenset[GroupKind]) -> list[Change]:
    """The changes, with those that take a new object marked.

    Args:
        changes: what differs.
        kind: the object's kind.
        mutable_kinds: kinds whose content the stack's provider lets change in place, against the rule; what makes
            the object itself (its name) still takes a new one.
    """
    rules = _EVERY_KIND if kind in mutable_kinds else (*_EVERY_KIND, *_BY_KIND.get(kind, ()))
    parts = [rule.split(".") for rule in rules]
    return [
        replace(change, replaces=True) if any(touches(change.path, rule) for rule in parts) else change
        for change in changes
    ]


def marked_by_server(changes: list[Change], causes: Iterable[tuple[str, str]]) -> list[Change]:
    """The changes, with those marked that the server said cannot be made in place.

    Args:
        changes: what differs.
        causes: the field and message of each cause that the server gave for refusing them.
    """
    fields = [re.split(r"[.\[]", field)[0:8] for field, message in causes if _SAYS_IMMUTABLE.search(message)]
    fields = [[part.rstrip("]") for part in field if part] for field in fields]
    if not fields:
        return changes
    result = [
        replace(change, replaces=True) if any(_reaches(change, field) for field in fields) else change
        for change in changes
    ]
    # The server may name a field that it derives from the changed one; then every change is under suspicion.
    return (
        result if any(change.replaces for change in result) else [replace(change, replaces=True) for change in changes]
    )


def _reaches(change: Change, field: list[str]) -> bool:
    return touches(tuple(str(part) for part in change.path), field)
