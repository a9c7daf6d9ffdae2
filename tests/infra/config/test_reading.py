"""What configuration is taken, what is refused, and in which words."""

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.config.images import ThirdPartyImages
from infra.config.models import MODEL_LIMIT, MODEL_NAME_LIMIT
from infra.config.reading import ConfigError, parse
from infra.config.stack import StackConfig
from infra.versions import ThirdPartyImage
from tests.infra.harness import SECRET, SECRET_KEY, configuration

KEYS = sorted(StackConfig.model_fields)
DEFAULTS = StackConfig.model_validate_json(
    json.dumps({"platform": "local", "models": [{"name": "car-loan"}], "object_store_secret_key": SECRET})
)


def refused(config: dict[str, str]) -> dict[str, str]:
    """What is said of each property, by its path."""
    with pytest.raises(ConfigError) as caught:
        parse(config, [SECRET_KEY])
    return {problem.path: str(problem) for problem in caught.value.problems}


def test_what_the_configuration_leaves_out_has_its_default() -> None:
    """What the configuration leaves out has its default."""
    assert parse(configuration(), [SECRET_KEY]) == DEFAULTS


def test_what_the_configuration_says_is_what_the_stack_gets() -> None:
    """What the configuration says is what the stack gets."""
    config = parse(
        configuration(
            models=[{"name": "car-loan"}, {"name": "churn"}],
            scoring={"min_replicas": 5, "resources": {"memory_limit_mib": 1024}},
            local={"exposure": "cluster_ip", "registry": "registry.example:5000/ml", "kube_context": "kind-dev"},
        ),
        [SECRET_KEY],
    )
    assert [model.name for model in config.models] == ["car-loan", "churn"]
    assert config.scoring.min_replicas == 5
    assert config.scoring.resources.memory_limit_mib == 1024
    assert config.scoring.resources.memory_request_mib == DEFAULTS.scoring.resources.memory_request_mib
    assert (config.local.exposure, config.local.registry) == ("cluster_ip", "registry.example:5000/ml")
    assert config.local.kube_context == "kind-dev"


def test_other_projects_keys_are_not_looked_at() -> None:
    """A stack's file also configures providers and Pulumi itself; those keys are theirs."""
    assert parse(configuration() | {"aws:region": "eu-west-1", "pulumi:tags": "{}"}, [SECRET_KEY]) == DEFAULTS


def test_a_configuration_cannot_be_changed() -> None:
    """What was checked once stays what it was."""
    with pytest.raises(ValueError, match="frozen"):
        DEFAULTS.scoring.min_replicas = 3


BAD: list[tuple[str, dict[str, Any], str, tuple[str, ...]]] = [
    ("a wrong word", {"platform": "locl"}, "platform", ('"locl"', "must be 'local' or 'aws'")),
    ("not a structure", {"models": "car-loan"}, "models", ('"car-loan"', "must be a valid array")),
    ("no JSON", {"scoring": "{min_replicas: 2"}, "scoring", ('"{min_replicas: 2"', "must be an object")),
    ("no model", {"models": []}, "models", ("[]", f"1 to {MODEL_LIMIT}", "not 0")),
    (
        "too many models",
        {"models": [{"name": f"m{number}"} for number in range(MODEL_LIMIT + 1)]},
        "models",
        (f"1 to {MODEL_LIMIT}", f"not {MODEL_LIMIT + 1}"),
    ),
    ("a model twice", {"models": [{"name": "a"}, {"name": "a"}]}, "models", ("more than once: a",)),
    ("a name in capitals", {"models": [{"name": "Car"}]}, "models[0].name", ('"Car"', "lower-case")),
    (
        "a name too long",
        {"models": [{"name": "m" * (MODEL_NAME_LIMIT + 1)}]},
        "models[0].name",
        (f"{MODEL_NAME_LIMIT} characters at most",),
    ),
    ("a missing name", {"models": [{"name": "a"}, {}]}, "models[1].name", ("not set", "required")),
    (
        "too few",
        {"scoring": {"min_replicas": 0}},
        "scoring.min_replicas",
        ("0", "greater than or equal to 1", "1 to 100"),
    ),
    ("too many", {"scoring": {"min_replicas": 101}}, "scoring.min_replicas", ("101", "less than or equal to 100")),
    (
        "a number as text",
        {"scoring": {"min_replicas": "2"}},
        "scoring.min_replicas",
        ('"2"', "must be a valid integer"),
    ),
    ("a fraction", {"scoring": {"min_replicas": 2.5}}, "scoring.min_replicas", ("2.5", "must be a valid integer")),
    ("a truth value", {"scoring": {"min_replicas": True}}, "scoring.min_replicas", ("true", "must be a valid integer")),
    (
        "no room to scale",
        {"scoring": {"min_replicas": 7}},
        "scoring",
        ("min_replicas, 7, must not be above max_replicas, 6",),
    ),
    ("a load that is never reached", {"scoring": {"target_cpu_percent": 100}}, "scoring.target_cpu_percent", ("100",)),
    ("a pool that is not there", {"scoring": {"node_pool": "batch"}}, "", ("scoring.node_pool: no pool batch", "none")),
    ("nothing", {"scoring": None}, "scoring", ("null", "must be an object")),
    (
        "a request above its limit",
        {"scoring": {"resources": {"memory_request_mib": 600}}},
        "scoring.resources",
        ("memory request, 600", "memory limit, 512"),
    ),
    (
        "a unit where a number is due",
        {"training": {"resources": {"memory_limit_mib": "2Gi"}}},
        "training.resources.memory_limit_mib",
        ('"2Gi"', "must be a valid integer", "MiB"),
    ),
    (
        "a scheme",
        {"local": {"registry": "https://r.example"}},
        "local.registry",
        ("https://r.example", "without a scheme"),
    ),
    (
        "a wrong choice",
        {"local": {"exposure": "ingress"}},
        "local.exposure",
        ('"ingress"', "'node_port' or 'cluster_ip'"),
    ),
    ("no context", {"local": {"kube_context": ""}}, "local.kube_context", ('""', "at least 1 character")),
    (
        "a moving tag",
        {"images": {"prometheus": "quay.io/prometheus/prometheus:latest"}},
        "images.prometheus",
        ("prometheus:latest", "other than `latest`"),
    ),
    (
        "no tag",
        {"local": {"base_image": "docker.io/library/python"}},
        "local.base_image",
        ("docker.io/library/python", "other than `latest`"),
    ),
    ("no time", {"monitoring": {"retention_days": 0}}, "monitoring.retention_days", ("0", "1 to 365")),
    (
        "a typing error",
        {"scorin": {}},
        "scorin",
        ("{}", "unknown key", "did you mean `scoring`?", "known keys: alert_receivers, aws, dask, drift, images,"),
    ),
    ("nothing like it", {"zzz": "1"}, "zzz", ('"1"', "unknown key; known keys:")),
    (
        "a typing error inside",
        {"monitoring": {"retention_day": 3}},
        "monitoring.retention_day",
        ("3", "did you mean `retention_days`?", "disk_size_gib"),
    ),
    (
        "a typing error deep inside",
        {"images": {"promteus": "x"}},
        "images.promteus",
        ('"x"', "did you mean `prometheus`?"),
    ),
    (
        "a typing error in a list",
        {"models": [{"name": "a", "nmae": "b"}]},
        "models[0].nmae",
        ('"b"', "did you mean `name`?"),
    ),
]


@pytest.mark.parametrize(("changes", "path", "words"), [case[1:] for case in BAD], ids=[case[0] for case in BAD])
def test_what_is_wrong_is_named_with_its_path_its_value_and_what_is_allowed(
    changes: dict[str, Any], path: str, words: tuple[str, ...]
) -> None:
    """What is wrong is named with its path its value and what is allowed."""
    problems = refused(configuration(**changes))
    assert list(problems) == [f"realtime-ml:{path}"]
    for word in words:
        assert word in problems[f"realtime-ml:{path}"]


@pytest.mark.parametrize("key", ["platform", "models", "object_store_secret_key"])
def test_what_has_no_default_must_be_given(key: str) -> None:
    """A key without a default that is not there is named, with what it is for."""
    config = configuration()
    del config[f"realtime-ml:{key}"]
    (problem,) = refused(config).values()
    assert problem.startswith(f"realtime-ml:{key}: not set: required (")


def test_everything_that_is_wrong_is_said_at_once() -> None:
    """One run shows all there is to mend, not one problem a run."""
    problems = refused(
        configuration(platform="x", scoring={"min_replicas": 0}, scorin={}, models=[{"name": "A"}, {"nam": "b"}])
        | {SECRET_KEY: "short"}
    )
    assert sorted(problems) == [
        "realtime-ml:models[0].name",
        "realtime-ml:models[1].nam",
        "realtime-ml:models[1].name",
        "realtime-ml:object_store_secret_key",
        "realtime-ml:platform",
        "realtime-ml:scorin",
        "realtime-ml:scoring.min_replicas",
    ]


def test_a_problem_is_one_line_however_long_its_value() -> None:
    """Long values are cut, and line breaks are written as such."""
    (problem,) = refused(configuration(platform="x\n" * 1000)).values()
    assert "\n" not in problem
    assert len(problem) < 250


@pytest.mark.parametrize("value", ["short", "x" * 129, "with a space in it", "ümlaut-ümlaut-ümlaut", ""])
def test_a_secret_that_is_refused_is_not_shown(value: str) -> None:
    """The reason names what is allowed, never the value."""
    (problem,) = refused(configuration() | {SECRET_KEY: value}).values()
    assert problem.startswith("realtime-ml:object_store_secret_key: [secret]: must be 16 to 128 characters")


def test_a_secret_in_plain_text_is_refused_with_the_command_that_encrypts_it_and_is_not_shown() -> None:
    """It would lie in version control and in Pulumi's state for all to read."""
    with pytest.raises(ConfigError) as caught:
        parse(configuration(), [])
    assert "pulumi config set --secret realtime-ml:object_store_secret_key" in str(caught.value)
    assert SECRET not in str(caught.value)


def test_a_secret_under_a_mistyped_key_is_not_shown() -> None:
    """The key that it looks like decides, since the one that it has says nothing."""
    problems = refused(configuration(object_store_secret_kye=SECRET))
    assert SECRET not in "".join(problems.values())
    assert "did you mean `object_store_secret_key`?" in problems["realtime-ml:object_store_secret_kye"]


def test_whatever_is_stored_encrypted_is_not_shown() -> None:
    """Somebody took the trouble to encrypt it, whatever its type says."""
    with pytest.raises(ConfigError) as caught:
        parse(
            configuration(zzz=SECRET, scoring={"min_replicas": SECRET}),
            ["realtime-ml:zzz", "realtime-ml:scoring", SECRET_KEY],
        )
    assert SECRET not in str(caught.value)


def test_a_configuration_does_not_print_its_secrets() -> None:
    """A configuration does not print its secrets."""
    config = parse(configuration(), [SECRET_KEY])
    assert SECRET not in f"{config} {config!r} {config.model_dump()} {config.model_dump_json()}"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(KEYS) | st.text(), json_values.map(json.dumps) | st.text(), max_size=4))
def test_no_input_whatever_is_answered_with_anything_but_a_configuration_or_its_problems(
    values: dict[str, str],
) -> None:
    """Any other exception fails this test."""
    with contextlib.suppress(ConfigError):
        parse({f"realtime-ml:{key}": text for key, text in values.items()}, [SECRET_KEY])


@given(st.sampled_from(KEYS), json_values)
def test_no_value_turns_into_another(key: str, value: object) -> None:
    """Whatever is taken is, turned back, what was given: nothing is cut, rounded or guessed."""
    try:
        config = parse(configuration(**{key: value}), [SECRET_KEY])
    except ConfigError:
        return
    if key != "object_store_secret_key":
        kept = json.loads(config.model_dump_json(exclude_unset=True))[key]
        assert kept == value


def test_every_third_party_image_can_be_had_elsewhere() -> None:
    """The configuration has a key for each image of the table."""
    assert set(ThirdPartyImages.model_fields) == set(ThirdPartyImage)


@pytest.mark.parametrize("key", KEYS)
def test_every_top_level_key_says_what_it_means(key: str) -> None:
    """Errors quote it."""
    field = StackConfig.model_fields[key]
    assert field.description or (field.annotation is not None and field.annotation.__doc__)
