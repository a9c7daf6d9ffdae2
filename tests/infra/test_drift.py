"""How drift runs: what it is told, what it may do, who may reach it."""

import json

import pytest
from drift.settings import DriftSettings
from lifecycle.settings import read_settings

from infra.config.reading import ConfigError, parse
from infra.policy.model import Context, judge
from infra.policy.rules import RULES, STACK_RULES
from tests.infra.harness import ENVIRONMENTS, Rendered, configuration, environment_configuration, render
from tests.infra.policy.resources import judged


def environment(stack: Rendered) -> dict[str, str]:
    """The plain variables of its container."""
    (container,) = stack.the("Deployment", "drift").containers
    return {item["name"]: item["value"] for item in container["env"] if "value" in item}


def settings(stack: Rendered, monkeypatch: pytest.MonkeyPatch) -> DriftSettings:
    """What the service reads of them."""
    for name, value in environment(stack).items():
        monkeypatch.setenv(name, value)
    return read_settings(DriftSettings)


def test_the_service_knows_every_variable(local: Rendered) -> None:
    """It refuses those that it does not."""
    known = {f"DRIFT_{name.upper()}" for name in DriftSettings.model_fields}
    given = {name for name in environment(local) if name.startswith("DRIFT_")}
    assert given <= known
    assert environment(local).keys() - given == {
        "MODEL_STORE_URL", "PREDICTION_STORE_URL", "AWS_REGION", "AWS_ENDPOINT_URL",
    }  # fmt: skip


def test_the_stacks_defaults_are_the_services(local: Rendered, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two sets of defaults would drift apart."""
    found = settings(local, monkeypatch)
    for name, field in DriftSettings.model_fields.items():
        if name not in {"models", "token_file"}:
            assert getattr(found, name) == field.default, name


def test_the_configuration_reaches_the_service(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each key as the value that the service reads."""
    config = configuration(
        models=[{"name": "car-loan"}, {"name": "churn"}],
        drift={
            "chunk_hours": 24,
            "column_methods": {"age": "wasserstein"},
            "domain_classifier": True,
            "thresholds": {"roc_auc": {"lower": 0.9}},
        },
        scoring={"prediction_log": {"flush_seconds": 300}},
    )
    found = settings(render(config), monkeypatch)
    assert found.models == ("car-loan", "churn")
    assert (found.chunk_hours, found.domain_classifier) == (24, True)
    assert found.column_methods == {"age": "wasserstein"}
    assert (found.thresholds["roc_auc"].lower, found.thresholds["roc_auc"].upper) == (0.9, None)
    assert found.grace_seconds == 1200


def test_it_can_be_left_out(local: Rendered) -> None:
    """With everything that belongs to it."""
    without = render(configuration(drift={"enabled": False}))
    left = {str(resource) for resource in local.resources} - {str(resource) for resource in without.resources}
    assert "Deployment drift" in left
    assert all("drift" in name.lower() for name in left)
    assert "drift_url" not in without.outputs


def test_without_a_prediction_log_it_is_refused() -> None:
    """It would say nothing for ever."""
    config = configuration(scoring={"prediction_log": {"durability": "off"}})
    with pytest.raises(ConfigError, match=r"drift\.enabled"):
        parse(config, [key for key in config if "secret" in key])


def test_bounds_that_nothing_lies_between_are_refused() -> None:
    """Every value would be an alert."""
    config = configuration(drift={"thresholds": {"roc_auc": {"lower": 0.9, "upper": 0.8}}})
    with pytest.raises(ConfigError, match="must not be above upper"):
        parse(config, [key for key in config if "secret" in key])


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_it_may_write_its_results_and_nothing_else(name: str) -> None:
    """Neither a model nor a prediction."""
    stack = render(environment_configuration(name), stack=name)
    document = json.loads(stack.the("RolePolicy", "drift").inputs["policy"])
    writes = [one["Resource"] for one in document["Statement"] if "s3:PutObject" in one["Action"]]
    assert len(writes) == 1
    assert writes[0][0].endswith("predictions/*/drift/*")


def test_evaluating_now_wants_a_token_that_the_stack_makes(local: Rendered, monkeypatch: pytest.MonkeyPatch) -> None:
    """From a Secret of its own, at the path that the service is told."""
    file = settings(local, monkeypatch).token_file
    deployment = local.the("Deployment", "drift")
    (mount,) = [each for each in deployment.containers[0]["volumeMounts"] if each["name"] == "token"]
    (volume,) = [each for each in deployment.pod["volumes"] if each["name"] == "token"]
    assert str(file) == f"{mount['mountPath']}/token"
    assert mount["readOnly"] is True
    assert volume["secret"]["secretName"].startswith("drift-token")
    assert "token" in local.the("Secret", "drift-token").inputs["data"].value


@pytest.fixture(scope="module")
def dask() -> Rendered:
    """A stack whose drift is evaluated on a cluster of two to five workers."""
    return render(configuration(drift={"engine": "dask", "dask": {"min_workers": 2, "max_workers": 5}}))


def test_without_the_engine_there_is_no_cluster(local: Rendered) -> None:
    """One process is the default."""
    assert "DRIFT_DASK_SCHEDULER" not in environment(local)
    names = {resource.name for resource in local.resources}
    assert names.isdisjoint({"drift-scheduler", "drift-worker", "drift-dashboard"})
    assert "drift_dashboard_url" not in local.outputs


def test_the_service_finds_its_cluster(dask: Rendered, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the name of the scheduler's Service, at the port that the scheduler listens to."""
    found = settings(dask, monkeypatch)
    assert (found.engine, found.dask_scheduler) == ("dask", "tcp://drift-scheduler.ml.svc.cluster.local:8786")
    (port,) = dask.the("Service", "drift-scheduler").inputs["spec"]["ports"]
    assert port["port"] == 8786
    (scheduler,) = dask.the("Deployment", "drift-scheduler").containers
    assert scheduler["command"][scheduler["command"].index("--port") + 1] == "8786"
    (worker,) = dask.the("Deployment", "drift-worker").containers
    assert worker["command"][2] == found.dask_scheduler


def test_workers_are_scaled_between_the_bounds(dask: Rendered) -> None:
    """By the autoscaler alone."""
    spec = dask.the("HorizontalPodAutoscaler", "drift-worker").inputs["spec"]
    assert (spec["minReplicas"], spec["maxReplicas"]) == (2, 5)
    assert spec["scaleTargetRef"]["name"] == "drift-worker"
    assert "replicas" not in dask.the("Deployment", "drift-worker").inputs["spec"]


def test_bounds_of_workers_that_nothing_lies_between_are_refused() -> None:
    """Kubernetes would refuse them later."""
    config = configuration(drift={"dask": {"min_workers": 6, "max_workers": 5}})
    with pytest.raises(ConfigError, match="must not be above max_workers"):
        parse(config, [key for key in config if "secret" in key])


def test_workers_have_the_services_image_and_stores(dask: Rendered) -> None:
    """What the service asks of them they have to know as it does."""
    (service,), (worker,) = (dask.the("Deployment", name).containers for name in ("drift", "drift-worker"))
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


def test_operators_find_the_dashboard(dask: Rendered) -> None:
    """At a port of the node."""
    assert dask.outputs["drift_dashboard_url"] == "http://127.0.0.1:30097"


@pytest.mark.parametrize("name", ["local", *ENVIRONMENTS])
def test_a_cluster_violates_no_rule(name: str) -> None:
    """Whatever the environment, and its workers may write nothing."""
    config = configuration() if name == "local" else environment_configuration(name)
    key = next(key for key in config if key.endswith(":platform")).replace("platform", "drift")
    config[key] = json.dumps(json.loads(config.get(key, "{}")) | {"engine": "dask"})
    stack = render(config, stack=name)
    found = judge(RULES, STACK_RULES, judged(stack), Context(environment=name, open_to_internet=frozenset()))
    assert [str(violation) for violation in found] == []
    if name != "local":
        document = json.loads(stack.the("RolePolicy", "drift-worker").inputs["policy"])
        assert not any("Put" in action for one in document["Statement"] for action in one["Action"])
