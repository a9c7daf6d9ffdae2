"""The IAM documents that resources carry."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from infra.policy.model import UNKNOWN, Json, Resource
from infra.policy.properties import at, entries, items


class Kind(StrEnum):
    """Who a document is attached to."""

    IDENTITY = "identity"
    """Who acts: it says what they may do."""
    TRUST = "trust"
    """A role: it says who may take it."""
    RESOURCE = "resource"
    """What is acted on: it says who may do what with it."""


@dataclass(frozen=True, kw_only=True)
class Document:
    """An IAM document that is known.

    Attributes:
        path: the property that holds it.
        kind: who it is attached to.
        content: the document as JSON has it; single statements, without their list, are left as they are.
    """

    path: str
    kind: Kind
    content: Mapping[str, Json]

    def statements(self, effect: str) -> Iterator[tuple[str, Mapping[str, Json]]]:
        """The statements with this effect that are known, each with its path."""
        for index, statement in enumerate(items(self.content.get("Statement"))):
            if isinstance(statement, Mapping) and statement.get("Effect") == effect:
                yield f"{self.path}.Statement[{index}]", statement


_PLACES: Final[Mapping[str, tuple[tuple[str, Kind], ...]]] = {
    "aws:ecr/repositoryPolicy:RepositoryPolicy": (("policy", Kind.RESOURCE),),
    "aws:iam/groupPolicy:GroupPolicy": (("policy", Kind.IDENTITY),),
    "aws:iam/policy:Policy": (("policy", Kind.IDENTITY),),
    "aws:iam/role:Role": (("assumeRolePolicy", Kind.TRUST),),
    "aws:iam/rolePolicy:RolePolicy": (("policy", Kind.IDENTITY),),
    "aws:iam/userPolicy:UserPolicy": (("policy", Kind.IDENTITY),),
    "aws:s3/bucketPolicy:BucketPolicy": (("policy", Kind.RESOURCE),),
    "aws:sns/topicPolicy:TopicPolicy": (("policy", Kind.RESOURCE),),
    "aws:sqs/queuePolicy:QueuePolicy": (("policy", Kind.RESOURCE),),
}
"""Where documents stand. A KMS key's is not among them: AWS's own default for it is every action on every resource."""

DOCUMENT_TYPES: Final = frozenset(_PLACES)
"""Types of the resources that carry documents."""


def documents(resource: Resource) -> Iterator[Document]:
    """The documents of a resource that are known, whether written as text or as structure."""
    for path, kind in _PLACES.get(resource.type, ()):
        yield from _document(path, kind, at(resource.properties, path))
    if resource.type == "aws:iam/role:Role":
        for path, inline in entries(resource.properties, "inlinePolicies"):
            yield from _document(f"{path}.policy", Kind.IDENTITY, at(inline, "policy"))


def parsed(text: Json) -> Json:
    """A document as structure, however it was written; `UNKNOWN` and what is no JSON object are what they are."""
    if not isinstance(text, str):
        return text
    try:
        return json.loads(text)
    except ValueError:
        return text


def _document(path: str, kind: Kind, written: Json) -> Iterator[Document]:
    content = parsed(written)
    if content is not UNKNOWN and isinstance(content, Mapping):
        yield Document(path=path, kind=kind, content=content)
