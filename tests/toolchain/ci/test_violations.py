"""What the policy pack objects to is shown at the line that asks for it."""

import json
from typing import Any

from toolchain.ci.violations import read_violations

URN = "urn:pulumi:dev::p::aws:ecr/repository:Repository::scoring"


def event(urn: str = URN, level: str = "mandatory") -> str:
    """A line of the event log."""
    message = "Images are scanned.\nimageScanningConfiguration.scanOnPush: not scanned, 100%; set it to true\n"
    policy = {"resourceUrn": urn, "message": message, "policyName": "images-are-scanned", "enforcementLevel": level}
    return json.dumps({"sequence": 1, "policyEvent": policy})


def plan(*positions: str | None) -> str:
    """A plan whose resource was asked for through these places, innermost first."""
    frames: list[dict[str, Any]] = [{"sourcePosition": position} if position else {} for position in positions]
    return json.dumps({"steps": [{"op": "create", "urn": URN, "newState": {"stackTrace": frames}}, {"urn": "x"}]})


def test_the_line_is_the_innermost_of_the_program() -> None:
    """Not the SDK's, which the program called, and not the program's entry, which leads everywhere."""
    positions = (
        "project:///.venv/lib/python3.11/site-packages/pulumi_aws/ecr.py#9",
        None,
        "project:///infra/aws/registry.py#74",
        "project:///infra/__main__.py#23",
    )
    (found,) = read_violations([json.dumps({"sequence": 0}), event()], plan(*positions))
    assert found.annotation == (
        "::error file=infra/aws/registry.py,line=74,title=images-are-scanned::"
        "scoring: imageScanningConfiguration.scanOnPush: not scanned, 100%25; set it to true"
    )
    assert str(found).startswith("infra/aws/registry.py:74: images-are-scanned: scoring: ")


def test_what_is_only_advised_is_a_warning() -> None:
    """It does not stop an update."""
    (found,) = read_violations([event(level="advisory")], plan())
    assert found.annotation.startswith("::warning ")
    assert not found.stops


def test_a_violation_of_the_stack_as_a_whole_has_no_line() -> None:
    """It is told all the same."""
    (found,) = read_violations([event(urn="")], plan())
    assert found.annotation.startswith("::error title=images-are-scanned::")


def test_one_violation_is_told_once() -> None:
    """A rule is asked during the preview and again at its end."""
    assert len(read_violations([event(), event()], plan())) == 1
