"""How drift runs: what it is told, what it may do, who may reach it."""

import json

import pytest
from drift.settings import DriftSettings
from lifecycle.settings import read_settings

from infra.config.reading import ConfigError, parse
from tests.infra.harness import ENVIRONMENTS, Rendered, configuration, environment_configuration, render


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
