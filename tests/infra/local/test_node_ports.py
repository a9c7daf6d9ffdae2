"""Which port of the node answers for whom."""

import pytest

from infra.config.models import MODEL_LIMIT
from infra.local.node_ports import node_port
from infra.naming import App

MODELS = [f"model-{number}" for number in range(MODEL_LIMIT)]


def app(name: str, instance: str = "x") -> App:
    """An application of this name."""
    return App(name=name, instance=instance, component="x")


def test_as_many_models_as_a_stack_may_have_get_a_port_each_that_nobody_else_has() -> None:
    """As many models as a stack may have get a port each that nobody else has."""
    ports = [node_port(app("scoring", model), MODELS) for model in MODELS]
    ports += [node_port(app(name), MODELS) for name in ("prometheus", "alertmanager", "grafana", "object-store")]
    assert len(set(ports)) == len(ports)
    assert all(30000 <= port <= 32767 for port in ports)


def test_the_first_model_has_the_port_that_is_known() -> None:
    """README, tests and people call it."""
    assert node_port(app("scoring", "model-0"), MODELS) == 30080


def test_an_application_without_a_port_is_an_error_that_names_it() -> None:
    """An application without a port is an error that names it."""
    with pytest.raises(KeyError, match="unknown"):
        node_port(app("unknown"), MODELS)
