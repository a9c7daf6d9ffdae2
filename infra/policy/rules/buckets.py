"""A bucket has what makes it safe: AWS has it as resources of their own, so that it is missed where there is none."""

from collections.abc import Iterator, Sequence
from typing import Final

from infra.policy.model import Context, Finding, Resource, StackCheck, StackRule
from infra.policy.properties import at
from infra.policy.rules.encryption import BUCKET_POLICY, ENCRYPTION
from infra.policy.rules.exposure import PUBLIC_ACCESS_BLOCK
from infra.policy.rules.protection import BUCKET


def belongs_to(companion: Resource, bucket: Resource) -> bool:
    """Whether a resource says something of this bucket: its name comes from the bucket, or is the bucket's.

    Where it comes from is known before the name is.
    """
    if bucket.urn and bucket.urn in companion.refers.get("bucket", frozenset()):
        return True
    name = at(bucket.properties, "bucket")
    return isinstance(name, str) and at(companion.properties, "bucket") == name


def _has(companion_type: str, what: str) -> StackCheck:
    def check(resources: Sequence[Resource], _: Context) -> Iterator[tuple[Resource, Finding]]:
        companions = [resource for resource in resources if resource.type == companion_type]
        for bucket in resources:
            if bucket.type == BUCKET and not any(belongs_to(companion, bucket) for companion in companions):
                kind = companion_type.rsplit(":", 1)[-1]
                yield bucket, Finding(path="", message=f"has no {what}", way_out=f"add a {kind} for it")

    return check


STACK_RULES: Final = (
    StackRule(
        name="buckets-have-encryption",
        description="Every bucket says how it is encrypted.",
        check=_has(ENCRYPTION, "encryption"),
    ),
    StackRule(
        name="buckets-have-public-access-block",
        description="Every bucket has a public access block.",
        check=_has(PUBLIC_ACCESS_BLOCK, "public access block"),
    ),
    StackRule(
        name="buckets-have-policy",
        description="Every bucket has a policy, which another rule wants to deny plain text.",
        check=_has(BUCKET_POLICY, "policy"),
    ),
)
