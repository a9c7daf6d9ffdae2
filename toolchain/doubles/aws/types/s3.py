"""Buckets: rows of the table of resource types."""

from collections.abc import Mapping
from types import MappingProxyType

from toolchain.doubles.aws.formats import Format, boolean, document
from toolchain.doubles.aws.resource_type import OWN, ResourceType

# What older programs set on the bucket itself; the API has an operation for each.
_OLDER = (
    "accelerationStatus",
    "corsRules",
    "grants",
    "lifecycleRules",
    "logging",
    "objectLockConfiguration",
    "policy",
    "replicationConfiguration",
    "requestPayer",
    "serverSideEncryptionConfiguration",
    "versioning",
    "website",
)


def _part(
    kind: str,
    operation: str,
    members: Mapping[str, str] = MappingProxyType({}),
    formats: Mapping[str, Format] = MappingProxyType({}),
    immutable: tuple[str, ...] = ("bucket",),
) -> ResourceType:
    """A part of a bucket's configuration, which is a resource of its own for Pulumi."""
    return ResourceType(
        f"aws:s3/{kind[0].lower()}{kind[1:]}:{kind}",
        service="s3",
        operation=operation,
        identifier="{bucket}",
        members=members,
        formats=formats,
        immutable=immutable,
        exists="BucketAlreadyConfigured",
        missing="NoSuchBucketConfiguration",
        tags=False,
    )


ROWS: tuple[ResourceType, ...] = (
    ResourceType(
        "aws:s3/bucket:Bucket",
        service="s3",
        operation="CreateBucket",
        identifier="{bucket}",
        arn="arn:aws:s3:::{bucket}",
        members={
            "bucketPrefix": OWN,
            "forceDestroy": OWN,
            "objectLockEnabled": "ObjectLockEnabledForBucket",
            **dict.fromkeys(_OLDER, OWN),
        },
        formats={"forceDestroy": boolean},
        name="bucket",
        name_length_max=63,
        immutable=("bucket", "bucketPrefix", "objectLockEnabled"),
        exists="BucketAlreadyOwnedByYou",
        missing="NoSuchBucket",
        outputs={
            "bucketDomainName": "{bucket}.s3.amazonaws.com",
            "bucketRegion": "{region}",
            "bucketRegionalDomainName": "{bucket}.s3.{region}.amazonaws.com",
            "hostedZoneId": "Z{hex:13:zone}",
        },
        defaults={"forceDestroy": False},
    ),
    _part("BucketVersioning", "PutBucketVersioning", immutable=("bucket", "expectedBucketOwner")),
    _part(
        "BucketPublicAccessBlock",
        "PutPublicAccessBlock",
        {
            "blockPublicAcls": "PublicAccessBlockConfiguration.BlockPublicAcls",
            "blockPublicPolicy": "PublicAccessBlockConfiguration.BlockPublicPolicy",
            "ignorePublicAcls": "PublicAccessBlockConfiguration.IgnorePublicAcls",
            "restrictPublicBuckets": "PublicAccessBlockConfiguration.RestrictPublicBuckets",
            "skipDestroy": OWN,
        },
        {"skipDestroy": boolean},
    ),
    _part("BucketPolicy", "PutBucketPolicy", formats={"policy": document}),
    _part("BucketOwnershipControls", "PutBucketOwnershipControls", {"rule": "OwnershipControls.Rules"}),
    _part(
        "BucketServerSideEncryptionConfiguration",
        "PutBucketEncryption",
        {"rules": "ServerSideEncryptionConfiguration.Rules"},
        immutable=("bucket", "expectedBucketOwner"),
    ),
    _part(
        "BucketLifecycleConfiguration",
        "PutBucketLifecycleConfiguration",
        {"rules": "LifecycleConfiguration.Rules", "timeouts": OWN},
        immutable=("bucket", "expectedBucketOwner"),
    ),
)
