"""IAM documents through parliament, which knows AWS's actions, the resources they take and the conditions they read."""

import functools
import json
import warnings
from collections.abc import Iterable, Iterator
from typing import Any, Final

from infra.policy.documents import Kind, documents
from infra.policy.model import Resource
from infra.policy.properties import has_unknown

LEFT_TO_RULES: Final = frozenset({"RESOURCE_STAR"})
"""Findings that the rule `iam-resources-are-named` decides more narrowly: some reads know no resource."""


@functools.cache
def _parliament() -> Any:  # noqa: ANN401 (it has no types)
    with warnings.catch_warnings():
        # It reads its own tables with pkg_resources, which warns of its end.
        warnings.simplefilter("ignore")
        import parliament  # type: ignore[import-untyped]  # noqa: PLC0415 (within the filter)
    return parliament


def lint(document: object) -> list[str]:
    """What the linter has against a document of rights."""
    policy = _parliament().analyze_policy_string(json.dumps(document), ignore_private_auditors=True)
    return [f"{found.issue}: {found.detail}" for found in policy.findings if found.issue not in LEFT_TO_RULES]


def lint_all(resources: Iterable[Resource]) -> Iterator[str]:
    """What it has against the documents of these resources, each line with where it stands.

    Documents of trust have no resource, which parliament takes for a mistake: it is not asked about them.
    """
    for resource in resources:
        for document in documents(resource):
            if document.kind is not Kind.TRUST and not has_unknown(document.content):
                for finding in lint(document.content):
                    yield f"{resource}.{document.path}: {finding}"
