"""What a gradual rollout changes of a stack, and that another stack gives nothing away for it."""

from typing import Any

import pytest

from infra.config.reading import ConfigError, parse
from infra.naming import PROJECT
from tests.infra.connections.connectivity import Cluster, pods
from tests.infra.harness import ROOT, SECRET_KEY, Rendered, configuration, environment_configuration, render

LOCAL_PODS = "10.244.0.0/24"


def environment_of(rendered: Rendered, kind: str, name: str) -> dict[str, str]:
    """What a workload's container is told."""
    (container,) = rendered.the(kind, name).containers
    return {item["name"]: item["value"] for item in container["env"] if "value" in item}


@pytest.fixture(scope="module")
def gradual() -> Rendered:
    """A stack that rolls challengers out as canaries, with bounds of its own."""
    rollout = {"mode": "canary", "canary_percents": [1, 10], "step_minutes": 5, "drift_limit": 0.1}
    return render(configuration(retraining={"rollout": rollout}))


def test_a_retraining_is_told_what_becomes_of_a_fit_challenger(local: Rendered, gradual: Rendered) -> None:
    """Champion at once, unless the configuration says otherwise."""
    told = [environment_of(stack, "CronJob", "retraining-car-loan")["RETRAINING_ROLLOUT"] for stack in (local, gradual)]
    assert told == ["immediate", "canary"]


def test_the_receiver_is_told_steps_and_bounds_and_where_prometheus_is(gradual: Rendered) -> None:
    """Each as the configuration has it, in the service's units."""
    told = environment_of(gradual, "Deployment", "retraining")
    assert {name: value for name, value in told.items() if name.startswith("ROLLOUT_")} == {
        "ROLLOUT_PROMETHEUS_URL": "http://prometheus.monitoring.svc.cluster.local:9090",
        "ROLLOUT_CANARY_SHARES": "0.01,0.1",
        "ROLLOUT_SHADOW_SHARE": "1.0",
        "ROLLOUT_STEP_SECONDS": "300",
        "ROLLOUT_STEP_ROWS": "500",
        "ROLLOUT_STALLED_SECONDS": "86400",
        "ROLLOUT_ERROR_RATE_LIMIT": "0.01",
        "ROLLOUT_LATENCY_RATIO_LIMIT": "2.0",
        "ROLLOUT_LATENCY_FLOOR_SECONDS": "0.001",
        "ROLLOUT_DRIFT_LIMIT": "0.1",
    }


def test_what_the_receiver_is_told_are_settings_that_it_has(gradual: Rendered) -> None:
    """A service refuses what it does not know; the reference of settings, written from its code, lists all."""
    known = (ROOT / "docs/reference/settings.md").read_text(encoding="utf-8")
    told = environment_of(gradual, "Deployment", "retraining")
    assert [name for name in told if name.startswith("ROLLOUT_") and f"`{name}`" not in known] == []


def test_only_where_rollouts_are_gradual_the_receiver_reaches_prometheus(local: Rendered, gradual: Rendered) -> None:
    """By a policy of its own, and nobody else of the workloads does."""

    def reaches(rendered: Rendered) -> list[str]:
        found, cluster = pods(rendered, LOCAL_PODS), Cluster(rendered)
        callers = (pod for pod in found.values() if cluster.allows(pod, found["prometheus"], 9090))
        return [pod.name for pod in callers]

    assert reaches(local) == []
    assert reaches(gradual) == ["retraining"]
    assert "ROLLOUT_PROMETHEUS_URL" not in environment_of(local, "Deployment", "retraining")


def test_only_where_rollouts_are_gradual_the_receiver_may_write_models() -> None:
    """On AWS, by the policy of its role."""
    changed = environment_configuration("dev") | {f"{PROJECT}:retraining": '{"rollout": {"mode": "shadow"}}'}
    writes = []
    for config in (environment_configuration("dev"), changed):
        rendered = render(config, stack="dev")
        policies = [
            str(policy.inputs["policy"])
            for policy in rendered.resources
            if policy.type.endswith("RolePolicy")
            and policy.name.startswith("retraining")
            and not policy.name.startswith("retraining-car-loan")
        ]
        assert policies
        writes.append(any("s3:PutObject" in policy for policy in policies))
    assert writes == [False, True]


@pytest.mark.parametrize(
    ("rollout", "path"),
    [
        ({"mode": "blue_green"}, "retraining.rollout.mode"),
        ({"canary_percents": []}, "retraining.rollout.canary_percents"),
        ({"canary_percents": [50, 5]}, "retraining.rollout.canary_percents"),
        ({"canary_percents": [0, 5]}, "retraining.rollout.canary_percents[0]"),
        ({"drift_limit": 0}, "retraining.rollout.drift_limit"),
        ({"shadow_percent": 101}, "retraining.rollout.shadow_percent"),
        ({"steps": 3}, "retraining.rollout.steps"),
    ],
)
def test_a_rollout_that_makes_no_sense_is_refused(rollout: dict[str, Any], path: str) -> None:
    """By the property that is wrong."""
    with pytest.raises(ConfigError) as caught:
        parse(configuration(retraining={"rollout": rollout}), [SECRET_KEY])
    assert f"{PROJECT}:{path}" in {problem.path for problem in caught.value.problems}
