"""The throw-away environment can be made beside the others, and leaves nothing."""

import json
from ipaddress import IPv4Network

import pytest
import yaml

from infra.config.reading import parse
from tests.infra.harness import ENVIRONMENTS
from toolchain import pulumi_cli
from toolchain.ci.registries import own, source
from toolchain.ci.trial import trial, write_trial
from toolchain.errors import ToolchainError


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_a_trial_is_a_configuration_that_can_be_destroyed(name: str) -> None:
    """Of prod, too: nothing is protected or retained, and no network or name is another's."""
    document = trial(pulumi_cli.read_config(name), "pricing")
    config = parse(
        {key: value if isinstance(value, str) else json.dumps(value) for key, value in document["config"].items()}
    )
    assert config.aws is not None
    assert config.aws.name == "pricing-trial"
    assert not config.aws.protect
    assert not config.aws.cluster.deletion_protection
    assert not config.aws.object_store.retain_on_destroy
    assert config.aws.images_from is None, "a trial builds its own images"
    for other in ENVIRONMENTS:
        network = pulumi_cli.read_config(other)["config"]["realtime-ml:aws"]["network"]["cidr"]
        assert not IPv4Network(config.aws.network.cidr).overlaps(IPv4Network(network))
    assert yaml.safe_load(yaml.safe_dump(document)) == document


def test_the_local_stack_is_no_environment_to_try() -> None:
    """It says what would be."""
    with pytest.raises(ToolchainError, match="choose one on AWS"):
        write_trial("local")


def test_images_come_from_the_environment_before_and_go_to_the_environments_own() -> None:
    """A job logs in to both, with a role for each."""
    dev, staging = (pulumi_cli.read_config(name) for name in ("dev", "staging"))
    assert source(dev) is None
    assert source(staging) == own(dev)
    assert own(staging) != own(dev)
