"""The rules hold for what the program asks for, in every environment."""

import functools
import json
from pathlib import Path

import pytest
import yaml

from infra.naming import PROJECT
from infra.policy.documents import DOCUMENT_TYPES
from infra.policy.model import Context, Resource, judge
from infra.policy.rules import RULES, STACK_RULES
from infra.policy.rules.pods import POD_TYPES
from tests.infra.harness import ROOT, SECRET, SECRET_KEY, render
from tests.infra.policy.iam_linter import lint, lint_all
from tests.infra.policy.resources import judged

STACKS = sorted(ROOT.glob("Pulumi.*.yaml"))

OPEN_TO_INTERNET: dict[str, frozenset[str]] = {}
"""By environment, what its configuration lets anyone reach."""

every_environment = pytest.mark.parametrize("file", STACKS, ids=lambda file: file.name)


@functools.cache
def asked_for(file: Path) -> list[Resource]:
    """What the program asks for with an environment's file."""
    values: dict[str, str] = {
        key: value if isinstance(value, str) else json.dumps(value)
        for key, value in yaml.safe_load(file.read_text(encoding="utf-8"))["config"].items()
    }
    # A secret is no part of the file: `pulumi config set --secret` puts it there, encrypted.
    secrets = {SECRET_KEY: SECRET} if values[f"{PROJECT}:platform"] == "local" else {}
    return judged(render(values | secrets))


@every_environment
def test_no_environment_violates_a_rule(file: Path) -> None:
    """Advisory rules too: what is only told is not read for long."""
    environment = file.name.split(".")[1]
    context = Context(environment=environment, open_to_internet=OPEN_TO_INTERNET.get(environment, frozenset()))
    assert [str(violation) for violation in judge(RULES, STACK_RULES, asked_for(file), context)] == []


@every_environment
def test_no_environment_has_a_document_that_the_linter_objects_to(file: Path) -> None:
    """The linter knows actions, and the resources and conditions that go with each."""
    assert list(lint_all(asked_for(file))) == []


@every_environment
def test_the_rules_have_something_to_look_at(file: Path) -> None:
    """A name that is misspelt would let everything pass."""
    types = {resource.type for resource in asked_for(file)}
    assert types & POD_TYPES
    if any(type_.startswith("aws:") for type_ in types):
        assert types & DOCUMENT_TYPES
        assert all(rule.applies_to for rule in RULES)


def test_a_violation_in_an_environment_is_found() -> None:
    """What the program asks for has the shape that the rules read."""
    (local,) = [file for file in STACKS if file.name == "Pulumi.local.yaml"]
    spoilt = [
        Resource(
            type=resource.type,
            name=resource.name,
            properties=json.loads(json.dumps(resource.properties).replace(":v1.8.0", ":latest")),
        )
        for resource in asked_for(local)
    ]
    found = {violation.rule for violation in judge(RULES, STACK_RULES, spoilt, Context(environment="local"))}
    assert found == {"images-are-pinned"}


@pytest.mark.parametrize(
    ("action", "resource", "objections"),
    [
        ("s3:GetObject", "arn:aws:s3:::models/*", []),
        ("s3:GetObjekt", "arn:aws:s3:::models/*", ["UNKNOWN_ACTION"]),
        ("s3:GetObject", "arn:aws:s3:::models", ["RESOURCE_MISMATCH"]),
    ],
)
def test_the_linter_knows_actions_and_their_resources(action: str, resource: str, objections: list[str]) -> None:
    """It is not asked in vain."""
    statement = {"Effect": "Allow", "Action": [action], "Resource": [resource]}
    found = lint({"Version": "2012-10-17", "Statement": [statement]})
    assert [line.split(":")[0] for line in found] == objections
