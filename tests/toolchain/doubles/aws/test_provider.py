"""The provider's answers, one by one; the engine's tests show them together."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest
import yaml

from toolchain.doubles.aws.account import VARIABLE, Account
from toolchain.doubles.aws.provider import AwsProvider
from toolchain.doubles.aws.references import BUCKET, CLUSTER, POD_IDENTITY, ROLE, SUBNET, VPC
from toolchain.doubles.errors import RefusedError
from toolchain.doubles.properties import UNKNOWN
from toolchain.doubles.provider import Naming, Operation, Resource

if TYPE_CHECKING:
    from toolchain.doubles.engine import EngineLog

SETTINGS = {"region": "eu-central-1", "defaultTags": '{"tags": {"project": "trial"}}'}
TRUST = {"Version": "2012-10-17", "Statement": []}


@pytest.fixture
def account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Account:
    """An account that nothing was made in."""
    path = tmp_path / "account.json"
    monkeypatch.setenv(VARIABLE, str(path))
    return Account(path)


@pytest.fixture
def provider(account: Account) -> AwsProvider:  # noqa: ARG001 - it is found by the environment
    """The provider in that account."""
    found = AwsProvider(cast("EngineLog", None))
    found.configure(SETTINGS)
    return found


def _resource(token: str, name: str = "one") -> Resource:
    return Resource(urn=f"urn:pulumi:test::trial::{token}::{name}", token=token, name=name)


@pytest.fixture
def make(provider: AwsProvider) -> Callable[..., tuple[str, dict[str, Any]]]:
    """Checks and creates a resource, as the engine does."""

    def made(token: str, name: str = "one", **inputs: object) -> tuple[str, dict[str, Any]]:
        resource = _resource(token, name)
        checked = provider.check(resource, {}, inputs, Naming(seed=name.encode()))
        return provider.create(resource, checked, Operation())

    return made


def test_documents_may_be_objects(provider: AwsProvider) -> None:
    """The SDK takes both; AWS gets text."""
    checked = provider.check(_resource(ROLE), {}, {"name": "r", "assumeRolePolicy": TRUST}, Naming())
    assert json.loads(checked["assumeRolePolicy"]) == TRUST
    unknown = provider.check(_resource(ROLE), {}, {"name": "r", "assumeRolePolicy": {"Version": UNKNOWN}}, Naming())
    assert unknown["assumeRolePolicy"] is UNKNOWN


def test_default_tags_go_on_what_has_tags(provider: AwsProvider) -> None:
    """The resource's own come first; those not known yet leave all of them unknown."""
    own = {"bucket": "one-bucket", "tags": {"project": "mine", "a": "b"}}
    assert provider.check(_resource(BUCKET), {}, own, Naming())["tagsAll"] == {"project": "mine", "a": "b"}
    later = {"bucket": "one-bucket", "tags": UNKNOWN}
    assert provider.check(_resource(BUCKET), {}, later, Naming())["tagsAll"] is UNKNOWN


@pytest.mark.parametrize(
    ("token", "old", "new", "replaces", "first"),
    [
        (VPC, {"cidrBlock": "10.0.0.0/16"}, {"cidrBlock": "10.1.0.0/16"}, ["cidrBlock"], False),
        (VPC, {"enableDnsSupport": True}, {"enableDnsSupport": False}, [], False),
        (VPC, {"tags": {"a": "b"}}, {"tags": {"a": "c"}}, [], False),
        (VPC, {}, {"region": "eu-west-1"}, ["region"], False),
        (BUCKET, {"bucket": "a"}, {"bucket": "b"}, ["bucket"], False),
        (BUCKET, {"bucket": "a"}, {"bucket": "a", "objectLockEnabled": True}, ["objectLockEnabled"], True),
        (
            BUCKET,
            {"bucket": "a-1", "__defaults": ["bucket"]},
            {"bucket": "a-1", "__defaults": ["bucket"], "objectLockEnabled": True},
            ["objectLockEnabled"],
            False,
        ),
        (
            POD_IDENTITY,
            {"clusterName": "c", "namespace": "n", "serviceAccount": "s"},
            {"clusterName": "c", "namespace": "n", "serviceAccount": "t"},
            ["serviceAccount"],
            False,
        ),
        (
            CLUSTER,
            {"name": "c", "vpcConfig": {"endpointPublicAccess": True}},
            {"name": "c", "vpcConfig": {"endpointPublicAccess": False}},
            [],
            True,
        ),
        (
            CLUSTER,
            {"name": "c", "accessConfig": {"bootstrapClusterCreatorAdminPermissions": True}},
            {"name": "c", "accessConfig": {"bootstrapClusterCreatorAdminPermissions": False}},
            ["accessConfig"],
            True,
        ),
    ],
)
def test_what_cannot_change_takes_a_new_one(
    provider: AwsProvider, token: str, old: dict[str, Any], new: dict[str, Any], replaces: list[str], *, first: bool
) -> None:
    """And the old one goes first where both would have the same name."""
    difference = provider.diff(_resource(token), old, old, new)
    assert [change.path[0] for change in difference.changes if change.replaces] == replaces
    assert difference.changes
    assert difference.deletes_first is first


def test_a_preview_leaves_open_what_only_aws_knows(provider: AwsProvider, account: Account) -> None:
    """And makes nothing."""
    inputs = {"name": "one", "roleArn": UNKNOWN, "vpcConfig": {"subnetIds": UNKNOWN}}
    identifier, outputs = provider.create(_resource(CLUSTER), inputs, Operation(preview=True))
    assert identifier == ""
    assert outputs["name"] == "one"
    assert outputs["arn"] is UNKNOWN
    assert outputs["endpoint"] is UNKNOWN
    assert not account.path.exists()


def test_what_is_there_already_is_not_made_again(make: Callable[..., tuple[str, dict[str, Any]]]) -> None:
    """By its name, or by what must be one of a kind."""
    make(BUCKET, bucket="one-bucket")
    with pytest.raises(RefusedError, match=r"BucketAlreadyOwnedByYou.*import it"):
        make(BUCKET, "two", bucket="one-bucket")
    vpc, _ = make(VPC, cidrBlock="10.0.0.0/16")
    make(SUBNET, vpcId=vpc, cidrBlock="10.0.0.0/24")
    with pytest.raises(RefusedError, match=r"InvalidSubnet.Conflict"):
        make(SUBNET, "two", vpcId=vpc, cidrBlock="10.0.0.0/24")


def test_what_is_named_must_be_there(make: Callable[..., tuple[str, dict[str, Any]]]) -> None:
    """The error names the property, its value and what was looked for."""
    with pytest.raises(RefusedError, match=r"InvalidVpcID.NotFound: vpcId is 'vpc-1'.*aws:ec2/vpc:Vpc"):
        make(SUBNET, vpcId="vpc-1", cidrBlock="10.0.0.0/24")


def test_what_is_made_can_be_imported(provider: AwsProvider, make: Callable[..., tuple[str, dict[str, Any]]]) -> None:
    """A read without inputs gives those that it was made from; what is gone has no id."""
    make(BUCKET, bucket="one-bucket")
    live = provider.read(_resource(BUCKET), "one-bucket", {}, {})
    assert live.inputs["bucket"] == "one-bucket"
    assert live.outputs["arn"] == "arn:aws:s3:::one-bucket"
    provider.delete(_resource(BUCKET), "one-bucket", {}, Operation())
    assert provider.read(_resource(BUCKET), "one-bucket", {}, {}).identifier == ""
    provider.delete(_resource(BUCKET), "one-bucket", {}, Operation())


def test_a_cluster_can_have_a_real_api_server(
    make: Callable[..., tuple[str, dict[str, Any]]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one of the current context."""
    kubeconfig = tmp_path / "kubeconfig"
    cluster = {"server": "https://127.0.0.1:6443", "certificate-authority-data": "Y2E="}
    content = {
        "current-context": "here",
        "contexts": [{"name": "here", "context": {"cluster": "b"}}],
        "clusters": [{"name": "a", "cluster": {"server": "https://elsewhere"}}, {"name": "b", "cluster": cluster}],
    }
    kubeconfig.write_text(yaml.safe_dump(content))
    monkeypatch.setenv("AWS_DOUBLE_EKS", str(kubeconfig))
    vpc, _ = make(VPC, cidrBlock="10.0.0.0/16")
    subnet, _ = make(SUBNET, vpcId=vpc, cidrBlock="10.0.0.0/24")
    _, role = make(ROLE, name="r", assumeRolePolicy=TRUST)
    _, outputs = make(CLUSTER, name="c", roleArn=role["arn"], vpcConfig={"subnetIds": [subnet]})
    assert (outputs["endpoint"], outputs["certificateAuthority"]) == ("https://127.0.0.1:6443", {"data": "Y2E="})


@pytest.mark.parametrize(
    ("function", "key", "value"),
    [
        ("aws:index/getCallerIdentity:getCallerIdentity", "accountId", "123456789012"),
        ("aws:index/getRegion:getRegion", "region", "eu-central-1"),
        ("aws:index/getPartition:getPartition", "partition", "aws"),
        ("aws:ecr/getAuthorizationToken:getAuthorizationToken", "userName", "AWS"),
    ],
)
def test_functions_answer(provider: AwsProvider, function: str, key: str, value: str) -> None:
    """Those that need no more than the account's number and region."""
    assert provider.invoke(function, {})[key] == value


def test_other_functions_are_refused_by_name(provider: AwsProvider) -> None:
    """With those that there are, and the file to extend."""
    with pytest.raises(RefusedError, match=r"getAmi.*getCallerIdentity.*functions\.py"):
        provider.invoke("aws:ec2/getAmi:getAmi", {})
