"""What Prometheus is told, against what the stack runs."""

from functools import partial
from pathlib import Path

import pulumi
import pytest
import yaml

from infra.config.aws import CpuPoolConfig, GpuPoolConfig
from infra.monitoring.prometheus import retention_size_mib
from monitoring import dashboards, rules
from monitoring.dashboards.panels import Dashboard, Panel
from tests.infra.harness import ROOT, Json, Rendered, configuration, render

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


def test_a_model_that_a_fork_adds_is_watched_by_what_is_there(local: Rendered, jobs: dict[str, Json]) -> None:
    """Its pods ask to be scraped and bear the name that becomes the label `model`; no rule and no dashboard changes."""
    both = render(configuration(models=[{"name": "car-loan"}, {"name": "churn"}]))
    for name in ("prometheus-config", "prometheus-rules"):
        assert both.the("ConfigMap", name).inputs["data"] == local.the("ConfigMap", name).inputs["data"]
    metadata = both.the("Deployment", "scoring-churn").inputs["spec"]["template"]["metadata"]
    assert metadata["annotations"]["prometheus.io/scrape"] == "true"
    (rule,) = [rule for rule in jobs["workloads"]["relabel_configs"] if rule.get("target_label") == "model"]
    told = [label.removeprefix("__meta_kubernetes_pod_label_") for label in rule["source_labels"]]
    labels = {key.replace(".", "_").replace("/", "_"): value for key, value in metadata["labels"].items()}
    assert ";".join(labels[name] for name in told) == "scoring;churn"


def test_a_rule_with_a_wrong_expression_ends_the_program_by_file_and_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`pulumi preview` runs the program: it says so and changes nothing."""
    for file in rules.FOLDER.glob("*.yaml"):
        (tmp_path / file.name).write_text(file.read_text(encoding="utf-8"), encoding="utf-8")
    bad = tmp_path / "retraining.yaml"
    text = bad.read_text(encoding="utf-8")
    wrong = text.replace("(retraining_run_active)", "(retraining_run_activ)")
    assert wrong != text
    bad.write_text(wrong, encoding="utf-8")
    line = next(number for number, text in enumerate(wrong.splitlines(), 1) if "alert: RetrainingStuck" in text)
    monkeypatch.setattr(rules, "read", partial(rules.read, folder=tmp_path))
    with pytest.raises(pulumi.RunError, match=rf"(?s)nothing was changed.*retraining\.yaml:{line}: RetrainingStuck"):
        render()


def test_a_dashboard_with_an_unknown_data_source_ends_the_program(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also on a platform that has no Grafana."""
    bad = Dashboard("bad", "Bad", [Panel("Drift by column", "none", "up", source="graphite")])
    monkeypatch.setattr(dashboards, "DASHBOARDS", (bad,))
    with pytest.raises(pulumi.RunError, match=r"(?s)nothing was changed.*panels\.py:\d+: Bad: .*source graphite"):
        render()


def test_what_nodes_cost_is_recorded_where_something_says_what_they_are(local: Rendered) -> None:
    """On the local stack nothing does."""
    assert "cost.yaml" not in local.the("ConfigMap", "prometheus-rules").inputs["data"]


def test_every_instance_family_of_a_pool_that_names_none_has_a_price() -> None:
    """A node without one would be counted as free."""
    (file,) = rules.read(["cost"])
    priced = {kind: {r.labels["family"] for r in file.rules if r.name == f"family:{kind}_price_usd:per_hour"}
              for kind in ("core", "gpu")}  # fmt: skip
    usual = {*CpuPoolConfig().families, *CpuPoolConfig(architecture="amd64").families}
    gpu = set(GpuPoolConfig().instance_families)
    assert priced["core"] >= usual | gpu
    assert priced["gpu"] >= gpu
