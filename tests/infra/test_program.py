"""The program, run against a recording stand-in of the engine: what it asks for, in which order, with which rights."""

import math
import re

import pulumi
import pytest

from infra.images import BUILD_CONTEXT
from tests.infra.harness import DIGEST, ROOT, SECRET, Rendered, Resource, Secret, configuration, leaves, render

LABELS = {f"app.kubernetes.io/{name}" for name in ("name", "instance", "component", "part-of", "managed-by")}

MILLICORES = 2000
SYSTEM_MILLICORES = 500
"""What DNS, metrics, storage and the registry ask for on a small node, generously."""
MEMORY_MIB = 3072
"""Of the 4 GiB that everything may take at rest: the node's own parts have the rest."""


def test_every_resource_names_its_provider(local: Rendered) -> None:
    """Without a name a resource goes to whatever cluster the machine points at."""
    providers = {
        resource.urn: resource.type.rsplit(":", 1)[-1]
        for resource in local.resources
        if "pulumi:providers:" in resource.type
    }
    for resource in local.resources:
        if resource.custom and resource.urn not in providers:
            assert providers.get(resource.provider) == resource.type.split(":")[0], resource


def test_every_resource_is_part_of_a_component_but_the_workloads_namespace(local: Rendered) -> None:
    """The tree that Pulumi prints shows what belongs to what."""
    components = {resource.urn for resource in local.resources if not resource.custom}
    outside = [str(resource) for resource in local.resources if resource.custom and resource.parent not in components]
    assert outside == ["Namespace ml"]


def test_every_object_carries_the_label_set(local: Rendered) -> None:
    """Every object carries the label set."""
    for resource in local.kubernetes:
        assert resource.inputs["metadata"]["labels"].keys() >= LABELS, resource


def test_every_pod_and_every_disk_carries_the_label_set(local: Rendered) -> None:
    """Every pod and every disk carries the label set."""
    for workload in local.workloads:
        spec = workload.inputs["spec"]
        for made in (workload.pod_template, *spec.get("volumeClaimTemplates", [])):
            assert made["metadata"]["labels"].keys() >= LABELS, workload


def test_selectors_choose_the_pods_of_one_workload_alone(local: Rendered) -> None:
    """A Deployment that chose another's pods would scale them away."""
    pods = {str(workload): workload.pod_template["metadata"]["labels"] for workload in local.workloads}
    for workload in local.of_type("Deployment", "StatefulSet"):
        selector = workload.inputs["spec"]["selector"]["matchLabels"].items()
        chosen = [name for name, labels in pods.items() if selector <= labels.items()]
        assert chosen == [str(workload)]


def test_every_container_has_requests_and_limits(local: Rendered) -> None:
    """Every container has requests and limits."""
    for workload in local.workloads:
        for container in workload.containers:
            for bound in ("requests", "limits"):
                assert container["resources"][bound].keys() == {"cpu", "memory"}, (workload, container["name"])


def test_the_whole_stack_in_the_middle_of_a_rollout_fits_a_node_of_two_cores(local: Rendered) -> None:
    """At the most pods that the autoscaler makes, with the training job and the pods of a rollout's surplus."""
    most = {
        scaler.inputs["spec"]["scaleTargetRef"]["name"]: scaler.inputs["spec"]["maxReplicas"]
        for scaler in local.of_type("HorizontalPodAutoscaler")
    }
    assert most
    millicores, mebibytes = 0, 0
    # A model's first version and its challengers are never trained at once: one of the two Jobs counts.
    for workload in local.workloads:
        if workload in local.of_type("CronJob"):
            assert workload.containers[0]["resources"] == local.of_type("Job")[0].containers[0]["resources"]
            continue
        pods = most.get(workload.name, workload.inputs["spec"].get("replicas", 1))
        rolls = workload.inputs["spec"].get("strategy", {}).get("type") == "RollingUpdate"
        pods += math.ceil(pods / 4) if rolls else 0
        requests = [container["resources"]["requests"] for container in workload.pod["containers"]]
        millicores += pods * sum(int(request["cpu"].removesuffix("m")) for request in requests)
        mebibytes += pods * sum(int(request["memory"].removesuffix("Mi")) for request in requests)
    assert millicores <= MILLICORES - SYSTEM_MILLICORES
    assert mebibytes <= MEMORY_MIB


def test_every_long_running_container_is_asked_whether_it_started_is_ready_and_lives(local: Rendered) -> None:
    """Every long running container is asked whether it started is ready and lives."""
    for workload in local.of_type("Deployment", "StatefulSet"):
        for container in workload.pod["containers"]:
            assert container.keys() >= {"startupProbe", "readinessProbe", "livenessProbe"}, workload


def test_every_pod_meets_the_restricted_level_with_a_read_only_root(local: Rendered) -> None:
    """Every pod meets the restricted level with a read only root."""
    for workload in local.workloads:
        pod = workload.pod["securityContext"]
        assert (pod["runAsNonRoot"], pod["runAsUser"], pod["runAsGroup"]) == (True, 10001, 10001), workload
        assert pod["seccompProfile"] == {"type": "RuntimeDefault"}, workload
        for container in workload.containers:
            rights = container["securityContext"]
            assert rights["capabilities"] == {"drop": ["ALL"]}, workload
            assert not rights["allowPrivilegeEscalation"], workload
            assert not rights["privileged"], workload
            assert rights["readOnlyRootFilesystem"], workload


def test_every_namespace_admits_only_restricted_pods_at_a_pinned_version(local: Rendered) -> None:
    """Every namespace admits only restricted pods at a pinned version."""
    namespaces = local.of_type("Namespace")
    assert {namespace.inputs["metadata"]["name"] for namespace in namespaces} == {"ml", "monitoring", "storage"}
    for namespace in namespaces:
        labels = namespace.inputs["metadata"]["labels"]
        assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
        assert labels["pod-security.kubernetes.io/enforce-version"] == "v1.34"


def test_every_object_lies_in_one_of_the_stacks_namespaces(local: Rendered) -> None:
    """Every object lies in one of the stacks namespaces."""
    for resource in local.kubernetes:
        if resource not in local.of_type("Namespace"):
            assert resource.inputs["metadata"]["namespace"] in {"ml", "monitoring", "storage"}, resource


def test_every_workload_runs_as_a_service_account_of_its_own(local: Rendered) -> None:
    """Every workload runs as a service account of its own."""
    accounts = {
        (resource.inputs["metadata"]["namespace"], resource.inputs["metadata"]["name"])
        for resource in local.of_type("ServiceAccount")
    }
    used = [
        (resource.inputs["metadata"]["namespace"], resource.pod["serviceAccountName"]) for resource in local.workloads
    ]
    assert sorted(used) == sorted(accounts)


def test_only_prometheus_and_the_receiver_of_retraining_get_a_token_for_the_api_server(local: Rendered) -> None:
    """A pod that is taken over has nothing to talk to the cluster with."""
    for account in local.of_type("ServiceAccount"):
        assert account.inputs["automountServiceAccountToken"] is False, account
    mounting = [str(workload) for workload in local.workloads if workload.pod["automountServiceAccountToken"]]
    assert sorted(mounting) == ["Deployment retraining", "StatefulSet prometheus"]


def test_prometheus_may_list_the_pods_it_watches_and_nothing_else(local: Rendered) -> None:
    """Prometheus may list the pods it watches and nothing else."""
    assert local.of_type("ClusterRole", "ClusterRoleBinding") == []
    role, binding = local.the("Role", "prometheus"), local.the("RoleBinding", "prometheus")
    assert {found.name for found in local.of_type("Role", "RoleBinding")} == {"prometheus", "retraining"}
    assert role.inputs["metadata"]["namespace"] == "ml"
    assert role.inputs["rules"] == [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch"]}]
    assert binding.inputs["subjects"] == [{"kind": "ServiceAccount", "name": "prometheus", "namespace": "monitoring"}]
    assert binding.inputs["roleRef"]["name"] == role.inputs["metadata"]["name"]


def test_the_receiver_of_retraining_may_make_jobs_from_templates_and_nothing_else(local: Rendered) -> None:
    """Neither change nor delete one, and in its own namespace alone."""
    role, binding = local.the("Role", "retraining"), local.the("RoleBinding", "retraining")
    assert role.inputs["metadata"]["namespace"] == "ml"
    assert role.inputs["rules"] == [
        {"apiGroups": ["batch"], "resources": ["jobs"], "verbs": ["create", "get", "list"]},
        {"apiGroups": ["batch"], "resources": ["cronjobs"], "verbs": ["get", "list"]},
    ]
    assert binding.inputs["subjects"] == [{"kind": "ServiceAccount", "name": "retraining", "namespace": "ml"}]
    assert binding.inputs["roleRef"]["name"] == role.inputs["metadata"]["name"]
    assert local.waits(local.the("Deployment", "retraining"), on=binding)


def test_the_retraining_job_is_a_suspended_template_and_the_calendar_is_off(local: Rendered) -> None:
    """The receiver alone makes Jobs of it, each a run of its own name, tried again unless that could not help."""
    (template,) = local.of_type("CronJob")
    spec = template.inputs["spec"]
    assert (template.inputs["metadata"]["name"], spec["suspend"]) == ("retraining-car-loan", True)
    (container,) = template.containers
    plain = {item["name"]: item["value"] for item in container["env"] if "value" in item}
    # Longer than scoring holds predictions back.
    assert int(plain["RETRAINING_SETTLE_SECONDS"]) > 30
    own = {
        item["name"]: item["valueFrom"]["fieldRef"]["fieldPath"]
        for item in container["env"]
        if "fieldRef" in item.get("valueFrom", {})
    }
    assert own == {
        "RETRAINING_RUN": "metadata.labels['batch.kubernetes.io/controller-uid']",
        "RETRAINING_JOB": "metadata.labels['batch.kubernetes.io/job-name']",
    }
    job = spec["jobTemplate"]["spec"]
    assert job["podFailurePolicy"] == local.the("Job", "bootstrap-car-loan").inputs["spec"]["podFailurePolicy"]
    assert job["ttlSecondsAfterFinished"] > job["activeDeadlineSeconds"]


@pytest.mark.parametrize("device", ["gpu", "cuda"])
def test_challengers_train_on_a_gpu_where_the_configuration_says_so(local: Rendered, device: str) -> None:
    """They take one for themselves and may go where it is; the first version is trained on the CPU."""
    rendered = render(configuration(training={"device_type": device}))
    template = rendered.the("CronJob", "retraining-car-loan")
    (container,) = template.containers
    assert container["resources"]["limits"]["nvidia.com/gpu"] == "1"
    assert template.pod["tolerations"] == [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}]
    assert {"name": "RETRAINING_DEVICE_TYPE", "value": device} in container["env"]
    assert rendered.the("Job", "bootstrap-car-loan") == local.the("Job", "bootstrap-car-loan")


def test_a_calendar_asks_the_receiver_for_each_model() -> None:
    """It trains nothing itself: whether a run may start is decided in one place."""
    rendered = render(
        configuration(retraining={"schedule": "0 3 * * 1"}, models=[{"name": "car-loan"}, {"name": "churn"}])
    )
    for model in ("car-loan", "churn"):
        calendar = rendered.the("CronJob", f"calendar-{model}")
        spec = calendar.inputs["spec"]
        assert (spec["schedule"], spec["timeZone"], spec["concurrencyPolicy"]) == ("0 3 * * 1", "Etc/UTC", "Forbid")
        assert spec["startingDeadlineSeconds"] == 3600
        assert "suspend" not in spec
        (container,) = calendar.containers
        told = {item["name"]: item["value"] for item in container["env"]}
        assert told["ASK_MODEL"] == model
        assert told["ASK_URL"] == "http://retraining.ml.svc.cluster.local:8000"


def test_the_receiver_takes_what_alertmanager_shows(local: Rendered) -> None:
    """One token in two namespaces, kept secret in both."""
    secret = local.the("Secret", "retraining-webhook")
    assert secret.inputs["metadata"]["name"] == "retraining-webhook"
    assert isinstance(secret.inputs["stringData"], Secret) or isinstance(secret.inputs["stringData"]["token"], Secret)
    assert local.waits(secret, on=local.the("Secret", "retraining-token"))


def test_no_pod_gets_the_variables_that_kubernetes_makes_of_services(local: Rendered) -> None:
    """They look like settings: a Service named scoring-... makes SCORING_... variables."""
    for workload in local.workloads:
        assert workload.pod["enableServiceLinks"] is False, workload


def test_scoring_waits_for_the_first_model_and_the_first_model_for_the_object_store(local: Rendered) -> None:
    """No endpoint is deployed before there is a model to serve."""
    scoring, job = local.the("Deployment", "scoring-car-loan"), local.the("Job", "bootstrap-car-loan")
    assert job.urn in scoring.depends_on
    assert job.depends_on >= {local.the("StatefulSet", "object-store").urn, local.the("Service", "object-store").urn}


def test_every_service_waits_for_the_pods_behind_it(local: Rendered) -> None:
    """Otherwise a failure before the pods leaves Pulumi waiting for the Service's endpoints until it gives up."""
    for service in local.of_type("Service"):
        (workload,) = (
            workload
            for workload in local.of_type("Deployment", "StatefulSet")
            if workload.inputs["spec"]["selector"]["matchLabels"] == service.inputs["spec"]["selector"]
        )
        assert workload.urn in service.depends_on


def test_prometheus_waits_for_its_permissions(local: Rendered) -> None:
    """Without them its first look at the cluster finds nothing."""
    assert local.waits(local.the("StatefulSet", "prometheus"), on=local.the("RoleBinding", "prometheus"))


def test_a_rollout_never_has_fewer_pods_than_asked_for(local: Rendered) -> None:
    """A new pod is ready before an old one goes."""
    spec = local.the("Deployment", "scoring-car-loan").inputs["spec"]
    assert spec["strategy"] == {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": 0}}


def test_how_many_pods_score_is_the_autoscalers_decision_alone(local: Rendered) -> None:
    """A number in the Deployment would be put back by every `up`, whatever traffic had made of it."""
    deployment = local.the("Deployment", "scoring-car-loan")
    assert "replicas" not in deployment.inputs["spec"]
    scaler = local.the("HorizontalPodAutoscaler", "scoring-car-loan").inputs["spec"]
    assert scaler["scaleTargetRef"] == {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "name": deployment.inputs["metadata"]["name"],
    }
    assert (scaler["minReplicas"], scaler["maxReplicas"]) == (2, 6)


def test_scoring_scales_by_a_share_of_the_cpu_that_a_pod_may_use() -> None:
    """Of the limit, where requests begin to wait, and not of the request, which says how pods are packed."""
    config = configuration(scoring={"target_cpu_percent": 50, "resources": {"cpu_limit_millicores": 1500}})
    (metric,) = render(config).the("HorizontalPodAutoscaler", "scoring-car-loan").inputs["spec"]["metrics"]
    assert metric["resource"] == {"name": "cpu", "target": {"type": "AverageValue", "averageValue": "750m"}}


def test_pods_come_at_once_and_go_slowly(local: Rendered) -> None:
    """Traffic that swings within five minutes moves no pod; a rise doubles them within one look at the metrics."""
    behaviour = local.the("HorizontalPodAutoscaler", "scoring-car-loan").inputs["spec"]["behavior"]
    assert behaviour["scaleUp"]["stabilizationWindowSeconds"] == 0
    assert {"type": "Percent", "value": 100, "periodSeconds": 15} in behaviour["scaleUp"]["policies"]
    assert behaviour["scaleDown"]["stabilizationWindowSeconds"] == 300
    assert behaviour["scaleDown"]["policies"] == [{"type": "Percent", "value": 20, "periodSeconds": 60}]


def test_a_pod_that_drains_is_out_of_its_service_before_it_stops_and_has_time_to_stop(local: Rendered) -> None:
    """Otherwise a rollout loses requests."""
    pod = local.the("Deployment", "scoring-car-loan").pod
    (container,) = pod["containers"]
    (drain,) = (int(item["value"]) for item in container["env"] if item["name"] == "SCORING_DRAIN_SECONDS")
    probe = container["readinessProbe"]
    assert probe["periodSeconds"] * probe["failureThreshold"] < drain
    assert pod["terminationGracePeriodSeconds"] >= 3 * drain


def test_liveness_and_startup_ask_something_else_than_readiness(local: Rendered) -> None:
    """A pod whose model is refused is not ready, and restarting it would change nothing."""
    (container,) = local.the("Deployment", "scoring-car-loan").containers
    paths = {kind: container[f"{kind}Probe"]["httpGet"]["path"] for kind in ("startup", "readiness", "liveness")}
    assert paths == {"startup": "/live", "readiness": "/ready", "liveness": "/live"}


def test_scoring_has_a_disruption_budget_and_spreads(local: Rendered) -> None:
    """One node's failure or drain leaves a pod that serves."""
    deployment = local.the("Deployment", "scoring-car-loan")
    selector = deployment.inputs["spec"]["selector"]
    budget = local.the("PodDisruptionBudget", "scoring-car-loan").inputs["spec"]
    assert budget["selector"] == selector
    assert budget["maxUnavailable"] == 1
    constraints = deployment.pod["topologySpreadConstraints"]
    assert {constraint["topologyKey"] for constraint in constraints} == {
        "topology.kubernetes.io/zone",
        "kubernetes.io/hostname",
    }
    assert all(constraint["labelSelector"] == selector for constraint in constraints)


def test_services_images_are_deployed_by_digest_and_third_party_images_by_tag(local: Rendered) -> None:
    """What runs is what was built, whatever becomes of the tag."""
    images = {container["image"] for workload in local.workloads for container in workload.containers}
    built = {image for image in images if image.startswith("127.0.0.1:30500/")}
    assert built == {f"127.0.0.1:30500/{service}@{DIGEST}" for service in ("scoring", "retraining", "drift")}
    for image in images - built:
        assert re.fullmatch(r"\S+:v\d+\.\d+\.\d+", image)


def test_an_image_is_built_once_however_many_use_it() -> None:
    """Models share the services' images."""
    rendered = render(configuration(models=[{"name": "car-loan"}, {"name": "churn"}]))
    assert sorted(image.name for image in rendered.of_type("Image")) == ["drift", "retraining", "scoring"]


def test_images_are_built_from_the_repositorys_root_and_not_at_preview(local: Rendered) -> None:
    """Images are built from the repository's root and not at preview."""
    assert (ROOT / "infra" / BUILD_CONTEXT).resolve() == ROOT
    for image in local.of_type("Image"):
        assert image.inputs["context"] == {"location": BUILD_CONTEXT}
        assert image.inputs["dockerfile"] == {"location": f"{BUILD_CONTEXT}/services/{image.name}/Dockerfile"}
        assert image.inputs["tags"] == [f"127.0.0.1:30500/{image.name}:local"]
        assert image.inputs["push"] is True
        assert image.inputs["buildOnPreview"] is False


def test_the_base_image_of_the_configuration_is_what_services_start_from(local: Rendered) -> None:
    """The base image of the configuration is what services start from."""
    base = "registry.example/python:3.11"
    for image in render(configuration(local={"base_image": base})).of_type("Image"):
        assert image.inputs["buildArgs"] == {"BASE_IMAGE": base}
    for image in local.of_type("Image"):
        assert "buildArgs" not in image.inputs


def test_third_party_images_come_from_where_the_configuration_says() -> None:
    """Third party images come from where the configuration says."""
    mirror = {"prometheus": "mirror.example/prometheus:v3", "versitygw": "mirror.example/versitygw:v1"}
    rendered = render(configuration(images=mirror))
    for workload, image in (("prometheus", mirror["prometheus"]), ("object-store", mirror["versitygw"])):
        for container in rendered.the("StatefulSet", workload).containers:
            assert container["image"] == image


def test_no_secret_stands_in_a_plain_field(local: Rendered) -> None:
    """Pulumi's state and output would show it."""
    for resource in local.resources:
        for path, value in leaves(resource.inputs):
            assert SECRET not in str(value) or isinstance(value, Secret), f"{resource}{path}"
    assert local.outputs["object_store_secret_access_key"] == Secret(SECRET)
    for name, value in local.outputs.items():
        assert isinstance(value, Secret) or SECRET not in str(value), name


def test_secrets_reach_pods_through_secret_objects_alone(local: Rendered) -> None:
    """Whoever may read a pod's specification does not see them."""
    holders = {
        str(resource)
        for resource in local.resources
        for _, value in leaves(resource.inputs)
        if isinstance(value, Secret) and SECRET in str(value)
    }
    # The token for retraining is another secret, which the stack makes itself.
    made_here = {"Secret drift-token", "Secret retraining-token", "Secret retraining-webhook"}
    assert holders == {str(resource) for resource in local.of_type("Secret")} - made_here
    assert len(holders) == 6
    assert isinstance(local.the("Secret", "retraining-token").inputs["data"], Secret)


def test_no_command_line_of_a_container_holds_a_secret(local: Rendered) -> None:
    """Whoever may list a node's processes reads all of them: secrets come in files and variables."""
    made = ("generated", SECRET)
    for workload in local.workloads:
        for container in workload.containers:
            line = " ".join([*container.get("command", []), *container.get("args", [])])
            assert not any(secret in line for secret in made), workload
            assert "$(" not in line, f"{workload}: a variable is put into the command line"
            for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
                assert "exec" not in container.get(probe, {}), workload


def test_settings_whose_change_must_roll_the_pods_have_names_that_change_with_them(local: Rendered) -> None:
    """Pulumi completes the names it is not given, and a new name is a new pod template."""
    # Known to people by its name, and read anew for each caller.
    read_anew = local.the("Secret", "retraining-webhook")
    for resource in local.of_type("ConfigMap", "Secret", "Job"):
        if resource == read_anew:
            continue
        assert "name" not in resource.inputs["metadata"], resource
    for resource in local.of_type("ConfigMap", "Secret"):
        assert resource == read_anew or resource.inputs["immutable"] is True, resource


def test_workloads_get_the_environment_that_services_read(local: Rendered) -> None:
    """The variables of the services' settings, by name and value."""
    common = {
        "MODEL_STORE_URL": "s3://models",
        "MODEL_NAME": "car-loan",
        "AWS_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": "http://object-store.storage.svc.cluster.local:7070",
    }
    for workload, own in (
        (local.the("Job", "bootstrap-car-loan"), {}),
        (
            local.the("Deployment", "scoring-car-loan"),
            {
                "SCORING_DRAIN_SECONDS": "8",
                "SCORING_LOG_MODE": "async",
                "PREDICTION_STORE_URL": "s3://predictions",
                "SCORING_LOG_FOLDER": "/var/lib/prediction-log",
                "SCORING_LOG_SAMPLE_RATE": "1.0",
                "SCORING_LOG_FLUSH_SECONDS": "30",
                "SCORING_LOG_MAX_DISK_MIB": "512",
                "SCORING_LOG_CLOSE_SECONDS": "10",
            },
        ),
    ):
        (container,) = workload.containers
        plain = {item["name"]: item["value"] for item in container["env"] if "value" in item}
        secret = {item["name"]: item["valueFrom"]["secretKeyRef"] for item in container["env"] if "valueFrom" in item}
        assert plain == common | own
        assert secret.keys() == {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}
        assert {reference["name"] for reference in secret.values()} == {
            f"{workload.name}-object-store-credentials-0123abcd"
        }


def test_a_service_that_is_misconfigured_fails_its_job_at_once(local: Rendered) -> None:
    """Exit status 2 says that another attempt would end the same."""
    spec = local.the("Job", "bootstrap-car-loan").inputs["spec"]
    assert spec["podFailurePolicy"] == {
        "rules": [{"action": "FailJob", "onExitCodes": {"operator": "In", "values": [2]}}]
    }
    # Kubernetes takes such a policy only from pods that are never restarted in place.
    assert spec["template"]["spec"]["restartPolicy"] == "Never"


def test_the_object_store_has_a_folder_for_each_bucket_before_it_starts(local: Rendered) -> None:
    """The object store has a folder for each bucket before it starts."""
    (buckets,) = local.the("StatefulSet", "object-store").pod["initContainers"]
    assert buckets["command"] == ["mkdir", "-p", "/data/models", "/data/predictions"]


def test_disks_come_from_the_clusters_default_class_and_go_with_the_stack(local: Rendered) -> None:
    """Destroying the stack leaves nothing behind."""
    for workload in local.of_type("StatefulSet"):
        spec = workload.inputs["spec"]
        (disk,) = spec["volumeClaimTemplates"]
        assert "storageClassName" not in disk["spec"], workload
        assert spec["persistentVolumeClaimRetentionPolicy"]["whenDeleted"] == "Delete", workload


def test_node_ports_are_the_ones_that_people_and_tools_know(local: Rendered) -> None:
    """Node ports are the ones that people and tools know."""
    ports = {
        service.inputs["metadata"]["name"]: service.inputs["spec"]["ports"][0]["nodePort"]
        for service in local.of_type("Service")
    }
    assert ports == {
        "scoring-car-loan": 30080,
        "prometheus": 30090,
        "alertmanager": 30093,
        "drift": 30095,
        "retraining": 30096,
        "object-store": 30900,
    }


def test_outputs_say_where_everything_is(local: Rendered) -> None:
    """Outputs say where everything is."""
    assert local.outputs == {
        "scoring_url": "http://127.0.0.1:30080",
        "scoring_urls": {"car-loan": "http://127.0.0.1:30080"},
        "retraining_url": "http://127.0.0.1:30096",
        "prometheus_url": "http://127.0.0.1:30090",
        "alertmanager_url": "http://127.0.0.1:30093",
        "drift_url": "http://127.0.0.1:30095",
        "object_store_url": "http://127.0.0.1:30900",
        "object_store_access_key_id": "realtime-ml",
        "object_store_secret_access_key": Secret(SECRET),
    }


def test_without_node_ports_services_are_reached_inside_the_cluster() -> None:
    """Without node ports services are reached inside the cluster."""
    rendered = render(configuration(local={"exposure": "cluster_ip"}))
    for service in rendered.of_type("Service"):
        assert service.inputs["spec"]["type"] == "ClusterIP"
        assert "nodePort" not in service.inputs["spec"]["ports"][0]
    assert rendered.outputs["scoring_url"] == "http://scoring-car-loan.ml.svc.cluster.local:8000"


def test_another_model_adds_its_own_objects_and_changes_none_of_the_others(local: Rendered) -> None:
    """A fork adds a model without a restart of those that serve; drift watches all of them, and is told."""
    both = render(configuration(models=[{"name": "car-loan"}, {"name": "churn"}]))
    before, after = ({resource.urn: resource for resource in stack.resources} for stack in (local, both))
    assert [after[urn].name for urn in before if after[urn] != before[urn]] == ["drift"]
    added = [resource for urn, resource in after.items() if urn not in before]
    assert added
    assert all("churn" in resource.name for resource in added)
    assert both.outputs["scoring_urls"] == {"car-loan": "http://127.0.0.1:30080", "churn": "http://127.0.0.1:30081"}


def test_a_long_name_of_a_model_leaves_every_name_valid() -> None:
    """The longest name that the configuration takes, with all that is put before and after it."""
    rendered = render(configuration(models=[{"name": "m" * 40}]))
    for resource in rendered.kubernetes:
        name = resource.inputs["metadata"].get("name", f"{resource.name}-0123abcd")
        # Secrets and ConfigMaps may be longer; everything else becomes a label or a part of a host name.
        assert len(name) <= (253 if resource in rendered.of_type("Secret", "ConfigMap") else 63), resource
        assert all(len(value) <= 63 for value in resource.inputs["metadata"]["labels"].values())


@pytest.mark.parametrize("changes", [{"scorin": "1"}, {"scoring": {"min_replicas": 0}}, {"platform": "x"}])
def test_a_bad_configuration_is_refused_before_anything_is_made(changes: dict[str, object]) -> None:
    """A bad configuration is refused before anything is made."""
    rendered = Rendered()
    with pytest.raises(pulumi.RunError, match=r"(?s)nothing was changed.*realtime-ml:"):
        render(configuration(**changes), into=rendered)
    assert rendered.resources == []


def test_what_a_bad_configuration_is_refused_with_carries_no_secret_along() -> None:
    """What pydantic raised holds every value; a trace would print it."""
    with pytest.raises(pulumi.RunError) as caught:
        render(configuration(scorin="1"))
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_a_stack_is_the_same_each_time_it_is_described(local: Rendered) -> None:
    """A second `up` has nothing to change."""

    def by_urn(rendered: Rendered) -> dict[str, Resource]:
        return {resource.urn: resource for resource in rendered.resources}

    assert by_urn(render()) == by_urn(local)
