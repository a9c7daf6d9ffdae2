"""What cannot be had again is not deleted by mistake."""

from collections.abc import Iterator
from typing import Final

from infra.policy.model import Context, Finding, Resource, Rule
from infra.policy.properties import at, is_not

BUCKET: Final = "aws:s3/bucket:Bucket"


def cluster_is_kept(resource: Resource, context: Context) -> Iterator[Finding]:
    """In prod, EKS refuses to delete the cluster."""
    if context.is_prod and is_not(at(resource.properties, "deletionProtection"), True):
        yield Finding(path="deletionProtection", message="the cluster can be deleted", way_out="set it to true")


def bucket_is_kept(resource: Resource, context: Context) -> Iterator[Finding]:
    """In prod, Pulumi deletes no bucket, and empties none to delete it.

    Whether a bucket is retained is not told to a policy pack: there only emptying is looked at, which AWS insists on
    before it deletes a bucket that holds anything.
    """
    if not context.is_prod:
        return
    if at(resource.properties, "forceDestroy") is True:
        yield Finding(path="forceDestroy", message="objects go with the bucket", way_out="leave it out")
    if resource.retain is False and not resource.protect:
        yield Finding(
            path="", message="the bucket can be deleted", way_out="set retain_on_delete or protect in its options"
        )


def repository_is_kept(resource: Resource, context: Context) -> Iterator[Finding]:
    """In prod, no repository is deleted with the images that run."""
    if context.is_prod and at(resource.properties, "forceDelete") is True:
        yield Finding(path="forceDelete", message="images go with the repository", way_out="leave it out")


RULES: Final = (
    Rule(
        name="prod-cluster-is-kept",
        description="In prod, EKS refuses to delete the cluster.",
        applies_to=frozenset({"aws:eks/cluster:Cluster"}),
        check=cluster_is_kept,
    ),
    Rule(
        name="prod-buckets-are-kept",
        description="In prod, no bucket is deleted, and none emptied to delete it.",
        applies_to=frozenset({BUCKET}),
        check=bucket_is_kept,
    ),
    Rule(
        name="prod-images-are-kept",
        description="In prod, no repository is deleted with the images that run.",
        applies_to=frozenset({"aws:ecr/repository:Repository"}),
        check=repository_is_kept,
    ),
)
