"""The comment on a pull request: what would happen to an environment, what can lose data first."""

from collections.abc import Sequence
from typing import Final

from toolchain.ci.alerts import alert_changes
from toolchain.ci.plan import Action, Change, Plan
from toolchain.ci.prices import Prices

LIMIT_CHARACTERS: Final = 60_000
"""GitHub refuses a comment of more than 65,536."""

_HOLD_DATA: Final = frozenset(
    {
        "aws:ec2/vpc:Vpc",
        "aws:ecr/repository:Repository",
        "aws:eks/cluster:Cluster",
        "aws:kms/key:Key",
        "aws:s3/bucket:Bucket",
        "kubernetes:apps/v1:StatefulSet",
        "kubernetes:core/v1:Namespace",
        "kubernetes:core/v1:PersistentVolumeClaim",
    }
)
"""What takes data, or everything inside it, along when it goes."""

_RUN_NODES: Final = frozenset({"kubernetes:karpenter.sh/v1:NodePool", "kubernetes:eks.amazonaws.com/v1:NodeClass"})
"""What takes nodes along when it goes, with the pods on them."""

_VERBS: Final = {
    Action.REPLACE: "replaced",
    Action.DELETE: "deleted",
    Action.UPDATE: "changed",
    Action.CREATE: "created",
}
_SHOWN_REASONS: Final = 6
_DANGER: Final = ":rotating_light:"
_SIGNS: Final = (_DANGER, ":no_entry:")


def marker(environment: str) -> str:
    """What tells an environment's comment from others, so that it is rewritten and not repeated."""
    return f"<!-- realtime-ml plan {environment} -->"


def render(environment: str, plan: Plan, prices: Prices, *, without_state: bool = False) -> str:
    """The comment, in GitHub's Markdown.

    Args:
        environment: whose plan it is.
        plan: what would happen.
        prices: what the standing parts cost.
        without_state: whether it is the whole plan from nothing, as a pull request from a fork gets it.
    """
    dangers = _dangers(plan.changes)
    lines = [marker(environment), f"### `{environment}`: {_summary(plan)}", ""]
    lines += [*dangers, ""] if dangers else []
    if without_state:
        lines += ["No access to the state: this is the whole plan, from nothing.", ""]
    if not plan.changes:
        return "\n".join([*lines, f"{plan.unchanged} resources stay as they are.", ""])
    lines += [_cost(prices.difference(plan), prices), ""]
    lines += _alert_lines(plan.changes)
    for action in Action:
        changes = [change for change in plan.changes if change.action is action]
        if changes:
            lines += _section(action, changes)
    return _cut("\n".join(lines), LIMIT_CHARACTERS)


def joined(texts: Sequence[str], limit: int) -> str:
    """The comments of several environments as one: those with something to worry about first, each with its share."""
    ordered = sorted(texts, key=lambda text: not any(sign in text for sign in _SIGNS))
    head = marker("all")
    share = (limit - len(head)) // max(len(ordered), 1) - 1
    return "\n".join([head, *(_cut(text, share) for text in ordered)])


def _cut(text: str, limit: int) -> str:
    if len(text) <= limit:
        return text
    note = "\n\n... cut: the whole plan is in the job's log.\n"
    return text[: limit - len(note)] + note


def _summary(plan: Plan) -> str:
    counts = {action: sum(change.action is action for change in plan.changes) for action in Action}
    told = [f"{count} {_VERBS[action]}" for action, count in counts.items() if count]
    return ", ".join(told) if told else "no change"


def _dangers(changes: Sequence[Change]) -> list[str]:
    """A line for each change that loses data or takes nodes away, worst first."""
    lines = []
    for types, what in ((_HOLD_DATA, "takes its data along"), (_RUN_NODES, "drains its nodes and the pods on them")):
        for change in changes:
            if change.type in types and change.action in {Action.REPLACE, Action.DELETE}:
                held = " It is protected: the `up` will refuse." if change.protected else ""
                lines.append(
                    f"- {_DANGER} **{change.kind} `{change.name}` is {_VERBS[change.action]}**: {what}."
                    f"{_because(change)}{held}"
                )
    return lines


def _because(change: Change) -> str:
    if change.action is not Action.REPLACE or not change.because:
        return ""
    return f" Forced by {_reasons(change)}."


def _reasons(change: Change) -> str:
    shown = ", ".join(f"`{reason}`" for reason in change.because[:_SHOWN_REASONS])
    rest = len(change.because) - _SHOWN_REASONS
    return f"{shown} and {rest} more" if rest > 0 else shown


def _cost(difference: float, prices: Prices) -> str:
    amount = "no difference" if abs(difference) < 0.005 else f"{difference:+,.2f} {prices.currency} a month"  # noqa: PLR2004 - half a cent
    return f"Standing cost: {amount} (list prices, {prices.region}, {prices.as_of}; nodes and traffic not counted)."


def _alert_lines(changes: Sequence[Change]) -> list[str]:
    added, removed = set[str](), set[str]()
    for change in changes:
        more, fewer = alert_changes(change)
        added.update(more)
        removed.update(fewer)
    lines = [
        f"Alerts {verb}: {', '.join(f'`{name}`' for name in sorted(names))}."
        for verb, names in (("added", added - removed), ("removed", removed - added))
        if names
    ]
    return [*lines, ""] if lines else []


def _section(action: Action, changes: Sequence[Change]) -> list[str]:
    # What is new is rarely what a reviewer has to worry about, and a first plan is long.
    folded = action is Action.CREATE
    head = f"{len(changes)} {_VERBS[action]}"
    rows = [f"| `{change.name}` | {change.kind} | {_reasons(change)} |" for change in changes]
    table = ["| name | kind | properties |", "| --- | --- | --- |", *rows, ""]
    if folded:
        return [f"<details><summary>{head}</summary>", "", *table, "</details>", ""]
    return [f"#### {head}", "", *table]
