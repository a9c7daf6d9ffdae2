"""What a rule gets and what it gives."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, StrEnum
from typing import Any, Final

Json = Any
"""A value as JSON has it, or `UNKNOWN` in place of one."""


class _Unknown(Enum):
    UNKNOWN = "unknown"

    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN: Final = _Unknown.UNKNOWN
"""Stands for a value that only exists once something else has been made."""


class Severity(StrEnum):
    """What a violation means for the update."""

    MANDATORY = "mandatory"
    """It is stopped."""
    ADVISORY = "advisory"
    """It is told, and goes on."""


@dataclass(frozen=True, kw_only=True)
class Resource:
    """A resource as the engine hands it over, before it is made or changed.

    Attributes:
        type: such as `aws:s3/bucket:Bucket`.
        name: Pulumi's name of it.
        properties: what is asked for, keys in camelCase; `UNKNOWN` in place of values that are not known yet.
        urn: what other resources refer to it by.
        protect: whether Pulumi refuses to delete it.
        retain: whether it stays when the stack goes; none where that is not told, as to a policy pack.
        provider: the properties of the provider that makes it.
        refers: URNs of the resources that a property's value comes from, by property.
    """

    type: str
    name: str
    properties: Mapping[str, Json]
    urn: str = ""
    protect: bool = False
    retain: bool | None = None
    provider: Mapping[str, Json] = field(default_factory=dict)
    refers: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def __str__(self) -> str:
        """How people name it."""
        return f"{self.type.rsplit(':', 1)[-1]} {self.name}"


@dataclass(frozen=True, kw_only=True)
class Context:
    """What a rule may know beside the resource.

    Attributes:
        environment: the stack's name.
        open_to_internet: names of resources that the configuration lets anyone reach.
    """

    environment: str
    open_to_internet: frozenset[str] = frozenset()

    @property
    def is_prod(self) -> bool:
        """Whether the environment holds what cannot be had again: `prod`, or one of several, such as `prod-eu`."""
        return self.environment == "prod" or self.environment.startswith("prod-")


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What a rule found.

    Attributes:
        path: the property, such as `spec.replicas`; empty for the resource as such.
        message: what is wrong with it.
        way_out: what to do.
    """

    path: str
    message: str
    way_out: str


@dataclass(frozen=True, kw_only=True)
class Violation:
    """A finding, with the rule and the resource that it is about."""

    rule: str
    resource: Resource
    path: str
    message: str
    way_out: str

    def __str__(self) -> str:
        """The violation in one line."""
        path = f".{self.path}" if self.path else ""
        return f"{self.rule}: {self.resource}{path}: {self.message}; {self.way_out}"


Check = Callable[[Resource, Context], Iterable[Finding]]
"""Judges a resource."""

StackCheck = Callable[[Sequence[Resource], Context], Iterable[tuple[Resource, Finding]]]
"""Judges all resources of a stack together."""


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A rule over one resource.

    Attributes:
        name: in lower case, with hyphens.
        description: what it insists on.
        applies_to: resource types; one that ends in `*` stands for all that begin so.
        check: the rule itself.
        severity: what a violation means.
        takes_exceptions: whether the configuration may name resources that are excepted.
    """

    name: str
    description: str
    applies_to: frozenset[str]
    check: Check
    severity: Severity = Severity.MANDATORY
    takes_exceptions: bool = False

    def applies(self, type_: str) -> bool:
        """Whether resources of this type are judged."""
        return any(
            type_.startswith(pattern[:-1]) if pattern.endswith("*") else type_ == pattern for pattern in self.applies_to
        )

    def violations(self, resource: Resource, context: Context) -> list[Violation]:
        """What the rule has against a resource."""
        if not self.applies(resource.type):
            return []
        return [_violation(self.name, resource, finding) for finding in self.check(resource, context)]


@dataclass(frozen=True, kw_only=True)
class StackRule:
    """A rule over all resources of a stack; the attributes are what they are in `Rule`."""

    name: str
    description: str
    check: StackCheck
    severity: Severity = Severity.MANDATORY

    def violations(self, resources: Sequence[Resource], context: Context) -> list[Violation]:
        """What the rule has against a stack."""
        return [_violation(self.name, resource, finding) for resource, finding in self.check(resources, context)]


def judge(
    rules: Iterable[Rule], stack_rules: Iterable[StackRule], resources: Sequence[Resource], context: Context
) -> Iterator[Violation]:
    """What any rule has against any of the resources."""
    for rule in rules:
        for resource in resources:
            yield from rule.violations(resource, context)
    for stack_rule in stack_rules:
        yield from stack_rule.violations(resources, context)


def _violation(rule: str, resource: Resource, finding: Finding) -> Violation:
    return Violation(rule=rule, resource=resource, path=finding.path, message=finding.message, way_out=finding.way_out)
