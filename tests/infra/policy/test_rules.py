"""Each rule finds what it is there to find, and nothing else."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from infra.policy.model import Context, Resource
from infra.policy.rules import RULES, STACK_RULES
from tests.infra.policy.cases import DEV, PASSING, STACK_PASSING, STACK_VIOLATING, VIOLATING

BY_NAME = {rule.name: rule for rule in RULES}
STACK_BY_NAME = {rule.name: rule for rule in STACK_RULES}


def flat(table: Mapping[str, Sequence[tuple[Any, ...]]]) -> list[Any]:
    """A table of cases as pytest takes it."""
    return [
        pytest.param(rule, *case, *([DEV] if len(case) == 1 else []), id=f"{rule}: {what}")
        for rule, cases in table.items()
        for what, *case in cases
    ]


@pytest.mark.parametrize(("rule", "resource", "context"), flat(PASSING))
def test_a_rule_lets_pass_what_is_right_and_what_is_not_known_yet(
    rule: str, resource: Resource, context: Context
) -> None:
    """A rule lets pass what is right, and what is not known yet."""
    assert BY_NAME[rule].violations(resource, context) == []


@pytest.mark.parametrize(("rule", "resource", "context"), flat(VIOLATING))
def test_a_rule_finds_what_is_wrong_and_says_the_way_out(rule: str, resource: Resource, context: Context) -> None:
    """Absent is wrong where the default is."""
    found = BY_NAME[rule].violations(resource, context)
    assert found
    for violation in found:
        assert violation.rule == rule
        assert violation.message
        assert violation.way_out
        assert str(violation).startswith(f"{rule}: {resource}")


@pytest.mark.parametrize(("rule", "resources", "context"), flat(STACK_PASSING))
def test_a_stack_rule_finds_what_belongs_together(rule: str, resources: list[Resource], context: Context) -> None:
    """A stack rule finds what belongs together."""
    assert STACK_BY_NAME[rule].violations(resources, context) == []


@pytest.mark.parametrize(("rule", "resources", "context"), flat(STACK_VIOLATING))
def test_a_stack_rule_misses_what_is_absent(rule: str, resources: list[Resource], context: Context) -> None:
    """A stack rule misses what is absent."""
    (violation,) = STACK_BY_NAME[rule].violations(resources, context)
    assert violation.resource is resources[0]


def test_every_rule_has_a_violating_and_a_passing_case() -> None:
    """A rule that nothing was ever held against may hold nothing."""
    assert set(PASSING) == set(VIOLATING) == set(BY_NAME)
    assert set(STACK_PASSING) == set(STACK_VIOLATING) == set(STACK_BY_NAME)
    assert all(itertools.chain(PASSING.values(), VIOLATING.values(), STACK_PASSING.values(), STACK_VIOLATING.values()))


def test_no_two_rules_have_one_name() -> None:
    """The engine takes the names for keys."""
    names = [*(rule.name for rule in RULES), *(rule.name for rule in STACK_RULES)]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("table", [PASSING, VIOLATING])
def test_a_case_is_of_a_type_that_its_rule_applies_to(table: Mapping[str, Sequence[tuple[Any, ...]]]) -> None:
    """Otherwise it would pass whatever the rule says; a job is what the rule of probes leaves out."""
    elsewhere = {
        (rule, what)
        for rule, cases in table.items()
        for what, resource, *_ in cases
        if not BY_NAME[rule].applies(resource.type)
    }
    assert elsewhere <= {("containers-are-probed", "a job")}
