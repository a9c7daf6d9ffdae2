"""Configuration is right, or every problem is named with the variable and the way out."""

import os

import pytest
from lifecycle.settings import ConfigurationError, StoreSettings, read_settings
from scoring.settings import ScoringSettings

PREFIXES = ("MODEL_", "AWS_", "SCORING_", "RETRAINING_")


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith(PREFIXES):
            monkeypatch.delenv(name)


@pytest.fixture
def setenv(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A complete environment, to be spoilt."""
    monkeypatch.setenv("MODEL_STORE_URL", "s3://models")
    monkeypatch.setenv("MODEL_NAME", "car-loan")
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    return monkeypatch


def test_a_complete_environment_is_read(setenv: pytest.MonkeyPatch) -> None:
    """Values arrive typed."""
    setenv.setenv("SCORING_DRAIN_SECONDS", "2.5")
    assert read_settings(StoreSettings).model_store_url == "s3://models"
    assert read_settings(ScoringSettings).drain_seconds == 2.5


def test_all_missing_variables_are_named_at_once() -> None:
    """One run tells everything that is to be set."""
    with pytest.raises(ConfigurationError) as caught:
        read_settings(StoreSettings)
    assert [problem.split(" (")[0] for problem in caught.value.problems] == [
        "MODEL_STORE_URL is missing",
        "MODEL_NAME is missing",
    ]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MODEL_STORE_URL", "models"),
        ("MODEL_STORE_URL", "http://models"),
        ("MODEL_STORE_URL", "s3://m"),
        ("MODEL_NAME", "car_loan"),
        ("MODEL_NAME", "../car"),
        ("AWS_ENDPOINT_URL", "object-store:7070"),
        ("SCORING_DRAIN_SECONDS", "soon"),
        ("SCORING_LISTEN_PORT", "0"),
        ("SCORING_MAX_ROWS", "-1"),
        ("SCORING_LOG_LEVEL", "loud"),
    ],
)
def test_a_wrong_value_is_named_with_its_variable(setenv: pytest.MonkeyPatch, name: str, value: str) -> None:
    """Name, value, and what is allowed."""
    setenv.setenv(name, value)
    kind = ScoringSettings if name.startswith("SCORING_") else StoreSettings
    with pytest.raises(ConfigurationError, match=f"^{name} is '{value}': "):
        read_settings(kind)


def test_a_misspelt_setting_is_refused_with_the_right_names(setenv: pytest.MonkeyPatch) -> None:
    """Else a limit somebody set would silently not hold."""
    setenv.setenv("SCORING_DRAIN_SECOND", "5")
    with pytest.raises(ConfigurationError, match=r"SCORING_DRAIN_SECOND is not a setting.*SCORING_DRAIN_SECONDS"):
        read_settings(ScoringSettings)


@pytest.mark.parametrize(
    "name",
    [
        "SCORING_PORT",
        "SCORING_SERVICE_HOST",
        "SCORING_SERVICE_PORT_HTTP",
        "SCORING_PORT_80_TCP_ADDR",
        "SCORING_CAR_LOAN_PORT",
    ],
)
def test_what_kubernetes_sets_for_services_is_no_mistake(setenv: pytest.MonkeyPatch, name: str) -> None:
    """A Service named `scoring` puts variables with our prefix into every pod of its namespace."""
    setenv.setenv(name, "tcp://10.0.0.1:80")
    assert read_settings(ScoringSettings).listen_port == 8000


def test_s3_needs_a_region(setenv: pytest.MonkeyPatch) -> None:
    """A pod cannot ask the node for it."""
    setenv.delenv("AWS_REGION")
    with pytest.raises(ConfigurationError, match="AWS_REGION is missing"):
        read_settings(StoreSettings)


@pytest.mark.parametrize("kind", [StoreSettings, ScoringSettings])
def test_every_setting_is_documented_where_it_is_declared(kind: type[StoreSettings] | type[ScoringSettings]) -> None:
    """The description is what error messages and the docs show."""
    assert all(field.description for field in kind.model_fields.values())
