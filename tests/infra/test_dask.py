"""The Dask cluster that drift and training share: who asks for it, what its pods are, who reaches them."""

import json

import pytest
from drift.settings import DriftSettings
from lifecycle.settings import read_settings
from retraining.settings import RetrainingSettings

from infra.config.reading import ConfigError, parse
from infra.policy.model import Context, judge
from infra.policy.rules import RULES, STACK_RULES
from tests.infra.harness import ENVIRONMENTS, Rendered, configuration, environment_configuration, render
from tests.infra.policy.resources import judged

_SCHEDULER = "tcp://dask-scheduler.ml.svc.cluster.local:8786"


@pytest.fixture(scope="module")
def both() -> Rendered:
    """A stack whose drift is evaluated, and whose models are trained, by two to five workers."""
    return render(
        configuration(drift={"engine": "dask"}, training={"engine": "dask"}, dask={"min_workers": 2, "max_workers": 5})
    )


@pytest.fixture(scope="module")
def training_alone() -> Rendered:
    """A stack that evaluates no drift at all, and trains on a cluster."""
    return render(configuration(drift={"enabled": False}, training={"engine": "dask"}))


def _drift_environment(stack: Rendered) -> dict[str, str]:
    (container,) = stack.the("Deployment", "drift").containers
    return {item["name"]: item["value"] for item in container["env"] if "value" in item}


def _training_environment(stack: Rendered) -> dict[str, str]:
    spec = stack.the("CronJob", "retraining-car-loan").inputs["spec"]
    (container,) = spec["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    return {item["name"]: item["value"] for item in container["env"] if "value" in item}


def test_where_nobody_asks_there_is_no_cluster(local: Rendered) -> None:
    """One process is the default of both."""
    assert not any(name.startswith("DRIFT_DASK") for name in _drift_environment(local))
    assert "RETRAINING_ENGINE" not in _training_environment(local)
    assert not any("dask" in resource.name for resource in local.resources)
    assert "dask_dashboard_url" not in local.outputs


def test_one_cluster_serves_both(both: Rendered, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the name of the scheduler's Service, at the port that the scheduler listens to."""
    for name, value in (_drift_environment(both) | _training_environment(both)).items():
        monkeypatch.setenv(name, value)
    drift, training = read_settings(DriftSettings), read_settings(RetrainingSettings)
    assert (drift.engine, drift.dask_scheduler) == ("dask", _SCHEDULER)
    assert (training.engine, training.dask_scheduler, training.dask_workers) == ("dask", _SCHEDULER, 2)
    (port,) = both.the("Service", "dask-scheduler").inputs["spec"]["ports"]
    assert port["port"] == 8786
    (scheduler,) = both.the("Deployment", "dask-scheduler").containers
    assert scheduler["command"][scheduler["command"].index("--port") + 1] == "8786"
    (worker,) = both.the("Deployment", "dask-worker").containers
    assert worker["command"][2] == _SCHEDULER
    assert set(training.training_ports) < {port["containerPort"] for port in worker["ports"]}


def test_the_cluster_is_there_for_training_alone(training_alone: Rendered, both: Rendered) -> None:
    """As it is for both; and training alone tells drift nothing of it."""
    assert _training_environment(training_alone)["RETRAINING_DASK_SCHEDULER"] == _SCHEDULER
    here, there = (
        {str(resource) for resource in stack.resources if resource.name.startswith("dask")}
        for stack in (training_alone, both)
    )
    assert here == there
    assert "HorizontalPodAutoscaler dask-worker" in here
    training_and_drift = render(configuration(training={"engine": "dask"}))
    assert _drift_environment(training_and_drift)["DRIFT_ENGINE"] == "process"
    assert "DRIFT_DASK_SCHEDULER" not in _drift_environment(training_and_drift)


def test_drift_alone_opens_no_port_for_training() -> None:
    """LightGBM listens to workers of a cluster that trains."""
    stack = render(configuration(drift={"engine": "dask"}))
    (worker,) = stack.the("Deployment", "dask-worker").containers
    assert {port["containerPort"] for port in worker["ports"]} == {8787, 8788}
    assert "RETRAINING_ENGINE" not in _training_environment(stack)


def test_a_training_on_workers_without_gpus_is_refused() -> None:
    """Before anything is deployed that would fail at its first run."""
    config = configuration(training={"engine": "dask", "device_type": "gpu"})
    with pytest.raises(ConfigError, match=r"training.*device_type is gpu"):
        parse(config, [key for key in config if "secret" in key])
    with pytest.raises(ValueError, match="train on CPUs"):
        RetrainingSettings(engine="dask", dask_scheduler=_SCHEDULER, device_type="gpu")
    with pytest.raises(ValueError, match="RETRAINING_DASK_SCHEDULER is missing"):
        RetrainingSettings(engine="dask")


def test_workers_are_scaled_between_the_bounds(both: Rendered) -> None:
    """By the autoscaler alone."""
    spec = both.the("HorizontalPodAutoscaler", "dask-worker").inputs["spec"]
    assert (spec["minReplicas"], spec["maxReplicas"]) == (2, 5)
    assert spec["scaleTargetRef"]["name"] == "dask-worker"
    assert "replicas" not in both.the("Deployment", "dask-worker").inputs["spec"]


def test_bounds_of_workers_that_nothing_lies_between_are_refused() -> None:
    """Kubernetes would refuse them later."""
    config = configuration(dask={"min_workers": 6, "max_workers": 5})
    with pytest.raises(ConfigError, match="must not be above max_workers"):
        parse(config, [key for key in config if "secret" in key])


def test_workers_have_the_image_and_stores_of_drift(both: Rendered) -> None:
    """What drift asks of them they have to know as it does."""
    (service,), (worker,) = (both.the("Deployment", name).containers for name in ("drift", "dask-worker"))
    assert worker["image"] == service["image"]
    stores = [
        {
            one["name"]: one.get("value")
            for one in container["env"]
            if one["name"].endswith("_STORE_URL") or one["name"].startswith("AWS_")
        }
        for container in (service, worker)
    ]
    assert stores[0] == stores[1]


def test_operators_find_the_dashboard(both: Rendered) -> None:
    """At a port of the node."""
    assert both.outputs["dask_dashboard_url"] == "http://127.0.0.1:30097"


@pytest.mark.parametrize("name", ["local", *ENVIRONMENTS])
def test_a_cluster_violates_no_rule(name: str) -> None:
    """Whatever the environment, and its workers may write nothing."""
    config = configuration() if name == "local" else environment_configuration(name)
    prefix = next(key for key in config if key.endswith(":platform")).removesuffix("platform")
    for section in ("drift", "training"):
        config[prefix + section] = json.dumps(json.loads(config.get(prefix + section, "{}")) | {"engine": "dask"})
    stack = render(config, stack=name)
    found = judge(RULES, STACK_RULES, judged(stack), Context(environment=name, open_to_internet=frozenset()))
    assert [str(violation) for violation in found] == []
    if name != "local":
        document = json.loads(stack.the("RolePolicy", "dask-worker").inputs["policy"])
        assert not any("Put" in action for one in document["Statement"] for action in one["Action"])
