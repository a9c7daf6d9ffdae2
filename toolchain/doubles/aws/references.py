"""Which resources need which, and what AWS says when one is taken away too early (pure but for the table)."""

import enum
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from toolchain.doubles.aws.account import Holdings, Record

VPC = "aws:ec2/vpc:Vpc"
SUBNET = "aws:ec2/subnet:Subnet"
GATEWAY = "aws:ec2/internetGateway:InternetGateway"
NAT = "aws:ec2/natGateway:NatGateway"
ADDRESS = "aws:ec2/eip:Eip"
TABLE = "aws:ec2/routeTable:RouteTable"
ASSOCIATION = "aws:ec2/routeTableAssociation:RouteTableAssociation"
ROUTE = "aws:ec2/route:Route"
ENDPOINT = "aws:ec2/vpcEndpoint:VpcEndpoint"
FLOW_LOG = "aws:ec2/flowLog:FlowLog"
GROUP = "aws:ec2/securityGroup:SecurityGroup"
DEFAULT_GROUP = "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup"
GROUP_RULE = "aws:ec2/securityGroupRule:SecurityGroupRule"
INGRESS_RULE = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
EGRESS_RULE = "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule"
CLUSTER = "aws:eks/cluster:Cluster"
ACCESS_ENTRY = "aws:eks/accessEntry:AccessEntry"
ACCESS_POLICY = "aws:eks/accessPolicyAssociation:AccessPolicyAssociation"
POD_IDENTITY = "aws:eks/podIdentityAssociation:PodIdentityAssociation"
ADDON = "aws:eks/addon:Addon"
ROLE = "aws:iam/role:Role"
ROLE_POLICY = "aws:iam/rolePolicy:RolePolicy"
ATTACHMENT = "aws:iam/rolePolicyAttachment:RolePolicyAttachment"
POLICY = "aws:iam/policy:Policy"
REPOSITORY = "aws:ecr/repository:Repository"
REPOSITORY_LIFECYCLE = "aws:ecr/lifecyclePolicy:LifecyclePolicy"
REPOSITORY_POLICY = "aws:ecr/repositoryPolicy:RepositoryPolicy"
BUCKET = "aws:s3/bucket:Bucket"
KEY = "aws:kms/key:Key"
ALIAS = "aws:kms/alias:Alias"
LOG_GROUP = "aws:cloudwatch/logGroup:LogGroup"

BUCKET_PARTS = (
    "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration",
    "aws:s3/bucketOwnershipControls:BucketOwnershipControls",
    "aws:s3/bucketPolicy:BucketPolicy",
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock",
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",
    "aws:s3/bucketVersioning:BucketVersioning",
)

OBJECT = "planted:s3:object"
IMAGE = "planted:ecr:image"
INTERFACE = "planted:ec2:interface"


class Effect(enum.Enum):
    """What becomes of a resource when the one it refers to is deleted."""

    BLOCKS = "it keeps the other from being deleted"
    FALLS = "it goes along"
    STAYS = "it stays, and does not mind"


@dataclass(frozen=True, slots=True)
class Reference:
    """That resources of one type name those of another.

    Attributes:
        holder: the type that names.
        path: of the property that does.
        target: the type that is named.
        by: the target's property that is named: `id`, or one of its outputs.
        effect: what deleting the target does.
        error: AWS's error where it blocks.
        says: AWS's words for it.
        unless: the target's property that makes the holder go along after all.
        through: where the path leads to another resource: its type and which of its outputs to go on with.
    """

    holder: str
    path: str
    target: str
    by: str = "id"
    effect: Effect = Effect.STAYS
    error: str = "DependencyViolation"
    says: str = "has dependencies and cannot be deleted"
    unless: str = ""
    through: tuple[str, str] | None = None


def _blocks(holder: str, path: str, target: str, by: str = "id") -> Reference:
    return Reference(holder, path, target, by, Effect.BLOCKS)


def _falls(holder: str, path: str, target: str, by: str = "id") -> Reference:
    return Reference(holder, path, target, by, Effect.FALLS)


_IN_USE = "resource has a dependent object"

REFERENCES: tuple[Reference, ...] = (
    _blocks(SUBNET, "vpcId", VPC),
    _blocks(GATEWAY, "vpcId", VPC),
    _blocks(TABLE, "vpcId", VPC),
    _blocks(ENDPOINT, "vpcId", VPC),
    _blocks(GROUP, "vpcId", VPC),
    _falls(DEFAULT_GROUP, "vpcId", VPC),
    _falls(FLOW_LOG, "vpcId", VPC),
    _falls(FLOW_LOG, "subnetId", SUBNET),
    Reference(FLOW_LOG, "logDestination", LOG_GROUP, "arn"),
    Reference(FLOW_LOG, "iamRoleArn", ROLE, "arn"),
    _blocks(NAT, "subnetId", SUBNET),
    _blocks(ENDPOINT, "subnetIds", SUBNET),
    _blocks(CLUSTER, "vpcConfig.subnetIds", SUBNET),
    _falls(ASSOCIATION, "subnetId", SUBNET),
    _blocks(INTERFACE, "subnetId", SUBNET),
    _blocks(ASSOCIATION, "routeTableId", TABLE),
    _falls(ROUTE, "routeTableId", TABLE),
    Reference(ROUTE, "gatewayId", GATEWAY),
    Reference(ROUTE, "natGatewayId", NAT),
    Reference(ENDPOINT, "routeTableIds", TABLE),
    Reference(
        NAT, "allocationId", ADDRESS, effect=Effect.BLOCKS, error="InvalidIPAddress.InUse", says="is in use"
    ),
    Reference(
        NAT, "subnetId", GATEWAY, "vpcId", Effect.BLOCKS,
        says="has some mapped public address(es): unmap them before detaching the gateway", through=(SUBNET, "vpcId"),
    ),
    Reference(
        INTERFACE, "subnetId", GATEWAY, "vpcId", Effect.BLOCKS,
        says="has some mapped public address(es): unmap them before detaching the gateway", through=(SUBNET, "vpcId"),
    ),
    Reference(CLUSTER, "vpcConfig.securityGroupIds", GROUP, effect=Effect.BLOCKS, says=_IN_USE),
    Reference(ENDPOINT, "securityGroupIds", GROUP, effect=Effect.BLOCKS, says=_IN_USE),
    _falls(GROUP_RULE, "securityGroupId", GROUP),
    _falls(INGRESS_RULE, "securityGroupId", GROUP),
    _falls(EGRESS_RULE, "securityGroupId", GROUP),
    Reference(INGRESS_RULE, "referencedSecurityGroupId", GROUP, effect=Effect.BLOCKS, says=_IN_USE),
    Reference(EGRESS_RULE, "referencedSecurityGroupId", GROUP, effect=Effect.BLOCKS, says=_IN_USE),
    Reference(GROUP_RULE, "sourceSecurityGroupId", GROUP, effect=Effect.BLOCKS, says=_IN_USE),
    Reference(CLUSTER, "roleArn", ROLE, "arn"),
    Reference(CLUSTER, "computeConfig.nodeRoleArn", ROLE, "arn"),
    Reference(CLUSTER, "encryptionConfig.provider.keyArn", KEY, "arn"),
    _falls(ACCESS_ENTRY, "clusterName", CLUSTER),
    Reference(ACCESS_ENTRY, "principalArn", ROLE, "arn"),
    _falls(ACCESS_POLICY, "clusterName", CLUSTER),
    _falls(ACCESS_POLICY, "principalArn", ACCESS_ENTRY, "principalArn"),
    _falls(POD_IDENTITY, "clusterName", CLUSTER),
    Reference(POD_IDENTITY, "roleArn", ROLE, "arn"),
    _falls(ADDON, "clusterName", CLUSTER),
    Reference(
        ROLE_POLICY, "role", ROLE, effect=Effect.BLOCKS, error="DeleteConflict",
        says="cannot be deleted, must delete policies first", unless="forceDetachPolicies",
    ),
    Reference(
        ATTACHMENT, "role", ROLE, effect=Effect.BLOCKS, error="DeleteConflict",
        says="cannot be deleted, must detach all policies first", unless="forceDetachPolicies",
    ),
    Reference(
        ATTACHMENT, "policyArn", POLICY, effect=Effect.BLOCKS, error="DeleteConflict",
        says="cannot be deleted, it is attached to entities",
    ),
    _falls(REPOSITORY_LIFECYCLE, "repository", REPOSITORY),
    _falls(REPOSITORY_POLICY, "repository", REPOSITORY),
    Reference(
        IMAGE, "repository", REPOSITORY, effect=Effect.BLOCKS, error="RepositoryNotEmptyException",
        says="cannot be deleted because it still contains images", unless="forceDelete",
    ),
    *(_falls(part, "bucket", BUCKET) for part in BUCKET_PARTS),
    Reference(
        OBJECT, "bucket", BUCKET, effect=Effect.BLOCKS, error="BucketNotEmpty",
        says="is not empty: every object and version must be deleted first", unless="forceDestroy",
    ),
    _falls(ALIAS, "targetKeyId", KEY),
    _falls(ALIAS, "targetKeyId", KEY, "arn"),
)  # fmt: skip

PROTECTED: Mapping[str, tuple[str, str, str]] = {
    CLUSTER: (
        "deletionProtection",
        "InvalidRequestException",
        "cannot be deleted because deletion protection is on",
    ),
}
"""Types that a property of their own keeps from being deleted: the property, AWS's error, and its words."""


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why a resource cannot be deleted.

    Attributes:
        error: AWS's name for it.
        says: AWS's words.
        holders: what still needs it.
    """

    error: str
    says: str
    holders: tuple[Record, ...] = ()


def obstacle(holdings: Holdings, record: Record) -> Obstacle | None:
    """The first reason why a resource cannot be deleted."""
    switch, error, says = PROTECTED.get(record.token, ("", "", ""))
    if switch and record.inputs.get(switch) is True:
        return Obstacle(error, says)
    for reference, holders in _held(holdings, record):
        blocks = reference.effect is Effect.BLOCKS and record.inputs.get(reference.unless) is not True
        if blocks and holders:
            return Obstacle(reference.error, reference.says, tuple(holders))
    return None


def companions(holdings: Holdings, record: Record) -> list[Record]:
    """What goes along when a resource is deleted, which nothing keeps; each before what it depends on."""
    found: list[Record] = []
    for reference, holders in _held(holdings, record):
        if reference.effect is Effect.FALLS or (
            reference.effect is Effect.BLOCKS and record.inputs.get(reference.unless) is True
        ):
            for holder in holders:
                found += [*companions(holdings, holder), holder]
    return found


def dangling(holdings: Holdings, token: str, inputs: Mapping[str, Any]) -> tuple[Reference, str] | None:
    """The first reference of a resource's inputs that leads nowhere, and what it names.

    Where one property may name the target in several ways, any will do. What is AWS's own or another account's is not
    looked up.
    """
    rows = [row for row in REFERENCES if row.holder == token and row.through is None]
    for path in dict.fromkeys(row.path for row in rows):
        choices = [row for row in rows if row.path == path]
        for value in values_at(inputs, path):
            if not _is_ours(value, holdings.account):
                continue
            if not any(_names(row, value, record) for row in choices for record in holdings.of(row.target)):
                return choices[0], value
    return None


def values_at(properties: Mapping[str, Any], path: str) -> list[str]:
    """The texts at a path, through lists."""
    found: list[Any] = [properties]
    for step in path.split("."):
        found = [item.get(step) for item in _flat(found) if isinstance(item, Mapping)]
    return [value for value in _flat(found) if isinstance(value, str)]


def _held(holdings: Holdings, record: Record) -> Iterator[tuple[Reference, list[Record]]]:
    for reference in REFERENCES:
        if reference.target == record.token:
            yield (
                reference,
                [
                    holder
                    for holder in holdings.of(reference.holder)
                    if holder is not record
                    and any(_names(reference, value, record) for value in _ends(holdings, reference, holder))
                    and _same_cluster(reference, holder, record)
                ],
            )


def _ends(holdings: Holdings, reference: Reference, holder: Record) -> list[str]:
    values = values_at(holder.inputs, reference.path)
    if reference.through is None:
        return values
    token, output = reference.through
    hops = [holdings.find(token, value) for value in values]
    return [str(hop.outputs.get(output)) for hop in hops if hop is not None]


def _same_cluster(reference: Reference, holder: Record, target: Record) -> bool:
    """Access entries have the same principal in every cluster that it may use."""
    if reference.target != ACCESS_ENTRY:
        return True
    return holder.inputs.get("clusterName") == target.inputs.get("clusterName")


def _names(reference: Reference, value: str, target: Record) -> bool:
    return value == (target.identifier if reference.by == "id" else target.outputs.get(reference.by))


def _is_ours(value: str, account: str) -> bool:
    parts = value.split(":")
    return parts[0] != "arn" or len(parts) <= 4 or parts[4] in ("", account)  # noqa: PLR2004 - an ARN's account


def _flat(values: Iterable[Any]) -> Iterator[Any]:
    for value in values:
        if isinstance(value, list):
            yield from _flat(value)
        else:
            yield value
