"""What configuration of AWS is taken, what is refused, and in which words."""

import json
from typing import Any

import pytest

from infra.aws.instance_families import GENERAL_PURPOSE, INSTANCE_FAMILIES
from infra.aws.storage import bucket_name
from infra.config.aws import BUCKET_NAME_LIMIT, NAME_LIMIT, AwsConfig
from infra.config.reading import ConfigError, parse
from infra.platform import Bucket
from tests.infra.harness import SECRET, SECRET_KEY, configuration, environment_configuration

GPU_ON = {"node_pools": {"gpu": {"enabled": True}}}
BAD: list[tuple[str, dict[str, Any], str, tuple[str, ...]]] = [
    ("too small a network", {"network": {"cidr": "10.0.0.0/24"}}, "network.cidr", ("10.0.0.0/24", "/16 to /20")),
    ("too large a network", {"network": {"cidr": "10.0.0.0/8"}}, "network.cidr", ("/16 to /20", "not a /8")),
    ("host bits", {"network": {"cidr": "10.0.0.1/16"}}, "network.cidr", ("10.0.0.1/16", "host bits")),
    ("no network", {"network": {"cidr": "ten"}}, "network.cidr", ('"ten"', "such as 10.0.0.0/16")),
    ("a public network", {"network": {"cidr": "8.8.0.0/16"}}, "network.cidr", ("8.8.0.0/16", "10.0.0.0/8")),
    (
        "overlapping networks",
        {"network": {"cidr": "172.20.0.0/16"}},
        "",
        ("network.cidr 172.20.0.0/16", "cluster.service_cidr 172.20.0.0/16", "overlap", "such as 10.0.0.0/16"),
    ),
    ("one zone", {"network": {"zones": ["eu-central-1a"]}}, "network", ("zones: 1 given", "2 to 3")),
    ("four zones", {"network": {"zones": [f"eu-central-1{z}" for z in "abcd"]}}, "network", ("zones: 4 given",)),
    (
        "a zone twice",
        {"network": {"zones": ["eu-central-1a", "eu-central-1a"]}},
        "network",
        ("more than once: eu-central-1a",),
    ),
    (
        "a zone elsewhere",
        {"network": {"zones": ["eu-central-1a", "eu-west-1b"]}},
        "",
        ("network.zones: eu-west-1b", "eu-central-1a and so on"),
    ),
    ("no region", {"region": "frankfurt"}, "region", ('"frankfurt"', "such as eu-central-1")),
    ("another partition", {"region": "us-gov-west-1"}, "region", ("us-gov-west-1", "partition `aws`")),
    ("an account with dashes", {"account_id": "1111-2222-3333"}, "account_id", ("1111-2222-3333", "twelve digits")),
    ("a name too long", {"name": "n" * (NAME_LIMIT + 1)}, "name", (f"{NAME_LIMIT} characters at most",)),
    (
        "an unknown family",
        {"node_pools": {"cpu": {"instance_families": ["m7gg"]}}},
        "node_pools.cpu.instance_families",
        ("unknown instance family m7gg", "did you mean m7g", "known: c6a"),
    ),
    (
        "a family of another architecture",
        {"node_pools": {"cpu": {"instance_families": ["m7i"]}}},
        "node_pools.cpu",
        ("m7i is no arm64 family", "m7g"),
    ),
    (
        "a GPU family for CPUs",
        {"node_pools": {"cpu": {"instance_families": ["g5g"]}}},
        "node_pools.cpu",
        ("g5g is no arm64 family without GPUs",),
    ),
    (
        "a GPU pool without GPUs",
        {"node_pools": {"gpu": {"enabled": True, "gpu_limit": 1, "instance_families": ["m7i"]}}},
        "node_pools.gpu",
        ("m7i has no GPU", "g5"),
    ),
    ("a GPU pool without a limit", GPU_ON, "node_pools.gpu", ("gpu_limit: not set", "1 to 1000")),
    ("too much Spot", {"node_pools": {"cpu": {"spot_share": 1.5}}}, "node_pools.cpu.spot_share", ("1.5", "0 to 1")),
    ("too old", {"node_pools": {"expire_after_days": 22}}, "node_pools.expire_after_days", ("22", "1 to 21")),
    (
        "a pool's name that is taken",
        {"node_pools": {"extra": [{"name": "gpu"}]}},
        "node_pools.extra[0].name",
        ('"gpu"', "none of cpu, gpu"),
    ),
    (
        "a pool twice",
        {"node_pools": {"extra": [{"name": "a"}, {"name": "a"}]}},
        "node_pools.extra",
        ("more than once: a",),
    ),
    (
        "the API for everybody",
        {"cluster": {"public_access_cidrs": ["0.0.0.0/0"]}},
        "cluster.public_access_cidrs[0]",
        ("0.0.0.0/0", "not be the whole internet"),
    ),
    ("no administrator", {"cluster": {"admin_principals": []}}, "cluster", ("admin_principals: none given",)),
    (
        "a user for a role",
        {"cluster": {"admin_principals": ["arn:aws:iam::111122223333:user/me"]}},
        "cluster.admin_principals[0]",
        ("user/me", "role"),
    ),
    (
        "a key elsewhere",
        {"cluster": {"kms_key_arn": "arn:aws:kms:eu-west-1:111122223333:key/0"}},
        "",
        ("cluster.kms_key_arn", "lies in eu-west-1", "must lie in eu-central-1"),
    ),
    ("public without TLS", {"exposure": {"public": True}}, "exposure", ("certificate_arn: not set", "domain")),
    ("a budget for nobody", {"cost": {"budget_usd_per_month": 10}}, "cost", ("notify_email", "both or neither")),
]


def refused(config: dict[str, str]) -> dict[str, str]:
    """What is said of each property, by its path."""
    with pytest.raises(ConfigError) as caught:
        parse(config, [SECRET_KEY])
    return {problem.path: str(problem) for problem in caught.value.problems}


def aws_config() -> AwsConfig:
    """The section of the `dev` stack."""
    config = parse(environment_configuration("dev")).aws
    assert config is not None
    return config


@pytest.mark.parametrize(("changes", "path", "words"), [case[1:] for case in BAD], ids=[case[0] for case in BAD])
def test_what_is_wrong_is_named_with_its_value_and_what_fits(
    changes: dict[str, Any], path: str, words: tuple[str, ...]
) -> None:
    """Before the plan, not by AWS in the middle of an `up`."""
    problems = refused(environment_configuration("dev", **changes))
    assert list(problems) == [f"realtime-ml:aws.{path}".removesuffix(".")]
    (problem,) = problems.values()
    for word in words:
        assert word in problem


def test_the_platform_needs_its_own_section() -> None:
    """The platform needs its own section."""
    config = environment_configuration("dev")
    del config["realtime-ml:aws"]
    (problem,) = refused(config).values()
    assert problem.startswith("realtime-ml:aws: not set: required (")
    (problem,) = refused(config | {"realtime-ml:aws": "null"}).values()
    assert problem.startswith("realtime-ml:aws: not set: required (")


def test_a_section_of_the_other_platform_is_refused() -> None:
    """Whoever wrote it thinks that it does something."""
    local = refused(configuration(aws=json.loads(environment_configuration("dev")["realtime-ml:aws"])))
    assert "only for platform aws, not local" in local["realtime-ml:aws"]
    aws = refused(environment_configuration("dev") | {SECRET_KEY: SECRET, "realtime-ml:local": "{}"})
    assert "only for platform local, not aws" in aws["realtime-ml:local"]
    assert aws[SECRET_KEY] == f"{SECRET_KEY}: [secret]: only for platform local, not aws"


def test_the_longest_name_in_the_longest_region_still_names_every_bucket() -> None:
    """S3 takes 63 characters."""
    config = aws_config().model_copy(update={"name": "n" * NAME_LIMIT, "region": "ap-southeast-1"})
    assert max(len(bucket_name(config, bucket)) for bucket in Bucket) == BUCKET_NAME_LIMIT


def test_every_default_family_is_known_and_fits() -> None:
    """Every default family is known and fits."""
    for architecture, names in GENERAL_PURPOSE.items():
        for name in names:
            assert INSTANCE_FAMILIES[name].architecture == architecture
            assert not INSTANCE_FAMILIES[name].gpu


def test_training_on_a_gpu_needs_a_pool_that_has_one() -> None:
    """Otherwise a run would wait for a node that never comes."""
    wanted = {"realtime-ml:training": json.dumps({"device_type": "gpu"})}
    with pytest.raises(ConfigError, match=r"training.device_type is gpu, which needs aws.node_pools.gpu.enabled"):
        parse(environment_configuration("dev") | wanted)
    pools = {"cpu": {"architecture": "amd64"}, "gpu": {"enabled": True, "gpu_limit": 1}}
    assert parse(environment_configuration("dev", node_pools=pools) | wanted).training.device_type == "gpu"
