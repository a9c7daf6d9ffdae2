"""API keys: several are valid at once, so that they are changed without a request refused in between."""

import hashlib
from collections.abc import Mapping
from http import HTTPStatus
from itertools import pairwise

import pytest
from prometheus_client import CollectorRegistry
from scoring.admission import Admission
from scoring.errors import RequestError
from scoring.metrics import Metrics
from scoring.settings import ScoringSettings

from infra.config.reading import ConfigError, parse
from tests.infra.harness import Rendered, Resource, configuration, leaves, render

OLD, NEW = "old-key-of-acme", "new-key-of-acme"


def sha256(key: str) -> str:
    """As `printf %s "$KEY" | sha256sum` has it."""
    return hashlib.sha256(key.encode()).hexdigest()


ROTATION: tuple[tuple[Mapping[str, str], str], ...] = (
    ({"acme": sha256(OLD)}, OLD),
    ({"acme": sha256(OLD), "acme-new": sha256(NEW)}, OLD),
    ({"acme": sha256(OLD), "acme-new": sha256(NEW)}, NEW),
    ({"acme-new": sha256(NEW)}, NEW),
)
"""What is configured, and what the client shows meanwhile, one step of docs/how-to/api_keys.md after the other."""


def deployment(keys: Mapping[str, str]) -> Resource:
    """Scoring with these keys."""
    return render(configuration(scoring={"api_keys_sha256": dict(keys)})).the("Deployment", "scoring-car-loan")


def lets_in(scoring: Resource, key: str, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether a pod of this Deployment, with the settings that it is given, takes a key."""
    (container,) = scoring.containers
    with monkeypatch.context() as patch:
        for item in container["env"]:
            if "value" in item and item["name"].startswith("SCORING_"):
                patch.setenv(item["name"], item["value"])
        settings = ScoringSettings()
    admission = Admission(1, settings.api_keys_sha256, Metrics(CollectorRegistry()))
    try:
        admission.check({b"x-api-key": key.encode()})
    except RequestError as error:
        return error.status != HTTPStatus.UNAUTHORIZED
    return True


def test_while_keys_are_changed_the_clients_key_is_valid_in_every_pod(monkeypatch: pytest.MonkeyPatch) -> None:
    """A rollout has pods of two steps beside each other, and the client may meet either."""
    steps = [(deployment(keys), key) for keys, key in ROTATION]
    for (before, shown), (after, shown_next) in pairwise(steps):
        # A step changes what pods know or what the client shows, and never both.
        assert (before.pod_template == after.pod_template) is (shown != shown_next)
        assert lets_in(before, shown, monkeypatch)
        assert lets_in(before, shown_next, monkeypatch)
        assert lets_in(after, shown_next, monkeypatch)
    both = steps[1][0]
    assert lets_in(both, OLD, monkeypatch)
    assert lets_in(both, NEW, monkeypatch)
    last = steps[-1][0]
    assert not lets_in(last, OLD, monkeypatch)
    assert not lets_in(last, "", monkeypatch)
    assert not lets_in(last, "guessed", monkeypatch)


def test_a_change_of_keys_rolls_the_pods_without_one_too_few() -> None:
    """The setting is read at the start: a new one is a new pod template."""
    before, after = deployment(ROTATION[0][0]), deployment(ROTATION[1][0])
    assert before.pod_template != after.pod_template
    assert after.inputs["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] == 0


def test_an_entry_that_is_only_renamed_rolls_no_pod() -> None:
    """Names are for people; pods are told hashes, in an order of their own."""
    one = deployment({"acme": sha256(OLD), "beta": sha256(NEW)})
    other = deployment({"beta": sha256(OLD), "zeta": sha256(NEW)})
    assert one.pod_template == other.pod_template


def test_without_keys_everybody_is_let_in_and_no_setting_is_there(
    local: Rendered, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the threat model says."""
    scoring = local.the("Deployment", "scoring-car-loan")
    assert not [item for item in scoring.containers[0]["env"] if "API_KEYS" in item["name"]]
    assert lets_in(scoring, "", monkeypatch)


@pytest.mark.parametrize(
    "keys", [{"acme": OLD}, {"acme": sha256(OLD).upper()}, {"acme": ""}, {"Acme": sha256(OLD)}, [sha256(OLD)]]
)
def test_what_is_no_hash_is_refused_before_anything_is_made(keys: object) -> None:
    """A key in plain text above all: it would be in the state for everybody to read."""
    with pytest.raises(ConfigError, match="api_keys_sha256"):
        parse(configuration(scoring={"api_keys_sha256": keys}), [])


def test_a_stack_holds_hashes_and_never_a_key() -> None:
    """Not in a resource, not in an output."""
    rendered = render(configuration(scoring={"api_keys_sha256": dict(ROTATION[1][0])}))
    texts = [str(value) for resource in rendered.resources for _, value in leaves(resource.inputs)]
    assert any(sha256(NEW) in text for text in texts)
    assert not any(key in text for text in (*texts, str(rendered.outputs)) for key in (OLD, NEW))
