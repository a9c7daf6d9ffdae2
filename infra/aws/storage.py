"""The object store: an S3 bucket for models and one for predictions."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import pulumi
from pulumi_aws import s3

from infra.aws.policies import text, tls_only
from infra.config.aws import AwsConfig
from infra.platform import Bucket

_OLD_VERSION_DAYS: Final = 30
"""How long what was overwritten can be had back."""

_UPLOAD_DAYS: Final = 7
"""Parts of an upload that broke off are paid for and not listed."""


def bucket_name(config: AwsConfig, bucket: Bucket) -> str:
    """Bucket names are shared by all of AWS: account and region keep this one ours."""
    return f"{config.name}-{config.account_id}-{config.region}-{bucket}"


def bucket_arn(config: AwsConfig, bucket: Bucket) -> str:
    """What policies call a bucket."""
    return f"arn:aws:s3:::{bucket_name(config, bucket)}"


@dataclass(frozen=True, kw_only=True)
class StorageBucketArgs:
    """What is kept.

    Attributes:
        config: of the environment.
        bucket: which one.
        expiry_days: age at which objects go; none keeps them.
    """

    config: AwsConfig
    bucket: Bucket
    expiry_days: int | None = None


class StorageBucket(pulumi.ComponentResource):
    """A bucket that is versioned, encrypted, private and reached over TLS alone."""

    name: pulumi.Output[str]
    ready: Sequence[pulumi.Resource]
    """Depend on them, and the bucket is as it is meant to be before anything is in it."""

    def __init__(self, name: str, args: StorageBucketArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Makes the bucket, and everything that AWS keeps beside it."""
        super().__init__("realtime-ml:aws:StorageBucket", name, None, opts)
        retained = args.config.object_store.retain_on_destroy
        # What is beside the bucket is retained with it: a bucket left behind stays private and encrypted.
        child = pulumi.ResourceOptions(
            parent=self, retain_on_delete=retained or None, protect=args.config.protect or None
        )
        bucket = s3.Bucket(
            name,
            bucket=bucket_name(args.config, args.bucket),
            # Otherwise a bucket that has been used cannot go with its stack.
            force_destroy=not retained,
            opts=child,
        )
        access = s3.BucketPublicAccessBlock(
            name,
            bucket=bucket.bucket,
            block_public_acls=True,
            block_public_policy=True,
            ignore_public_acls=True,
            restrict_public_buckets=True,
            opts=child,
        )
        versioning = s3.BucketVersioning(
            name, bucket=bucket.bucket, versioning_configuration={"status": "Enabled"}, opts=child
        )
        after_versioning = pulumi.ResourceOptions.merge(child, pulumi.ResourceOptions(depends_on=[versioning]))
        # S3 refuses two changes of a bucket's policies at a time.
        after_access = pulumi.ResourceOptions.merge(child, pulumi.ResourceOptions(depends_on=[access]))
        encryption = s3.BucketServerSideEncryptionConfiguration(
            name,
            bucket=bucket.bucket,
            rules=[{"apply_server_side_encryption_by_default": {"sse_algorithm": "AES256"}}],
            opts=child,
        )
        self.ready = [
            access,
            versioning,
            encryption,
            s3.BucketOwnershipControls(
                name, bucket=bucket.bucket, rule={"object_ownership": "BucketOwnerEnforced"}, opts=child
            ),
            s3.BucketPolicy(
                name,
                bucket=bucket.bucket,
                policy=text(tls_only(bucket_arn(args.config, args.bucket))),
                opts=after_access,
            ),
            s3.BucketLifecycleConfiguration(
                name, bucket=bucket.bucket, rules=_lifecycle(args.expiry_days), opts=after_versioning
            ),
        ]
        self.name = bucket.bucket
        self.register_outputs({"name": self.name})


def _lifecycle(expiry_days: int | None) -> list[s3.BucketLifecycleConfigurationRuleArgsDict]:
    rules: list[s3.BucketLifecycleConfigurationRuleArgsDict] = [
        {
            "id": "tidy",
            "status": "Enabled",
            "filter": {"prefix": ""},
            "noncurrent_version_expiration": {"noncurrent_days": _OLD_VERSION_DAYS},
            "abort_incomplete_multipart_upload": {"days_after_initiation": _UPLOAD_DAYS},
        }
    ]
    if expiry_days is not None:
        rules.append(
            {"id": "expire", "status": "Enabled", "filter": {"prefix": ""}, "expiration": {"days": expiry_days}}
        )
    return rules
