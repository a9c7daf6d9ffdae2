"""What a stack has because it has GPUs, and what such pods may do."""

import json
import re

import pytest

from infra.aws.gpu import COUNTERS, counters_csv
from infra.monitoring.prometheus_config import rule_files
from infra.platform import MetricsSource
from infra.policy.model import Context, judge
from infra.policy.rules import RULES, STACK_RULES
from tests.infra.harness import ROOT, Rendered, environment_configuration, render
from tests.infra.policy.resources import judged


def with_gpu(gpu: dict[str, object]) -> Rendered:
    """The `dev` stack with this GPU pool, on processors that the CPU pool has too, so that images stay the same."""
    return render(
        environment_configuration("dev", node_pools={"cpu": {"architecture": "amd64"}, "gpu": gpu}), stack="dev"
    )


@pytest.fixture(scope="module")
def off() -> Rendered:
    """Without."""
    return with_gpu({"enabled": False})


@pytest.fixture(scope="module")
def on() -> Rendered:
    """With two."""
    return with_gpu({"enabled": True, "gpu_limit": 2})


def test_turning_gpus_on_adds_the_pool_and_what_tells_of_it_and_turning_them_off_removes_just_that(
    off: Rendered, on: Rendered
) -> None:
    """Of the rest, Prometheus' configuration and rules, whom it may call, and Grafana's dashboards alone are others."""
    before, after = ({resource.urn: resource for resource in stack.resources} for stack in (off, on))
    assert sorted(str(after[urn]) for urn in after.keys() - before.keys()) == [
        "ConfigMap dcgm-exporter-counters",
        "DaemonSet dcgm-exporter",
        "GpuMetrics gpu-metrics",
        "Namespace gpu",
        "NetworkPolicy dcgm-exporter",
        "NetworkPolicy deny-by-default-gpu",
        "NodePool node-pool-gpu",
        "Role prometheus-dcgm-exporter",
        "RoleBinding prometheus-dcgm-exporter",
        "ServiceAccount dcgm-exporter",
    ]
    assert not before.keys() - after.keys()
    changed = {str(after[urn]) for urn in before if after[urn].inputs != before[urn].inputs}
    assert changed == {
        "ConfigMap grafana-dashboards",
        "ConfigMap prometheus-config",
        "ConfigMap prometheus-rules",
        "NetworkPolicy prometheus",
    }
    files = {key for stack in (off, on) for key in stack.the("ConfigMap", "prometheus-config").inputs["data"]}
    assert files - set(off.the("ConfigMap", "prometheus-config").inputs["data"]) == {"scrape_dcgm_exporter.yaml"}


def test_the_rules_for_gpus_are_those_of_stacks_that_have_some() -> None:
    """An alert on what is not there would be silent for the wrong reason."""
    without, with_them = rule_files([]), rule_files([MetricsSource.DCGM_EXPORTER])
    assert with_them.keys() - without.keys() == {"gpu.yaml"}
    assert not without.keys() - with_them.keys()


@pytest.mark.parametrize("file", ["rules/gpu.yaml", "rules/cost.yaml", "dashboards/panels.py"])
def test_rules_and_panels_ask_for_nothing_that_is_not_told(file: str) -> None:
    """A field that is misspelt, or not collected, makes an alert that never fires."""
    asked = set(re.findall(r"DCGM_\w+", (ROOT / "monitoring" / file).read_text(encoding="utf-8")))
    assert asked
    assert asked <= set(COUNTERS)


def test_what_is_told_is_a_line_each_of_field_kind_and_meaning() -> None:
    """A comma in a meaning would be another column."""
    for line in counters_csv().splitlines():
        field, kind, meaning = line.split(", ")
        assert field.startswith("DCGM_FI_DEV_")
        assert kind in {"counter", "gauge"}
        assert meaning.endswith(".")


def test_the_exporter_runs_on_gpu_nodes_alone(on: Rendered) -> None:
    """Elsewhere it would find no GPU and start over and over."""
    pod = on.the("DaemonSet", "dcgm-exporter").pod
    pool = on.the("NodePool", "node-pool-gpu").inputs["spec"]["template"]
    assert pod["nodeSelector"].items() <= pool["metadata"]["labels"].items()
    (taint,) = pool["spec"]["taints"]
    assert pod["tolerations"] == [{"key": taint["key"], "operator": "Exists", "effect": taint["effect"]}]


def test_the_exporter_asks_for_no_gpu(on: Rendered) -> None:
    """It would keep one from those who compute, and a node from going."""
    (container,) = on.the("DaemonSet", "dcgm-exporter").containers
    assert "nvidia.com/gpu" not in json.dumps(container["resources"])


def test_the_exporter_is_restricted_but_for_the_key_to_the_gpus(on: Rendered) -> None:
    """Neither root nor able to become it, it never has the capability that it names."""
    workload = on.the("DaemonSet", "dcgm-exporter")
    (container,) = workload.containers
    rights = container["securityContext"]
    assert rights["capabilities"] == {"add": ["SYS_ADMIN"], "drop": ["ALL"]}
    assert workload.pod["securityContext"]["runAsNonRoot"] is True
    assert rights["allowPrivilegeEscalation"] is False
    assert rights["readOnlyRootFilesystem"] is True
    assert not [volume for volume in workload.pod["volumes"] if "hostPath" in volume]
    levels = {
        resource.inputs["metadata"]["name"]: resource.inputs["metadata"]["labels"]["pod-security.kubernetes.io/enforce"]
        for resource in on.of_type("Namespace")
    }
    assert levels == {"gpu": "privileged", "ml": "restricted", "monitoring": "restricted"}


def test_prometheus_finds_the_exporter(on: Rendered) -> None:
    """It may list the pods of their namespace, and waits until it may."""
    assert on.the("Role", "prometheus-dcgm-exporter").inputs["metadata"]["namespace"] == "gpu"
    assert on.waits(on.the("StatefulSet", "prometheus"), on=on.the("RoleBinding", "prometheus-dcgm-exporter"))
    workload = on.the("DaemonSet", "dcgm-exporter")
    annotations = workload.inputs["spec"]["template"]["metadata"]["annotations"]
    (port,) = workload.containers[0]["ports"]
    assert annotations == {"prometheus.io/scrape": "true", "prometheus.io/port": str(port["containerPort"])}


def test_a_stack_with_gpus_violates_no_rule(on: Rendered) -> None:
    """The pack names the one capability that is added; no environment's file turns GPUs on."""
    found = judge(RULES, STACK_RULES, judged(on), Context(environment="dev"))
    assert [str(violation) for violation in found] == []
