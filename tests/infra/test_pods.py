"""The standard of every pod."""

import pytest

from infra.naming import App
from infra.platform import ObjectStoreAccess, SecretValue
from infra.pods import cores, disk, environment, mebibytes


@pytest.mark.parametrize(
    ("millicores", "quantity"), [(10, "10m"), (999, "999m"), (1000, "1"), (1500, "1500m"), (64_000, "64")]
)
def test_cores_are_written_as_the_api_server_writes_them(millicores: int, quantity: str) -> None:
    """Cores are written as the API server writes them."""
    assert cores(millicores) == quantity


@pytest.mark.parametrize(("mib", "quantity"), [(16, "16Mi"), (1024, "1Gi"), (1536, "1536Mi"), (2048, "2Gi")])
def test_memory_is_written_as_the_api_server_writes_it(mib: int, quantity: str) -> None:
    """Memory is written as the API server writes it."""
    assert mebibytes(mib) == quantity


def test_a_disk_names_its_storage_class_only_where_there_is_one() -> None:
    """An empty name would mean no class at all, and a disk that never comes."""
    app = App(name="x", instance="x", component="x")
    assert "storage_class_name" not in disk("data", app, 1, None)["spec"]  # type: ignore[operator]  # a dict, built here
    assert disk("data", app, 1, "gp3")["spec"]["storage_class_name"] == "gp3"  # type: ignore[index]  # likewise


def test_an_environment_without_secrets_refers_to_none() -> None:
    """As where the platform gives pods an identity."""
    store = ObjectStoreAccess(env={"AWS_REGION": "eu-west-1"}, secret_env={}, ready=())
    assert environment({"MODEL_NAME": "car-loan"}, store) == [
        {"name": "MODEL_NAME", "value": "car-loan"},
        {"name": "AWS_REGION", "value": "eu-west-1"},
    ]


def test_a_secret_is_referred_to_and_not_copied() -> None:
    """The value stays in its Secret."""
    store = ObjectStoreAccess(env={}, secret_env={"KEY": SecretValue(secret="s", key="k")}, ready=())  # noqa: S106 (a name)
    assert environment({}, store) == [{"name": "KEY", "value_from": {"secret_key_ref": {"name": "s", "key": "k"}}}]
