"""The preview of an environment as continuous integration runs it: its plan, its comment, its violations."""

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from toolchain import environments
from toolchain.ci.comment import render
from toolchain.ci.plan import read_plan
from toolchain.ci.prices import read_prices
from toolchain.ci.violations import Violation, read_violations
from toolchain.errors import ToolchainError
from toolchain.paths import REPOSITORY

POLICY_PACK = REPOSITORY / "infra" / "policy"


@dataclass(frozen=True, slots=True)
class Preview:
    """What a reviewer is shown.

    Attributes:
        comment: in GitHub's Markdown.
        violations: of the policy pack.
    """

    comment: str
    violations: list[Violation]


def preview(name: str, folder: Path) -> Preview:
    """Preview an environment, against its state where `PULUMI_BACKEND_URL` says where that is, else from nothing.

    Args:
        name: of the environment.
        folder: for what Pulumi reports.

    Raises:
        ToolchainError: Pulumi failed for another reason than a rule of the policy pack.
    """
    folder.mkdir(parents=True, exist_ok=True)
    events = folder / f"{name}.events.json"
    arguments, variables = environments.previewing(name)
    command = ["pulumi", "--non-interactive", *arguments, "--json", f"--event-log={events}"]
    done = subprocess.run(
        [*command, f"--policy-pack={POLICY_PACK}"],
        # The event log is one of Pulumi's commands for debugging; nothing else tells of violations beside a plan.
        env={**variables, "PULUMI_DEBUG_COMMANDS": "true"},
        capture_output=True,
        text=True,
        check=False,
    )
    lines = events.read_text(encoding="utf-8").splitlines() if events.exists() else []
    violations = read_violations(lines, done.stdout) if done.stdout.startswith("{") else []
    if done.returncode != 0 and not any(violation.stops for violation in violations):
        said = "\n".join([*_errors(done.stdout), done.stderr.strip()[-2000:]])
        raise ToolchainError(
            f"previewing {name}", said or f"Pulumi ended with {done.returncode}", "mend it, push again"
        )
    without_state = not os.environ.get("PULUMI_BACKEND_URL")
    comment = render(name, read_plan(done.stdout), read_prices(), without_state=without_state)
    return Preview(_with(violations, comment), violations)


def _with(violations: list[Violation], comment: str) -> str:
    if not violations:
        return comment
    head, first, rest = comment.split("\n", 2)
    lines = [
        f"- :no_entry: `{each.rule}`: **{each.resource}** ({each.file}:{each.line}): {each.message}"
        for each in violations
    ]
    return "\n".join([head, first, "", *lines, rest])


def _errors(output: str) -> list[str]:
    """What Pulumi says of its errors, which with `--json` are part of the document."""
    try:
        diagnostics = json.loads(output).get("diagnostics") or []
    except ValueError:
        return []
    return [entry["message"].strip() for entry in diagnostics if entry["severity"] == "error"]
