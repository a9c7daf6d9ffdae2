"""Names, kinds and namespaces of objects as the program gives them, completed (pure)."""

import copy
import hashlib
import re
import secrets
from collections.abc import Mapping
from typing import Any

from toolchain.doubles.errors import InvalidInputsError
from toolchain.doubles.kubernetes.objects import ANNOTATION_AUTONAMED, GroupKind, annotation, dig, group_kind
from toolchain.doubles.properties import UNKNOWN, Properties
from toolchain.doubles.provider import Naming, Resource

# DNS labels, which the names of Services and others must be, have 63 characters.
_NAME_LENGTH_MAX = 63
_SUFFIX_HEX_DIGITS = 8
_NOT_IN_A_NAME = re.compile(r"[^a-z0-9.-]+")

_BUILT_IN_GROUPS = frozenset(
    {
        "",
        "admissionregistration.k8s.io",
        "apiextensions.k8s.io",
        "apiregistration.k8s.io",
        "apps",
        "authentication.k8s.io",
        "authorization.k8s.io",
        "autoscaling",
        "batch",
        "certificates.k8s.io",
        "coordination.k8s.io",
        "discovery.k8s.io",
        "events.k8s.io",
        "flowcontrol.apiserver.k8s.io",
        "networking.k8s.io",
        "node.k8s.io",
        "policy",
        "rbac.authorization.k8s.io",
        "resource.k8s.io",
        "scheduling.k8s.io",
        "storage.k8s.io",
    }
)

_CLUSTER_SCOPED = frozenset(
    {
        "APIService",
        "CSIDriver",
        "CSINode",
        "CertificateSigningRequest",
        "ClusterRole",
        "ClusterRoleBinding",
        "ClusterTrustBundle",
        "ComponentStatus",
        "CustomResourceDefinition",
        "DeviceClass",
        "FlowSchema",
        "IPAddress",
        "IngressClass",
        "MutatingAdmissionPolicy",
        "MutatingAdmissionPolicyBinding",
        "MutatingWebhookConfiguration",
        "Namespace",
        "Node",
        "PersistentVolume",
        "PriorityClass",
        "PriorityLevelConfiguration",
        "ResourceSlice",
        "RuntimeClass",
        "SelfSubjectAccessReview",
        "SelfSubjectReview",
        "SelfSubjectRulesReview",
        "ServiceCIDR",
        "StorageClass",
        "SubjectAccessReview",
        "TokenReview",
        "ValidatingAdmissionPolicy",
        "ValidatingAdmissionPolicyBinding",
        "ValidatingWebhookConfiguration",
        "VolumeAttachment",
        "VolumeAttributesClass",
    }
)


def is_built_in(kind: GroupKind) -> bool:
    """Whether every server has the kind, so that one that lacks it will not get it from this `up`."""
    return kind.group in _BUILT_IN_GROUPS


def completed(
    resource: Resource, old: Mapping[str, Any], new: Mapping[str, Any], naming: Naming, default_namespace: str
) -> Properties:
    """The inputs with kind, name and namespace.

    A name that was made up before stays. The namespace is filled in where the kind is known to have one; for custom
    kinds, which the server may not know yet, that waits until the object is made.

    Raises:
        InvalidInputsError: the resource is none that the stand-in offers, or has no name and may not get one.
    """
    _refuse_unsupported(resource)
    inputs = copy.deepcopy(dict(new))
    api_version, kind = kind_of(resource.token)
    inputs.setdefault("apiVersion", api_version)
    inputs.setdefault("kind", kind)
    metadata = inputs.setdefault("metadata", {})
    if metadata is UNKNOWN:
        return inputs
    if not isinstance(metadata, dict):
        raise InvalidInputsError({"metadata": f"is {metadata!r}; it must be an object"})
    if metadata.get("name") is None:
        _add_name(resource, metadata, old, naming)
    found = group_kind(inputs)
    if is_built_in(found) and found.kind not in _CLUSTER_SCOPED and metadata.get("namespace") is None:
        metadata["namespace"] = default_namespace
    return inputs


def kind_of(token: str) -> tuple[str, str]:
    """The apiVersion and kind that a type token such as `kubernetes:apps/v1:Deployment` stands for."""
    _, api_version, kind = token.split(":")
    return api_version.removeprefix("core/"), kind


def field_manager(urn: str) -> str:
    """The name under which a resource's fields are owned.

    It follows from the URN: an `up` that broke off before it could record anything is then carried on by the next
    under the same name, while two stacks that want the same object get a conflict, not a silent tug-of-war.
    """
    return f"pulumi-kubernetes-{hashlib.sha256(urn.encode()).hexdigest()[:_SUFFIX_HEX_DIGITS]}"


def is_autonamed(inputs: Mapping[str, Any]) -> bool:
    """Whether the name was made up, so that a replacement can live beside what it replaces."""
    return annotation(inputs, ANNOTATION_AUTONAMED) == "true"


def _add_name(resource: Resource, metadata: dict[str, Any], old: Mapping[str, Any], naming: Naming) -> None:
    old_name = dig(old, "metadata", "name")
    if old_name is not None and is_autonamed(old):
        metadata["name"] = old_name
    elif naming.disabled:
        reason = "is missing, and automatic names are disabled by pulumi:autonaming: give the object a name"
        raise InvalidInputsError({"metadata.name": reason})
    elif naming.enforced:
        metadata["name"] = naming.proposal
    else:
        stem = metadata.get("generateName") or resource.name
        metadata["name"] = naming.proposal or _random_name(str(stem), naming.seed)
    annotations = metadata.setdefault("annotations", {})
    if isinstance(annotations, dict):
        annotations[ANNOTATION_AUTONAMED] = "true"


def _random_name(stem: str, seed: bytes) -> str:
    source = hashlib.sha256(seed + stem.encode()).hexdigest() if seed else secrets.token_hex()
    stem = _NOT_IN_A_NAME.sub("-", stem.lower()).strip("-.")
    stem = stem[: _NAME_LENGTH_MAX - _SUFFIX_HEX_DIGITS - 1].rstrip("-.")
    return f"{stem}-{source[:_SUFFIX_HEX_DIGITS]}"


def _refuse_unsupported(resource: Resource) -> None:
    parts = resource.token.split(":")
    api_version, kind = (parts[1], parts[2]) if len(parts) == 3 else ("", "")  # noqa: PLR2004 - package:module:type
    group = api_version.split("/")[0]
    if not api_version or group in ("helm.sh", "kustomize", "yaml"):
        reason = "is not offered by the stand-in for pulumi-resource-kubernetes: declare the objects one by one"
    elif kind.endswith("Patch"):
        reason = "patches an object of somebody else, which the stand-in does not do: declare the object itself"
    elif kind.endswith("List") and kind != "List":
        reason = "is a list, which the stand-in does not take: declare its items one by one"
    else:
        return
    raise InvalidInputsError({"kind": f"{resource.token} {reason}"})
