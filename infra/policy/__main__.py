"""The rules as a Pulumi policy pack; `infra/policy/__init__.py` says how it is set up."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

# The pack runs in its own folder and its own environment, where the repository is not installed.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

# In the pack's own environment alone.
import pulumi
from pulumi_policy import (  # type: ignore[import-not-found]
    EnforcementLevel,
    PolicyConfigSchema,
    PolicyPack,
    ResourceValidationPolicy,
    StackValidationPolicy,
)
from pulumi_policy.proxy import UnknownValueError  # type: ignore[import-not-found]

from infra.policy import adapter
from infra.policy.model import Rule, Severity, StackRule, Violation
from infra.policy.rules import RULES, STACK_RULES

Arguments = Any
"""What the policy SDK hands over; it has no types in the program's environment."""

LEVELS: Final = {Severity.MANDATORY: EnforcementLevel.MANDATORY, Severity.ADVISORY: EnforcementLevel.ADVISORY}

EXCEPTIONS: Final = PolicyConfigSchema(
    properties={
        "open_to_internet": {
            "type": "array",
            "items": {"type": "string"},
            "description": "Names of the resources that anyone may reach.",
        }
    }
)


def _told(violation: Violation) -> str:
    path = f"{violation.path}: " if violation.path else ""
    return f"{path}{violation.message}; {violation.way_out}"


def _policy(rule: Rule) -> ResourceValidationPolicy:
    def validate(args: Arguments, report: Callable[[str], None]) -> None:
        if not rule.applies(args.resource_type):
            return
        context = adapter.context(pulumi.get_stack(), args.get_config())
        for violation in rule.violations(adapter.resource(args, UnknownValueError), context):
            report(_told(violation))

    return ResourceValidationPolicy(
        name=rule.name,
        description=rule.description,
        validate=validate,
        enforcement_level=LEVELS[rule.severity],
        config_schema=EXCEPTIONS if rule.takes_exceptions else None,
    )


def _stack_policy(rule: StackRule) -> StackValidationPolicy:
    def validate(args: Arguments, report: Callable[[str, str], None]) -> None:
        resources = [adapter.resource(judged, UnknownValueError) for judged in args.resources]
        context = adapter.context(pulumi.get_stack(), args.get_config())
        for violation in rule.violations(resources, context):
            report(_told(violation), violation.resource.urn)

    return StackValidationPolicy(
        name=rule.name, description=rule.description, validate=validate, enforcement_level=LEVELS[rule.severity]
    )


if __name__ == "__main__":
    PolicyPack(
        name="realtime-ml",
        policies=[*(_policy(rule) for rule in RULES), *(_stack_policy(rule) for rule in STACK_RULES)],
        enforcement_level=EnforcementLevel.MANDATORY,
    )
