"""Nobody may more than the work needs."""

import re
from collections.abc import Iterator, Mapping
from typing import Final

from infra.policy.documents import DOCUMENT_TYPES, Kind, documents
from infra.policy.model import Context, Finding, Json, Resource, Rule
from infra.policy.properties import at, items

WRITES_WITHOUT_RESOURCE: Final[Mapping[str, str]] = {
    "cloudwatch:PutMetricData": "metrics are no resources; narrow it by the condition cloudwatch:namespace",
    "ecr:GetAuthorizationToken": "a token for the registry as such; which repositories it opens is said elsewhere",
    "xray:PutTraceSegments": "traces are no resources",
}
"""Actions other than reads that may be allowed on every resource, as AWS knows no narrower one, with the reason."""

_READS: Final = re.compile(r"[a-z0-9-]+:(BatchGet|Describe|Get|List|Head|Lookup|Search|View)[A-Za-z]*")
_EVERYTHING: Final = re.compile(r"\*+|arn:[^:]*:[^:]*:[^:]*:[^:]*:\*+")
"""`*`, and the ARN of everything that a service has."""

_FULL_ACCESS: Final = re.compile(
    r"arn:[^:]+:iam::aws:policy/(.*/)?(AdministratorAccess|PowerUserAccess|IAMFullAccess|\w*FullAccess\w*)"
)

_READ_EXCEPTIONS: Final = frozenset({"ecr:GetAuthorizationToken", "sts:GetFederationToken", "sts:GetSessionToken"})
"""Called reads by their name, but they hand out rights."""


def named_actions(resource: Resource, _: Context) -> Iterator[Finding]:
    """Every allowed action is named in full."""
    for document in documents(resource):
        for path, statement in document.statements("Allow"):
            if "NotAction" in statement:
                yield Finding(
                    path=f"{path}.NotAction", message="allows all but a few", way_out="name the actions that are needed"
                )
            for action in _known(statement, "Action"):
                if "*" in action or "?" in action:
                    yield Finding(
                        path=f"{path}.Action",
                        message=f"{action} is more than one action",
                        way_out="name the actions that are needed",
                    )


def named_resources(resource: Resource, _: Context) -> Iterator[Finding]:
    """What changes anything is allowed on resources that are named."""
    for document in documents(resource):
        # A resource's own document acts on it alone.
        if document.kind is not Kind.IDENTITY:
            continue
        for path, statement in document.statements("Allow"):
            if "NotResource" in statement:
                yield Finding(
                    path=f"{path}.NotResource",
                    message="allows all but a few",
                    way_out="name the resources that are meant",
                )
            if not any(_EVERYTHING.fullmatch(name) for name in _known(statement, "Resource")):
                continue
            if _narrowed_by_tag(statement):
                continue
            for action in _known(statement, "Action"):
                if action not in WRITES_WITHOUT_RESOURCE and (
                    action in _READ_EXCEPTIONS or not _READS.fullmatch(action)
                ):
                    yield Finding(
                        path=f"{path}.Resource",
                        message=f"{action} is allowed on everything",
                        way_out="name the resources; where AWS knows none, add the action, with the reason, to "
                        "WRITES_WITHOUT_RESOURCE in infra/policy/rules/iam.py",
                    )


def _narrowed_by_tag(statement: Mapping[str, Json]) -> bool:
    """Whether it holds for what bears one stated tag alone: what is yet to be made has no name, but it has tags."""
    equal = at(statement, "Condition.StringEquals")
    return isinstance(equal, Mapping) and any(
        key.startswith(("aws:RequestTag/", "aws:ResourceTag/")) and "*" not in str(value)
        for key, value in equal.items()
    )


def named_principals(resource: Resource, _: Context) -> Iterator[Finding]:
    """Nobody is let in without a name."""
    for document in documents(resource):
        for path, statement in document.statements("Allow"):
            principal = statement.get("Principal")
            if "NotPrincipal" in statement or principal == "*" or "*" in items(at(principal, "AWS")):
                yield Finding(
                    path=f"{path}.Principal", message="lets anyone in", way_out="name the accounts, roles or services"
                )


def no_full_access(resource: Resource, _: Context) -> Iterator[Finding]:
    """No role has a policy of AWS's own that allows everything, or everything of a service."""
    held = [("policyArn", at(resource.properties, "policyArn"))]
    held += [("managedPolicyArns", arn) for arn in items(at(resource.properties, "managedPolicyArns"))]
    for path, arn in held:
        if isinstance(arn, str) and _FULL_ACCESS.fullmatch(arn):
            yield Finding(path=path, message=f"{arn} allows everything", way_out="write a policy of what is needed")


def _known(statement: Mapping[str, Json], key: str) -> list[str]:
    return [value for value in items(statement.get(key)) if isinstance(value, str)]


RULES: Final = (
    Rule(
        name="iam-actions-are-named",
        description="Every allowed action is named in full.",
        applies_to=DOCUMENT_TYPES,
        check=named_actions,
    ),
    Rule(
        name="iam-resources-are-named",
        description="What changes anything is allowed on resources that are named.",
        applies_to=DOCUMENT_TYPES,
        check=named_resources,
    ),
    Rule(
        name="iam-principals-are-named",
        description="Nobody is let in without a name.",
        applies_to=DOCUMENT_TYPES,
        check=named_principals,
    ),
    Rule(
        name="iam-full-access-is-not-attached",
        description="No role has a policy of AWS's own that allows everything, or everything of a service.",
        applies_to=frozenset(
            {
                "aws:iam/groupPolicyAttachment:GroupPolicyAttachment",
                "aws:iam/policyAttachment:PolicyAttachment",
                "aws:iam/role:Role",
                "aws:iam/rolePolicyAttachment:RolePolicyAttachment",
                "aws:iam/userPolicyAttachment:UserPolicyAttachment",
            }
        ),
        check=no_full_access,
    ),
)
