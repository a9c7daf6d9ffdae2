"""The models that ship run side by side: the stack that the documentation shows is rendered in full."""

import re

import pytest
import yaml

from infra.naming import PROJECT
from tests.infra.harness import ROOT, Rendered, configuration, render

GUIDE = ROOT / "docs/how-to/worked_models.md"


def shown() -> list[dict[str, str]]:
    """The models of the guide's configuration."""
    (block,) = re.findall(r"```yaml\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    models: list[dict[str, str]] = yaml.safe_load(block)["config"][f"{PROJECT}:models"]
    return models


NAMES = [model["name"] for model in shown()]


@pytest.fixture(scope="module")
def three() -> Rendered:
    """The local stack with all of them."""
    return render(configuration(models=shown()))


def test_every_model_that_ships_is_shown() -> None:
    """By the name of its folder."""
    folders = {path.parent.name.replace("_", "-") for path in ROOT.glob("models/*/recipe.toml")}
    assert {"car-loan", "fraud-detection", "recommendation"} == set(NAMES) <= folders


def test_each_model_has_pods_a_first_version_and_an_address_of_its_own(three: Rendered) -> None:
    """Nothing of one is another's: names, the model it is told, the port."""
    ports = set()
    for name in NAMES:
        deployment = three.the("Deployment", f"scoring-{name}")
        (container,) = deployment.containers
        assert {"name": "MODEL_NAME", "value": name} in container["env"]
        assert three.the("Job", f"bootstrap-{name}").containers
        (port,) = three.the("Service", f"scoring-{name}").inputs["spec"]["ports"]
        ports.add(port["nodePort"])
    assert len(ports) == len(NAMES)
    assert set(three.outputs["scoring_urls"]) == set(NAMES)


def test_drift_and_retraining_know_all_of_them(three: Rendered) -> None:
    """One service each, for however many models."""
    (drift,) = three.the("Deployment", "drift").containers
    told = {entry["name"]: entry.get("value", "") for entry in drift["env"]}
    assert any(all(name in value for name in NAMES) for value in told.values())
    assert len([job for job in three.resources if job.name.startswith("retraining-")]) >= len(NAMES)
