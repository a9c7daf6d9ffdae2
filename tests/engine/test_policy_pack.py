"""The policy pack, as `pulumi preview --policy-pack infra/policy` runs it beside a program."""

import subprocess

import pytest

from tests.engine.harness import Stack
from toolchain.paths import REPOSITORY

PACK = REPOSITORY / "infra" / "policy"

PROGRAM = """
import pulumi
from pulumi_aws import Provider, ecr

config = pulumi.Config()
tags = {"Project": "trial", "Environment": "test", "ManagedBy": "pulumi"}
provider = Provider("aws", region="eu-central-1", default_tags={"tags": tags})
ecr.Repository(
    "scoring",
    name="trial/scoring",
    image_tag_mutability="IMMUTABLE",
    image_scanning_configuration={"scan_on_push": config.get_bool("scan")},
    encryption_configurations=[{"encryption_type": "AES256"}],
    opts=pulumi.ResourceOptions(provider=provider),
)
"""


@pytest.fixture(scope="module", autouse=True)
def environment_of_the_pack() -> None:
    """The pack's SDK and the program's want different packages: it has an environment of its own."""
    subprocess.run(["make", "policy"], cwd=REPOSITORY, check=True, capture_output=True)


def test_a_violation_stops_a_preview_and_what_violates_nothing_passes(stack: Stack) -> None:
    """The rule, the property and the way out are told; the same program, mended, has a plan."""
    stack.write(PROGRAM)
    stack.configure(scan=False)
    stopped = stack.command("preview", f"--policy-pack={PACK}")
    assert stopped.code != 0
    (violation,) = [event["policyEvent"] for event in stopped.events if "policyEvent" in event]
    assert (violation["policyName"], violation["enforcementLevel"]) == ("images-are-scanned", "mandatory")
    assert violation["resourceUrn"].endswith("::scoring")
    assert "imageScanningConfiguration.scanOnPush" in violation["message"]
    assert "set it to true" in violation["message"]

    stack.configure(scan=True)
    passed = stack.succeed("preview", f"--policy-pack={PACK}")
    assert not [event for event in passed.events if "policyEvent" in event]
    assert ("create", "scoring") in passed.operations


def test_an_update_is_judged_with_what_is_known_by_then(stack: Stack) -> None:
    """And the pack's process is gone with the CLI that it served."""
    stack.write(PROGRAM)
    stack.configure(scan=False)
    outcome = stack.command("up", f"--policy-pack={PACK}")
    assert outcome.code != 0
    assert "scoring" not in stack.resources()
    running = subprocess.run(["ps", "-eo", "args"], check=True, capture_output=True, text=True).stdout
    assert str(PACK) not in running


def test_a_pack_whose_environment_is_missing_names_the_setting(stack: Stack) -> None:
    """The folder that PulumiPolicy.yaml names, and not the program's."""
    pack = stack.folder / "pack"
    pack.mkdir(parents=True)
    (pack / "PulumiPolicy.yaml").write_text("runtime: {name: python, options: {virtualenv: nowhere}}\n")
    (pack / "__main__.py").write_text("")
    stack.write(PROGRAM)
    refused = stack.command("preview", f"--policy-pack={pack}")
    assert refused.code != 0
    assert "runtime.options.virtualenv" in refused.errors
    assert "nowhere" in refused.errors
