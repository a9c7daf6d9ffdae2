"""Who pays for what: tags on everything that takes them."""

import json
from collections.abc import Iterator, Mapping
from typing import Final

from infra.policy.model import UNKNOWN, Context, Finding, Json, Resource, Rule
from infra.policy.properties import at

REQUIRED_TAGS: Final = ("Environment", "ManagedBy", "Project")
"""What bills and inventories are sorted by."""

WITHOUT_TAGS: Final = frozenset(
    {
        "aws:ec2/eipAssociation:EipAssociation",
        "aws:ec2/route:Route",
        "aws:ec2/routeTableAssociation:RouteTableAssociation",
        "aws:ec2/securityGroupRule:SecurityGroupRule",
        "aws:ec2/vpcEndpointPolicy:VpcEndpointPolicy",
        "aws:ec2/vpcEndpointRouteTableAssociation:VpcEndpointRouteTableAssociation",
        "aws:ec2/vpcEndpointSecurityGroupAssociation:VpcEndpointSecurityGroupAssociation",
        "aws:ec2/vpcEndpointSubnetAssociation:VpcEndpointSubnetAssociation",
        "aws:ec2/vpcIpv4CidrBlockAssociation:VpcIpv4CidrBlockAssociation",
        "aws:ecr/lifecyclePolicy:LifecyclePolicy",
        "aws:ecr/registryScanningConfiguration:RegistryScanningConfiguration",
        "aws:ecr/repositoryPolicy:RepositoryPolicy",
        "aws:eks/accessPolicyAssociation:AccessPolicyAssociation",
        "aws:iam/groupPolicy:GroupPolicy",
        "aws:iam/groupPolicyAttachment:GroupPolicyAttachment",
        "aws:iam/policyAttachment:PolicyAttachment",
        "aws:iam/rolePolicy:RolePolicy",
        "aws:iam/rolePolicyAttachment:RolePolicyAttachment",
        "aws:iam/userPolicy:UserPolicy",
        "aws:iam/userPolicyAttachment:UserPolicyAttachment",
        "aws:kms/alias:Alias",
        "aws:s3/bucketAcl:BucketAcl",
        "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration",
        "aws:s3/bucketLogging:BucketLogging",
        "aws:s3/bucketNotification:BucketNotification",
        "aws:s3/bucketOwnershipControls:BucketOwnershipControls",
        "aws:s3/bucketPolicy:BucketPolicy",
        "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock",
        "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",
        "aws:s3/bucketVersioning:BucketVersioning",
        "aws:sns/topicPolicy:TopicPolicy",
        "aws:sns/topicSubscription:TopicSubscription",
        "aws:sqs/queuePolicy:QueuePolicy",
    }
)
"""AWS resources that take no tags. Any other has to have them: a type that is new here is not forgotten."""


def tagged(resource: Resource, _: Context) -> Iterator[Finding]:
    """A resource has every required tag, its own or its provider's default."""
    if resource.type in WITHOUT_TAGS:
        return
    sources = [
        at(resource.properties, "tags"),
        at(resource.properties, "tagsAll"),
        _defaults(resource.provider),
    ]
    tags: dict[str, Json] = {}
    for source in sources:
        if source is UNKNOWN:
            return
        if isinstance(source, Mapping):
            tags |= {key: value for key, value in source.items() if value not in (None, "")}
    for tag in REQUIRED_TAGS:
        if tag not in tags:
            yield Finding(
                path=f"tags.{tag}", message="absent", way_out="set it, or make the resource by a provider that does"
            )


def _defaults(provider: Mapping[str, Json]) -> Json:
    """A provider's default tags; the engine has a provider's structured properties as JSON text."""
    defaults = at(provider, "defaultTags")
    if isinstance(defaults, str):
        try:
            defaults = json.loads(defaults)
        except ValueError:
            return None
    return at(defaults, "tags")


RULES: Final = (
    Rule(
        name="aws-resources-are-tagged",
        description=f"Every AWS resource that takes tags has {', '.join(REQUIRED_TAGS)}.",
        applies_to=frozenset({"aws:*"}),
        check=tagged,
    ),
)
