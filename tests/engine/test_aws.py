"""The AWS provider keeps a simulated account, as the real CLI drives it."""

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.engine.harness import Outcome, Stack
from toolchain.doubles.aws import planting
from toolchain.doubles.aws.account import ID_VARIABLE, VARIABLE, Account
from toolchain.doubles.aws.failures import VARIABLE as FAILURE
from toolchain.doubles.aws.references import BUCKET, CLUSTER, GROUP, REPOSITORY, SUBNET, VPC
from toolchain.paths import REPOSITORY as CHECKOUT

NUMBER = "111122223333"

PROGRAM = """
import json
import pulumi
from pulumi_aws import Provider, ec2, ecr, eks, get_caller_identity_output, iam, s3

config = pulumi.Config()
provider = Provider(
    "aws",
    region="eu-central-1",
    allowed_account_ids=["111122223333"],
    default_tags={"tags": {"project": "trial", "owner": config.get("owner") or "team-a"}},
)
opts = pulumi.ResourceOptions(provider=provider)

vpc = ec2.Vpc("net", cidr_block=config.get("cidr") or "10.0.0.0/16", tags={"Name": "net"}, opts=opts)
gateway = ec2.InternetGateway("gateway", vpc_id=vpc.id, opts=opts)
subnets = [
    ec2.Subnet(
        f"private-{zone}",
        vpc_id=vpc.id,
        cidr_block=f"{(config.get('cidr') or '10.0.0.0/16')[:5]}{index}.0/24",
        availability_zone=f"eu-central-1{zone}",
        opts=opts,
    )
    for index, zone in enumerate("ab")
]
group = ec2.SecurityGroup("group", vpc_id=vpc.id, description="for the cluster", opts=opts)
allow = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "eks.amazonaws.com"}}
trust = {"Version": "2012-10-17", "Statement": [allow]}
role = iam.Role("role", assume_role_policy=json.dumps(trust), opts=opts)
policy = iam.RolePolicyAttachment(
    "policy", role=role.name, policy_arn="arn:aws:iam::aws:policy/AmazonEKSClusterPolicy", opts=opts
)
cluster = eks.Cluster(
    "cluster",
    name="trial",
    role_arn=role.arn,
    version=config.get("version") or "1.34",
    vpc_config={"subnet_ids": [subnet.id for subnet in subnets], "security_group_ids": [group.id]},
    access_config={"authentication_mode": config.get("mode") or "API"},
    deletion_protection=config.get_bool("protected") or False,
    opts=pulumi.ResourceOptions(provider=provider, depends_on=[policy]),
)
repository = ecr.Repository(
    "scoring", name="trial/scoring", image_tag_mutability=config.get("mutability") or "IMMUTABLE", opts=opts
)
bucket = s3.Bucket("models", bucket="trial-models", opts=opts)
versioning = s3.BucketVersioning(
    "models", bucket=bucket.id, versioning_configuration={"status": "Enabled"}, opts=opts
)
caller = get_caller_identity_output(opts=pulumi.InvokeOptions(provider=provider))
pulumi.export("account", caller.account_id)
pulumi.export("cluster_arn", cluster.arn)
pulumi.export("endpoint", cluster.endpoint)
pulumi.export("authority", cluster.certificate_authority.data)
pulumi.export("repository_url", repository.repository_url)
pulumi.export("vpc", vpc.id)
"""

MADE = {
    "cluster", "gateway", "group", "models", "net", "policy", "private-a", "private-b", "role", "scoring",
}  # fmt: skip


@dataclass
class Rehearsal:
    """A stack and the account that it is in."""

    stack: Stack
    account: Account

    def set(self, **variables: str) -> None:
        """Sets variables of the provider's environment; an empty one takes it away."""
        kept = {name: value for name, value in self.stack.environment.items() if name not in variables}
        self.stack.environment = {**kept, **{name: value for name, value in variables.items() if value}}

    def ids(self, token: str) -> list[str]:
        """What the account holds of a type."""
        return [record.identifier for record in self.account.look().of(token)]


@pytest.fixture
def rehearsal(stack: Stack, tmp_path: Path) -> Rehearsal:
    """The program above, in an account that nothing was made in."""
    path = tmp_path / "account.json"
    stack.environment = {**stack.environment, VARIABLE: str(path)}
    stack.write(PROGRAM)
    return Rehearsal(stack, Account(path))


def _names(outcome: Outcome, operation: str) -> set[str]:
    return {name for op, name in outcome.operations if op == operation and name != "aws"}


def test_a_stack_lives_and_leaves_nothing(rehearsal: Rehearsal) -> None:
    """Preview, up, an up and a refresh that change nothing, changes, replacement, destroy."""
    stack = rehearsal.stack
    preview = stack.succeed("preview")
    assert _names(preview, "create") == MADE
    assert any("stand-in for pulumi-resource-aws" in message for message in preview.messages("info"))
    assert not rehearsal.account.path.exists(), "a preview makes nothing"

    stack.succeed("up")
    outputs = stack.outputs
    assert outputs["account"] == NUMBER
    assert outputs["cluster_arn"] == f"arn:aws:eks:eu-central-1:{NUMBER}:cluster/trial"
    assert outputs["endpoint"].endswith(".gr7.eu-central-1.eks.amazonaws.com")
    assert outputs["repository_url"] == f"{NUMBER}.dkr.ecr.eu-central-1.amazonaws.com/trial/scoring"
    assert rehearsal.ids(VPC) == [outputs["vpc"]]
    recorded = stack.resources()
    assert recorded["net"]["outputs"]["tagsAll"] == {"Name": "net", "owner": "team-a", "project": "trial"}
    assert recorded["policy"]["id"].endswith("/arn:aws:iam::aws:policy/AmazonEKSClusterPolicy")

    assert stack.succeed("up").operations == []
    assert stack.succeed("refresh").operations == []
    stack.succeed("preview", "--expect-no-changes")

    stack.configure(owner="team-b", version="1.35")
    changed = stack.succeed("up")
    assert _names(changed, "replace") == set()
    assert "cluster" in _names(changed, "update")
    assert rehearsal.account.look().of(CLUSTER)[0].outputs["tagsAll"]["owner"] == "team-b"

    before = (rehearsal.ids(SUBNET), rehearsal.ids(GROUP))
    stack.configure(cidr="10.1.0.0/16")
    replaced = stack.succeed("up")
    assert _names(replaced, "replace") >= {"net", "private-a", "private-b", "group"}
    assert stack.outputs["vpc"] != outputs["vpc"], "made again, it has another id"
    assert not set(before[0]) & set(rehearsal.ids(SUBNET))
    assert not set(before[1]) & set(rehearsal.ids(GROUP))

    stack.succeed("destroy")
    assert rehearsal.account.look().records == []


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"mutability": "IMMUTABEL"}, ("scoring", "imageTagMutability", "'IMMUTABEL'", "MUTABLE, IMMUTABLE")),
        ({"mode": "IAM"}, ("cluster", "accessConfig.authenticationMode", "'IAM'", "API_AND_CONFIG_MAP")),
        ({"cidr": "10.0.0.1/16"}, ("net", "cidrBlock", "'10.0.0.1/16'", "10.0.0.0/16 fits")),
    ],
)
def test_a_wrong_value_is_refused_in_the_preview(
    rehearsal: Rehearsal, settings: dict[str, str], words: tuple[str, ...]
) -> None:
    """With the resource, the property, the value and what is allowed."""
    rehearsal.stack.configure(**settings)
    outcome = rehearsal.stack.command("preview")
    assert outcome.code != 0
    for word in words:
        assert word in outcome.errors


@pytest.mark.parametrize(("moment", "made"), [("before", 0), ("after", 1)])
def test_an_up_that_breaks_off_is_finished_by_the_next(rehearsal: Rehearsal, moment: str, made: int) -> None:
    """Nothing is made twice, whether or not the one that failed was there already."""
    stack = rehearsal.stack
    rehearsal.set(**{FAILURE: f"aws:eks/*:{moment}"})
    failed = stack.command("up")
    assert failed.code != 0
    assert "ServiceUnavailable" in failed.errors
    assert len(rehearsal.ids(CLUSTER)) == made
    network = rehearsal.ids(VPC)

    rehearsal.set(**{FAILURE: ""})
    finished = stack.succeed("up")
    assert ("update" if made else "create", "cluster") in finished.operations
    assert (rehearsal.ids(VPC), rehearsal.ids(CLUSTER)) == (network, ["trial"])
    assert stack.succeed("up").operations == []
    stack.succeed("destroy")
    assert rehearsal.account.look().records == []


def test_a_destroy_stops_at_what_is_still_needed(rehearsal: Rehearsal) -> None:
    """And says by what, in AWS's words; once that is gone, the next one finishes it."""
    stack = rehearsal.stack
    stack.configure(protected=True)
    stack.succeed("up")
    subnet = rehearsal.ids(SUBNET)[0]
    with rehearsal.account.change() as holdings:
        planting.plant(holdings, "interface", subnet, "load-balancer")
        planting.plant(holdings, "object", "trial-models", "champion.json")
        planting.plant(holdings, "image", "trial/scoring", "sha256:1")

    refused = stack.command("destroy")
    assert refused.code != 0
    assert "deletion protection" in refused.errors
    assert rehearsal.ids(CLUSTER) == ["trial"]

    stack.configure(protected=None)
    stack.succeed("up")
    refused = stack.command("destroy", "--continue-on-error")
    assert refused.code != 0
    for words in ("DependencyViolation", f"{subnet}/load-balancer", "BucketNotEmpty", "RepositoryNotEmptyException"):
        assert words in refused.errors
    assert (rehearsal.ids(CLUSTER), rehearsal.ids(SUBNET), rehearsal.ids(BUCKET)) == ([], [subnet], ["trial-models"])
    assert rehearsal.ids(REPOSITORY) == ["trial/scoring"]

    listing = subprocess.run(
        [sys.executable, "-m", "toolchain.doubles.aws"],
        cwd=CHECKOUT,
        env={**os.environ, VARIABLE: str(rehearsal.account.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert f"{subnet}/load-balancer" in listing.stdout

    with rehearsal.account.change() as holdings:
        holdings.remove([record for record in holdings.records if record.token.startswith("planted:")])
    stack.succeed("destroy")
    assert rehearsal.account.look().records == []


def test_what_is_gone_comes_back(rehearsal: Rehearsal) -> None:
    """A refresh sees it, and the next up makes it again."""
    stack = rehearsal.stack
    stack.succeed("up")
    with rehearsal.account.change() as holdings:
        holdings.remove(holdings.of(REPOSITORY))
    assert stack.succeed("up", "--refresh").operations[-1] == ("create", "scoring")
    assert rehearsal.ids(REPOSITORY) == ["trial/scoring"]


def test_a_taken_name_is_refused(rehearsal: Rehearsal) -> None:
    """As by AWS; what was there stays as it was."""
    rehearsal.stack.succeed("up")
    rehearsal.stack.lose_state()
    failed = rehearsal.stack.command("up")
    assert failed.code != 0
    assert re.search(r"ResourceInUse|RepositoryAlreadyExists|BucketAlreadyOwnedByYou", failed.errors)
    assert rehearsal.ids(BUCKET) == ["trial-models"]


def test_another_account_is_refused(rehearsal: Rehearsal) -> None:
    """Before anything is made in it."""
    rehearsal.set(**{ID_VARIABLE: "444455556666"})
    failed = rehearsal.stack.command("up")
    assert failed.code != 0
    assert "AWS account ID not allowed: 444455556666" in failed.errors
    assert rehearsal.account.look().records == []


def test_without_an_account_nothing_is_made(rehearsal: Rehearsal) -> None:
    """A preview shows the plan; an up says that it is a stand-in's."""
    rehearsal.set(**{VARIABLE: ""})
    assert _names(rehearsal.stack.succeed("preview"), "create") == MADE
    failed = rehearsal.stack.command("up")
    assert failed.code != 0
    assert f"name a file in {VARIABLE}" in failed.errors


def test_an_unknown_type_says_where_it_belongs(rehearsal: Rehearsal) -> None:
    """The file that the row is to go into."""
    rehearsal.stack.write("import pulumi_aws as aws\naws.sqs.Queue('work', region='eu-central-1')\n")
    rehearsal.set(AWS_REGION="eu-central-1")
    failed = rehearsal.stack.command("preview")
    assert failed.code != 0
    assert "toolchain/doubles/aws/types/sqs.py" in failed.errors
