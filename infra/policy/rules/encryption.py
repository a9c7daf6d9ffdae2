"""Data is encrypted where it lies and on its way."""

from collections.abc import Iterator, Mapping
from typing import Final

from infra.policy.documents import documents, parsed
from infra.policy.model import UNKNOWN, Context, Finding, Json, Resource, Rule
from infra.policy.properties import at, entries, has_unknown, is_not, items

ENCRYPTION: Final = "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration"
BUCKET_POLICY: Final = "aws:s3/bucketPolicy:BucketPolicy"

_ALGORITHMS: Final = ("AES256", "aws:kms", "aws:kms:dsse")
_EBS_PROVISIONERS: Final = ("ebs.csi.aws.com", "ebs.csi.eks.amazonaws.com")

_ENCRYPTED_BY_ITSELF: Final = (1, 28)
"""From this Kubernetes version on EKS encrypts all that the API stores, also without a key of the customer's."""


def bucket_encryption(resource: Resource, _: Context) -> Iterator[Finding]:
    """Every rule of a bucket's encryption names an algorithm."""
    if at(resource.properties, "rules") == [] or at(resource.properties, "rules") is None:
        yield Finding(path="rules", message="no rule", way_out="add one with sseAlgorithm aws:kms or AES256")
    for path, rule in entries(resource.properties, "rules"):
        algorithm = at(rule, "applyServerSideEncryptionByDefault.sseAlgorithm")
        if algorithm is not UNKNOWN and algorithm not in _ALGORITHMS:
            yield Finding(
                path=f"{path}.applyServerSideEncryptionByDefault.sseAlgorithm",
                message=f"{algorithm!r} encrypts nothing",
                way_out=f"set one of {', '.join(_ALGORITHMS)}",
            )


def bucket_tls(resource: Resource, _: Context) -> Iterator[Finding]:
    """A bucket's policy denies every request that comes without TLS."""
    policy = parsed(at(resource.properties, "policy"))
    if has_unknown(policy):
        return
    statements = [statement for document in documents(resource) for _, statement in document.statements("Deny")]
    if not any(_denies_plain_text(statement) for statement in statements):
        yield Finding(
            path="policy",
            message="requests without TLS are not denied",
            way_out='deny s3:* to principal "*" on the bucket and its objects where aws:SecureTransport is "false"',
        )


def cluster_secrets(resource: Resource, _: Context) -> Iterator[Finding]:
    """Secrets are encrypted in the cluster's store: by a key that is named, or by EKS itself where it does so."""
    config = at(resource.properties, "encryptionConfig")
    if config is UNKNOWN:
        return
    if config is None:
        version = at(resource.properties, "version")
        if version is not UNKNOWN and not _encrypts_by_itself(version):
            yield Finding(
                path="encryptionConfig",
                message=f"absent, and version {version!r} is not known to encrypt by itself",
                way_out="name a key for `secrets`, or set version to 1.28 or later",
            )
        return
    covered = at(config, "resources")
    if covered is not UNKNOWN and not has_unknown(covered) and "secrets" not in items(covered):
        yield Finding(path="encryptionConfig.resources", message="`secrets` is not covered", way_out="add `secrets`")
    if at(config, "provider.keyArn") in (None, ""):
        yield Finding(path="encryptionConfig.provider.keyArn", message="no key", way_out="name a KMS key")


def disk_encryption(resource: Resource, _: Context) -> Iterator[Finding]:
    """Disks on EBS are encrypted, whether made for pods or by the program."""
    if resource.type == "aws:ebs/volume:Volume":
        if is_not(at(resource.properties, "encrypted"), True):
            yield Finding(path="encrypted", message="the disk is not encrypted", way_out="set it to true")
        return
    if at(resource.properties, "provisioner") not in _EBS_PROVISIONERS:
        return
    for key, expected in (("encrypted", "true"), ("type", "gp3")):
        value = at(resource.properties, f"parameters.{key}")
        if is_not(value, expected):
            yield Finding(path=f"parameters.{key}", message=f"is {value!r}", way_out=f'set it to "{expected}"')


def _denies_plain_text(statement: Mapping[str, Json]) -> bool:
    everyone = statement.get("Principal") in ("*", {"AWS": "*"}, {"AWS": ["*"]})
    plain_text = str(at(statement, "Condition.Bool.aws:SecureTransport")).lower() == "false"
    alone = len(statement.get("Condition", {})) == 1 and len(at(statement, "Condition.Bool") or {}) == 1
    resources = [str(resource) for resource in items(statement.get("Resource"))]
    objects = any(resource == "*" or resource.endswith("/*") for resource in resources)
    bucket = any(resource == "*" or "/" not in resource for resource in resources)
    everything = bool({"s3:*", "*"} & set(items(statement.get("Action"))))
    return everyone and plain_text and alone and everything and objects and bucket


def _encrypts_by_itself(version: Json) -> bool:
    major, _, minor = str(version).partition(".")
    return major.isdigit() and minor.isdigit() and (int(major), int(minor)) >= _ENCRYPTED_BY_ITSELF


RULES: Final = (
    Rule(
        name="bucket-encryption-names-an-algorithm",
        description="A bucket's encryption names an algorithm.",
        applies_to=frozenset({ENCRYPTION}),
        check=bucket_encryption,
    ),
    Rule(
        name="bucket-policy-denies-plain-text",
        description="A bucket's policy denies every request that comes without TLS.",
        applies_to=frozenset({BUCKET_POLICY}),
        check=bucket_tls,
    ),
    Rule(
        name="cluster-secrets-are-encrypted",
        description="Secrets are encrypted in the cluster's store.",
        applies_to=frozenset({"aws:eks/cluster:Cluster"}),
        check=cluster_secrets,
    ),
    Rule(
        name="disks-are-encrypted",
        description="Disks on EBS are encrypted; those of pods are gp3.",
        applies_to=frozenset({"aws:ebs/volume:Volume", "kubernetes:storage.k8s.io/v1:StorageClass"}),
        check=disk_encryption,
    ),
)
