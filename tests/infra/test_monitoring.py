"""What Prometheus is told, against what the stack runs."""

import pytest
import yaml

from infra.monitoring.prometheus import retention_size_mib
from tests.infra.harness import ROOT, Json, Rendered

FILE = ROOT / "monitoring" / "prometheus" / "prometheus.yaml"


@pytest.fixture(scope="module")
def jobs() -> dict[str, Json]:
    """The scrape jobs by name."""
    return {job["job_name"]: job for job in yaml.safe_load(FILE.read_text(encoding="utf-8"))["scrape_configs"]}


def test_prometheus_gets_the_file_as_it_is(local: Rendered) -> None:
    """Prometheus gets the file as it is."""
    config = local.the("ConfigMap", "prometheus-config")
    assert config.inputs["data"] == {"prometheus.yaml": FILE.read_text(encoding="utf-8")}


def test_prometheus_reads_the_file_where_it_is_mounted(local: Rendered) -> None:
    """Prometheus reads the file where it is mounted."""
    workload = local.the("StatefulSet", "prometheus")
    (container,) = workload.containers
    mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    assert f"--config.file={mounts['config']}/prometheus.yaml" in container["args"]
    assert f"--storage.tsdb.path={mounts['data']}" in container["args"]
    assert workload.pod["volumes"] == [
        {"name": name, "configMap": {"name": f"prometheus-{name}-0123abcd"}} for name in ("config", "rules")
    ]


def test_prometheus_looks_for_pods_where_it_may_and_nowhere_else(local: Rendered, jobs: dict[str, Json]) -> None:
    """Without a right to list them it would find none, and say so only in its log."""
    (discovery,) = jobs["workloads"]["kubernetes_sd_configs"]
    permitted = [local.the("Role", "prometheus").inputs["metadata"]["namespace"]]
    assert discovery == {"role": "pod", "namespaces": {"names": permitted}}


def test_scoring_asks_to_be_scraped_on_a_port_that_it_declares(local: Rendered) -> None:
    """Discovery makes a target of each declared port and of no other."""
    workload = local.the("Deployment", "scoring-car-loan")
    annotations = workload.inputs["spec"]["template"]["metadata"]["annotations"]
    ports = [str(port["containerPort"]) for container in workload.containers for port in container["ports"]]
    assert annotations["prometheus.io/scrape"] == "true"
    assert annotations["prometheus.io/port"] in ports


def test_targets_are_named_by_application_namespace_and_pod(jobs: dict[str, Json]) -> None:
    """Rules and dashboards find them by these labels."""
    named = {rule["target_label"] for rule in jobs["workloads"]["relabel_configs"] if "action" not in rule}
    assert named == {"job", "namespace", "pod", "model"}


@pytest.mark.parametrize(("disk_gib", "kept_mib"), [(1, 819), (4, 3276), (100, 81920)])
def test_a_fifth_of_the_disk_is_left_to_what_retention_does_not_count(disk_gib: int, kept_mib: int) -> None:
    """A fifth of the disk is left to what retention does not count."""
    assert retention_size_mib(disk_gib) == kept_mib
