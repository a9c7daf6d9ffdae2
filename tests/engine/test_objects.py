"""Every Kubernetes object of every environment, before a real API server."""

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.engine.harness import Kubectl
from tests.infra.harness import (
    ENVIRONMENTS,
    Json,
    Rendered,
    Resource,
    configuration,
    environment_configuration,
    render,
)
from tests.infra.policy.resources import plain
from toolchain.control_plane import ControlPlane
from toolchain.paths import REPOSITORY

pytestmark = pytest.mark.engine

PUBLIC = {
    "public": True,
    "certificate_arn": "arn:aws:acm:eu-central-1:111122223333:certificate/01234567-89ab-cdef-0123-456789abcdef",
    "domain": "ml.example.com",
    "allowed_cidrs": ["198.51.100.0/24"],
}
POOLS = {"gpu": {"enabled": True, "gpu_limit": 2}, "extra": [{"name": "batch", "architecture": "amd64"}]}
STACKS: Mapping[str, Mapping[str, str]] = {
    "local": configuration(),
    **{name: environment_configuration(name) for name in ENVIRONMENTS},
    # What no environment's file turns on.
    "everything": environment_configuration("dev", exposure=PUBLIC, node_pools=POOLS),
}

_PREREQUISITES = ("Namespace", "ServiceAccount")
"""What is made in earnest, because the API server looks for it when it judges the rest."""


@pytest.fixture(scope="module")
def cluster(tools: Mapping[str, Path], control_plane: ControlPlane) -> Kubectl:
    """A cluster that knows the kinds of Karpenter and EKS Auto Mode, and refuses fields that these have not."""
    kubectl = Kubectl(tools["kubectl"], control_plane.kubeconfig, namespace="")
    karpenter = subprocess.run(
        ["go", "mod", "download", "-json", "sigs.k8s.io/karpenter"],
        cwd=REPOSITORY / "toolchain" / "go" / "karpenter",
        capture_output=True,
        check=True,
    )
    for definitions in (
        Path(json.loads(karpenter.stdout)["Dir"]) / "pkg" / "apis" / "crds",
        REPOSITORY / "toolchain" / "rehearsal" / "manifests" / "definitions.yaml",
        REPOSITORY / "toolchain" / "rehearsal" / "manifests" / "addons.yaml",
    ):
        kubectl("apply", "--server-side", f"--filename={definitions}")
    kubectl("wait", "--for=condition=Established", "customresourcedefinitions", "--all", "--timeout=30s")
    return kubectl


def as_object(resource: Resource) -> dict[str, Json]:
    """What the API server is sent for a resource, under the name that Pulumi would give it."""
    made: dict[str, Json] = plain(resource.inputs)
    made["metadata"].setdefault("name", f"{resource.name}-0123abcd")
    return made


def as_pod(workload: Resource) -> dict[str, Json]:
    """A pod of a workload, as its controller makes it."""
    made = as_object(workload)
    # A CronJob has it inside the Job that it makes.
    template = made["spec"].get("jobTemplate", made)["spec"]["template"]
    claims = [claim["metadata"]["name"] for claim in made["spec"].get("volumeClaimTemplates", [])]
    volumes = [{"name": claim, "persistentVolumeClaim": {"claimName": claim}} for claim in claims]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {**template["metadata"], "name": workload.name, "namespace": made["metadata"]["namespace"]},
        "spec": {**template["spec"], "volumes": [*template["spec"].get("volumes", []), *volumes]},
    }


def apply(kubectl: Kubectl, folder: Path, objects: list[dict[str, Json]], *options: str) -> list[str]:
    """Applies objects, taking no field that is not known and no warning; the lines that tell of each."""
    file = folder / "objects.json"
    file.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}), encoding="utf-8")
    strict = ("--server-side", "--validate=strict", "--warnings-as-errors")
    return kubectl("apply", *strict, *options, f"--filename={file}").splitlines()


@pytest.mark.parametrize("name", STACKS)
def test_every_object_is_accepted_with_its_fields_and_every_pod_by_its_namespaces_pod_security(
    name: str, cluster: Kubectl, tmp_path: Path
) -> None:
    """What the API server would refuse in the middle of an `up` is refused here."""
    rendered = render(STACKS[name], stack=name)
    assert rendered.kubernetes
    first = [as_object(resource) for resource in rendered.of_type(*_PREREQUISITES) if resource in rendered.kubernetes]
    apply(cluster, tmp_path, first)
    objects = [as_object(resource) for resource in rendered.kubernetes]
    assert len(apply(cluster, tmp_path, objects, "--dry-run=server")) == len(objects)
    # A namespace holds pods to its level, and only warns of what makes them.
    pods = [as_pod(workload) for workload in pod_makers(rendered)]
    assert len(apply(cluster, tmp_path, pods, "--dry-run=server")) == len(pods)


@pytest.mark.parametrize(
    ("kind", "spoil", "complaint"),
    [
        ("Deployment", {"spec": {"replicaz": 1}}, "replicaz"),
        ("NodeClass", {"spec": {"subnets": []}}, "subnets"),
        ("NodePool", {"spec": {"limit": {}}}, "limit"),
        ("HorizontalPodAutoscaler", {"spec": {"minReplicas": 7}}, "maxReplicas"),
        ("Deployment", {"spec": {"template": {"spec": {"hostNetwork": True}}}}, "PodSecurity"),
    ],
)
def test_what_is_wrong_is_refused(
    kind: str, spoil: dict[str, Json], complaint: str, cluster: Kubectl, tmp_path: Path
) -> None:
    """The test above would pass as well before a server that takes anything."""
    rendered = render(STACKS["dev"], stack="dev")
    prerequisites = [r for r in rendered.of_type(*_PREREQUISITES) if r in rendered.kubernetes]
    apply(cluster, tmp_path, [as_object(resource) for resource in prerequisites])
    spoilt = merged(as_object(rendered.of_type(kind)[0]), spoil)
    with pytest.raises(AssertionError, match=complaint):
        apply(cluster, tmp_path, [spoilt], "--dry-run=server")


def pod_makers(rendered: Rendered) -> list[Resource]:
    """What makes pods: node pools have a template too, of nodes."""
    return [workload for workload in rendered.workloads if "containers" in workload.pod]


def merged(old: Json, new: Json) -> Json:
    """A structure with some of its values changed."""
    if isinstance(old, dict) and isinstance(new, dict):
        return old | {key: merged(old.get(key), value) for key, value in new.items()}
    return new
