"""Where an environment's state is kept and what encrypts its secrets: a bucket and a key of its own account."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import botocore.session
from botocore.exceptions import BotoCoreError, ClientError

from toolchain import environments, project, pulumi_cli
from toolchain.errors import ToolchainError
from toolchain.progress import console

_SECTION: Final = "realtime-ml:aws"
_KEPT_DAYS: Final = 365
"""Days that a state which was written over can be had back."""

Json = Any
"""A value as JSON has it."""


@dataclass(frozen=True, slots=True)
class Place:
    """The bucket and the key.

    Attributes:
        account: that they are in.
        region: that they are in, the environment's own.
        bucket: of the states; its name has the account's number, as the names of buckets are the whole world's.
        alias: of the key.
    """

    account: str
    region: str
    bucket: str
    alias: str

    @classmethod
    def of(cls, environment: str) -> "Place":
        """That of an environment.

        Raises:
            ToolchainError: there is no such environment, or it is not on AWS.
        """
        config = pulumi_cli.read_config(environment)["config"]
        if _SECTION not in config:
            raise ToolchainError(
                f"making a place for the state of {environment}",
                f"Pulumi.{environment}.yaml is not on AWS",
                "choose one that is; the state of `local` is a folder of this machine, made by `make up`",
            )
        aws = config[_SECTION]
        account = str(aws["account_id"])
        return cls(account, aws["region"], f"{project.NAME}-state-{account}-{aws['region']}", f"{project.NAME}-state")

    @property
    def variables(self) -> dict[str, str]:
        """What Pulumi has to be told."""
        return {
            "PULUMI_BACKEND_URL": f"s3://{self.bucket}?region={self.region}",
            "PULUMI_SECRETS_PROVIDER": f"awskms://alias/{self.alias}?region={self.region}",
        }

    @property
    def policy(self) -> str:
        """Who may use the bucket: whoever has the right to, and only by TLS."""
        arn = f"arn:aws:s3:::{self.bucket}"
        deny: Json = {
            "Sid": "TlsOnly",
            "Effect": "Deny",
            "Principal": "*",
            "Action": "s3:*",
            "Resource": [arn, f"{arn}/*"],
        }
        return json.dumps(
            {"Version": "2012-10-17", "Statement": [{**deny, "Condition": {"Bool": {"aws:SecureTransport": "false"}}}]}
        )


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that is made so, whether it was before or not."""

    title: str
    perform: Callable[[Json, Json], object]
    """Takes clients of S3 and of KMS."""


def steps(place: Place) -> Iterator[Step]:
    """What makes the place, in order; each may be done again."""
    name = {"Bucket": place.bucket}
    yield Step(f"bucket {place.bucket} in {place.region}", lambda s3, _: _make_bucket(s3, place))
    block = dict.fromkeys(("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"), True)
    yield Step(
        "closed to the public",
        lambda s3, _: s3.put_public_access_block(**name, PublicAccessBlockConfiguration=block),
    )
    yield Step("reached by TLS alone", lambda s3, _: s3.put_bucket_policy(**name, Policy=place.policy))
    yield Step(
        "every version of a state kept",
        lambda s3, _: s3.put_bucket_versioning(**name, VersioningConfiguration={"Status": "Enabled"}),
    )
    expiry: Json = {
        "ID": "old-states",
        "Status": "Enabled",
        "Filter": {"Prefix": ""},
        "NoncurrentVersionExpiration": {"NoncurrentDays": _KEPT_DAYS},
    }
    yield Step(
        f"for {_KEPT_DAYS} days",
        lambda s3, _: s3.put_bucket_lifecycle_configuration(**name, LifecycleConfiguration={"Rules": [expiry]}),
    )
    yield Step(f"key alias/{place.alias}, turned every year", lambda _, kms: _make_key(kms, place.alias))


def bootstrap(environment: str, *, dry_run: bool) -> None:
    """Make the place of an environment's state, and print the variables that lead Pulumi to it.

    Raises:
        ToolchainError: the credentials at hand are of another account, or may not.
    """
    place = Place.of(environment)
    title = f"making a place for the state of {environment}"
    if not dry_run:
        _make(title, place, environment)
    for step in steps(place):
        console.print(f"  {step.title}", markup=False)
    console.print("nothing was made: asked only to show it" if dry_run else "made", markup=False)
    for name, value in place.variables.items():
        # On standard output alone, so that `eval "$(make ...)"` takes them.
        print(f"export {name}='{value}'")  # noqa: T201


def _make(title: str, place: Place, environment: str) -> None:
    session = botocore.session.get_session()
    try:
        # STS answers in every region alike.
        sts: Json = session.create_client("sts", region_name="us-east-1")
        caller = str(sts.get_caller_identity()["Account"])
        environments.refuse_other_account(title, environment, [place.account], caller)
        s3, kms = (session.create_client(name, region_name=place.region) for name in ("s3", "kms"))
        for step in steps(place):
            step.perform(s3, kms)
    except (BotoCoreError, ClientError) as error:
        raise ToolchainError(title, str(error), "sign in with a role that may make buckets and keys") from error


def _make_bucket(s3: Json, place: Place) -> None:
    # us-east-1 is the one region that must not be named.
    where: Json = (
        {} if place.region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": place.region}}
    )
    try:
        s3.create_bucket(Bucket=place.bucket, **where)
    except ClientError as error:
        if error.response["Error"]["Code"] != "BucketAlreadyOwnedByYou":
            raise


def _make_key(kms: Json, alias: str) -> None:
    try:
        key = kms.describe_key(KeyId=f"alias/{alias}")["KeyMetadata"]["KeyId"]
    except ClientError as error:
        if error.response["Error"]["Code"] != "NotFoundException":
            raise
        key = kms.create_key(Description="Secrets in Pulumi's states")["KeyMetadata"]["KeyId"]
        kms.create_alias(AliasName=f"alias/{alias}", TargetKeyId=key)
    kms.enable_key_rotation(KeyId=key)
