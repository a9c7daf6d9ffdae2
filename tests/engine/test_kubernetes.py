"""The Kubernetes provider keeps its promises against a real API server, driven by the real engine."""

import os
import signal

import pytest

from tests.engine.harness import Kubectl, Kubelet, Stack, children_of, eventually, interrupt, is_alive

HEAD = """
import os
import pulumi
import pulumi_kubernetes as k8s

config = pulumi.Config()
NAMESPACE = os.environ["NAMESPACE"]
LABELS = {"app": "web"}

def pod(labels=LABELS, **spec):
    resources = {"requests": {"memory": "1024Mi", "cpu": "0.1"}}
    container = {"name": "main", "image": "registry.invalid/web:1", "resources": resources}
    return {"metadata": {"labels": labels}, "spec": {"containers": [container], **spec}}
"""

READY = {
    "phase": "Running",
    "conditions": [{"type": "Ready", "status": "True"}, {"type": "ContainersReady", "status": "True"}],
}
CANNOT_PULL = {
    "phase": "Pending",
    "containerStatuses": [
        {
            "name": "main",
            "image": "registry.invalid/web:1",
            "imageID": "",
            "ready": False,
            "restartCount": 0,
            "state": {"waiting": {"reason": "ImagePullBackOff", "message": "no such host registry.invalid"}},
        }
    ],
}
CRASHED = {
    "phase": "Failed",
    "containerStatuses": [
        {
            "name": "main",
            "image": "registry.invalid/web:1",
            "imageID": "",
            "ready": False,
            "restartCount": 0,
            "state": {"terminated": {"exitCode": 3, "reason": "Error", "message": "the reference data is missing"}},
        }
    ],
}


def test_a_stack_lives_from_preview_to_destroy(cluster_stack: Stack, kubectl: Kubectl) -> None:
    """A preview makes nothing, up all, up again nothing; refresh sees nothing, destroy leaves nothing."""
    name = f"{kubectl.namespace}-own"
    cluster_stack.write(
        HEAD
        + f"""
namespace = k8s.core.v1.Namespace("namespace", metadata={{"name": "{name}"}})
inside = {{"namespace": namespace.metadata.name}}
settings = k8s.core.v1.ConfigMap("Web_Settings", metadata=inside, data={{"level": "info"}})
secret = k8s.core.v1.Secret("secret", metadata={{**inside, "name": "secret"}}, string_data={{"password": "hunter2!"}})
k8s.core.v1.Service(
    "service", metadata={{**inside, "name": "service"}},
    spec={{"selector": LABELS, "cluster_ip": "None", "ports": [{{"port": 80}}]}},
)
k8s.apps.v1.Deployment(
    "web", metadata={{**inside, "name": "web"}},
    spec={{"replicas": 0, "selector": {{"matchLabels": LABELS}}, "template": pod()}},
)
size = {{"type": "object", "properties": {{"size": {{"type": "integer"}}}}}}
schema = {{"type": "object", "properties": {{"spec": size}}}}
definition = k8s.apiextensions.v1.CustomResourceDefinition(
    "definition", metadata={{"name": "things.trial.invalid"}},
    spec={{
        "group": "trial.invalid", "scope": "Namespaced",
        "names": {{"plural": "things", "singular": "thing", "kind": "Thing"}},
        "versions": [{{"name": "v1", "served": True, "storage": True, "schema": {{"openAPIV3Schema": schema}}}}],
    }},
)
k8s.apiextensions.CustomResource(
    "thing", api_version="trial.invalid/v1", kind="Thing", metadata=inside, spec={{"size": 3}},
    opts=pulumi.ResourceOptions(depends_on=[definition]),
)
pulumi.export("settings", settings.metadata.name)
pulumi.export("password", secret.data["password"])
"""
    )
    preview = cluster_stack.succeed("preview")
    assert ("create", "thing") in preview.operations
    assert name not in kubectl.names("namespaces"), "a preview makes nothing"

    up = cluster_stack.succeed("up")
    assert len([text for text in up.messages("info") if "stand-in for pulumi-resource-kubernetes" in text]) == 1
    assert cluster_stack.outputs["settings"].startswith("web-settings-"), "a name left out is made from the resource's"
    assert kubectl.get("thing", "--namespace", name)["items"][0]["spec"] == {"size": 3}
    state = cluster_stack.state_text()
    assert "hunter2!" not in state, "the state holds no secret in the clear"
    assert "aHVudGVyMiE=" not in state, "not even as the server encodes it"

    assert cluster_stack.succeed("up", "--expect-no-changes").operations == []
    cluster_stack.succeed("refresh", "--expect-no-changes")

    cluster_stack.succeed("destroy")
    assert name not in kubectl.names("namespaces"), "destroy waits until the namespace is gone"
    assert "things.trial.invalid" not in kubectl.names("customresourcedefinitions")


def test_changes_reach_the_objects(cluster_stack: Stack, kubectl: Kubectl) -> None:
    """A removed field vanishes, an immutable one takes a new object, and made-up names let old and new overlap."""
    cluster_stack.write(
        HEAD
        + """
second = config.get("second")
level = "debug" if second else "info"
settings = k8s.core.v1.ConfigMap("settings", metadata={"namespace": NAMESPACE}, data={"level": level})
labels = {"app": "web", "track": "b" if second else "a"}
k8s.apps.v1.Deployment(
    "web",
    metadata={"namespace": NAMESPACE, "name": "web", "annotations": {} if second else {"trial.invalid/note": "one"}},
    spec={"replicas": 0, "selector": {"matchLabels": labels}, "template": pod(labels)},
)
once = {} if second else {"priority_class_name": "system-node-critical"}
k8s.apps.v1.Deployment(
    "other",
    metadata={"namespace": NAMESPACE, "name": "other", "labels": {} if second else {"team": "one"}},
    spec={"replicas": 0, "selector": {"matchLabels": LABELS}, "template": pod(**once)},
)
"""
    )
    cluster_stack.succeed("up")
    first = kubectl.get("deployment", "web")["metadata"]["uid"]
    other = kubectl.get("deployment", "other")["metadata"]["uid"]
    old_settings = cluster_stack.resources()["settings"]["id"].partition("/")[2]

    cluster_stack.configure(second="yes")
    preview = cluster_stack.succeed("preview")
    assert preview.detail("web")['metadata.annotations["trial.invalid/note"]'] == "delete"
    assert preview.detail("web")["spec.selector.matchLabels.track"] == "update-replace"
    up = cluster_stack.succeed("up")

    deployment = kubectl.get("deployment", "web")
    assert deployment["metadata"]["uid"] != first, "another selector takes another Deployment"
    assert deployment["spec"]["selector"]["matchLabels"]["track"] == "b"
    changed = kubectl.get("deployment", "other")
    assert changed["metadata"]["uid"] == other, "what can change in place does"
    assert "labels" not in changed["metadata"], "a field taken out of the program is gone from the object"
    assert "priorityClassName" not in changed["spec"]["template"]["spec"]
    assert old_settings not in kubectl.names("configmaps"), "the replaced object is gone"
    operations = up.operations
    assert operations.index(("delete-replaced", "web")) < operations.index(("create-replacement", "web"))
    assert operations.index(("create-replacement", "settings")) < operations.index(("delete-replaced", "settings"))


def test_a_field_of_somebody_else_is_a_conflict_until_it_is_forced(cluster_stack: Stack, kubectl: Kubectl) -> None:
    """What another manager changed is not overwritten silently: the error names it, its field and the way out."""
    cluster_stack.write(
        HEAD
        + """
k8s.core.v1.ServiceAccount(
    "account",
    metadata={
        "namespace": NAMESPACE, "name": "account", "labels": {"tier": config.get("tier") or "one"},
        "annotations": {"pulumi.com/patchForce": config.get("force") or "false"},
    },
)
"""
    )
    cluster_stack.succeed("up")
    kubectl("label", "serviceaccount", "account", "tier=theirs", "--overwrite", "--field-manager=another-team")

    cluster_stack.configure(tier="two")
    refused = cluster_stack.command("up")
    assert refused.code != 0
    for part in ("account", "another-team", ".metadata.labels.tier", "pulumi.com/patchForce"):
        assert part in refused.errors
    assert kubectl.get("serviceaccount", "account")["metadata"]["labels"]["tier"] == "theirs"

    cluster_stack.configure(force="true")
    cluster_stack.succeed("up")
    assert kubectl.get("serviceaccount", "account")["metadata"]["labels"]["tier"] == "two"


def test_refresh_sees_what_changed_outside(cluster_stack: Stack, kubectl: Kubectl) -> None:
    """A changed field shows as that field alone, a deleted object as deleted, and up puts both right."""
    cluster_stack.write(
        HEAD
        + """
k8s.apps.v1.Deployment(
    "web", metadata={"namespace": NAMESPACE, "name": "web", "annotations": {"pulumi.com/patchForce": "true"}},
    spec={"replicas": 0, "selector": {"matchLabels": LABELS}, "template": pod()},
)
k8s.core.v1.ServiceAccount("account", metadata={"namespace": NAMESPACE, "name": "account"})
"""
    )
    cluster_stack.succeed("up")
    kubectl("patch", "deployment", "web", '--patch={"spec":{"minReadySeconds":7,"paused":true,"replicas":1}}')
    kubectl("delete", "serviceaccount", "account")

    refresh = cluster_stack.succeed("refresh")
    detail = [
        event["resOutputsEvent"]["metadata"]
        for event in refresh.events
        if event.get("resOutputsEvent", {}).get("metadata", {}).get("detailedDiff")
    ]
    assert [sorted(entry["detailedDiff"]) for entry in detail] == [["spec.replicas"]], (
        "only what the program names, and not how the server writes a quantity"
    )
    assert "account" not in cluster_stack.resources()

    assert sorted(cluster_stack.succeed("up").operations) == [("create", "account"), ("update", "web")]
    assert kubectl.get("deployment", "web")["spec"]["replicas"] == 0


def test_a_failing_job_tells_why_and_the_next_up_replaces_it(cluster_stack: Stack, kubectl: Kubectl) -> None:
    """The pod's own last words are in the error; a corrected template takes a new Job."""
    cluster_stack.write(
        HEAD
        + """
k8s.batch.v1.Job(
    "train", metadata={"namespace": NAMESPACE, "name": "train"},
    spec={
        "backoff_limit": 0,
        "template": pod(restart_policy="Never", termination_grace_period_seconds=int(config.get("grace") or 30)),
    },
)
"""
    )
    with Kubelet(kubectl, CRASHED):
        failed = cluster_stack.command("up")
    assert failed.code != 0
    for part in ("BackoffLimitExceeded", "exited with 3", "the reference data is missing"):
        assert part in failed.errors
    assert cluster_stack.resources()["train"]["initErrors"], "it is recorded as it is, not forgotten"

    cluster_stack.configure(grace="5")
    with Kubelet(kubectl, {"phase": "Succeeded"}):
        fixed = cluster_stack.succeed("up")
    assert ("create-replacement", "train") in fixed.operations
    assert kubectl.get("job", "train")["status"]["succeeded"] == 1


def test_a_time_out_tells_why_and_the_next_up_goes_on(cluster_stack: Stack, kubectl: Kubectl) -> None:
    """A rollout that does not come is told with what keeps its pods; once they run, up goes on with the same object."""
    cluster_stack.write(
        HEAD
        + """
k8s.apps.v1.Deployment(
    "web", metadata={"namespace": NAMESPACE, "name": "web"},
    spec={"replicas": 1, "selector": {"matchLabels": LABELS}, "template": pod()},
    opts=pulumi.ResourceOptions(custom_timeouts=pulumi.CustomTimeouts(create="3s", update="30s")),
)
"""
    )
    with Kubelet(kubectl, CANNOT_PULL):
        late = cluster_stack.command("up")
    assert late.code != 0
    for part in (
        "not ready after 3 s",
        "0 of 1 pods are available",
        "ImagePullBackOff",
        "no such host registry.invalid",
    ):
        assert part in late.errors
    uid = kubectl.get("deployment", "web")["metadata"]["uid"]

    with Kubelet(kubectl, READY):
        done = cluster_stack.succeed("up")
    assert done.operations == [("update", "web")]
    assert kubectl.get("deployment", "web")["metadata"]["uid"] == uid
    assert not cluster_stack.resources()["web"].get("initErrors")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL], ids=lambda number: number.name)
def test_an_interrupted_up_is_finished_by_the_next(
    cluster_stack: Stack, kubectl: Kubectl, number: signal.Signals
) -> None:
    """Neither Ctrl-C nor a killed CLI leaves plugins behind, loses an object, or makes one twice."""
    cluster_stack.write(
        HEAD
        + """
web = k8s.apps.v1.Deployment(
    "web", metadata={"namespace": NAMESPACE, "name": "web"},
    spec={"replicas": 1, "selector": {"matchLabels": LABELS}, "template": pod()},
)
after = pulumi.ResourceOptions(depends_on=[web])
k8s.core.v1.ConfigMap("after", metadata={"namespace": NAMESPACE, "name": "after"}, opts=after)
"""
    )
    with cluster_stack.started("up") as process:
        eventually(lambda: bool(kubectl.names("pods")), "the Deployment's pod is made")
        plugins = children_of(process)
        assert plugins
        if number == signal.SIGINT:
            interrupt(process)
        else:
            os.kill(process.pid, number)
        assert cluster_stack.finished(process).code != 0
    eventually(lambda: not any(map(is_alive, plugins)), "every plugin ends with its CLI")
    uid = kubectl.get("deployment", "web")["metadata"]["uid"]
    for lock in (cluster_stack.folder / "state").rglob("locks/**/*.json"):
        lock.unlink()  # `pulumi cancel` would ask a person first

    with Kubelet(kubectl, READY):
        cluster_stack.succeed("up")
    assert kubectl.get("deployment", "web")["metadata"]["uid"] == uid
    assert "after" in kubectl.names("configmaps")


def test_an_unknown_field_fails_the_preview_of_an_empty_cluster(cluster_stack: Stack) -> None:
    """A misspelt field is named before anything is made, even where its namespace is still to come."""
    cluster_stack.write(
        HEAD
        + """
spec = {"replicaz": 1, "selector": {"matchLabels": LABELS}, "template": pod()}
k8s.apps.v1.Deployment("web", metadata={"namespace": "not-there-yet", "name": "web"}, spec=spec)
"""
    )
    preview = cluster_stack.command("preview")
    assert preview.code != 0
    assert ".spec.replicaz: field not declared in schema" in preview.errors


def test_an_existing_object_can_be_imported(cluster_stack: Stack, kubectl: Kubectl) -> None:
    """An object made by hand comes under the program without a change to it."""
    kubectl("create", "serviceaccount", "account")
    uid = kubectl.get("serviceaccount", "account")["metadata"]["uid"]
    cluster_stack.write(
        HEAD
        + """
k8s.core.v1.ServiceAccount(
    "account", metadata={"namespace": NAMESPACE, "name": "account"},
    opts=pulumi.ResourceOptions(import_=f"{NAMESPACE}/account"),
)
"""
    )
    assert cluster_stack.succeed("up").operations == [("import", "account")]
    assert cluster_stack.resources()["account"]["id"] == f"{kubectl.namespace}/account"
    assert kubectl.get("serviceaccount", "account")["metadata"]["uid"] == uid
