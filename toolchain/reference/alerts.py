"""Every alert, with its severity, its owner and its runbook."""

import re

from monitoring import rules

_CHOICE = re.compile(r"\{\{ if .*? \}\}(.*?)\{\{ else \}\}(.*?)\{\{ end \}\}")
_LABEL = re.compile(r"\{\{ *\$labels\.(\w+) *\}\}")
_VALUE = re.compile(r"\{\{ *\$value.*?\}\}")


def page() -> str:
    """The page in Markdown."""
    lines = [
        "# Alerts",
        "",
        "Written from `monitoring/rules/` by `make docs`. Critical calls somebody, warning waits for working hours,",
        "none is for machines. Each has a runbook, and a test in which it is silent first and then fires.",
        "",
    ]
    for file in rules.read(rules.subjects()):
        alerts = [rule for rule in file.rules if rule.is_alert]
        if alerts:
            title = file.subject.replace("_", " ")
            lines += [f"## {title}", "", "| alert | severity | owner | meaning |", "| --- | --- | --- | --- |"]
            for rule in alerts:
                runbook = f"[{rule.name}](../../monitoring/runbooks/{rule.name}.md)"
                who = f"{rule.labels['severity']} | {rule.labels['owner']}"
                lines.append(f"| {runbook} | {who} | {_plain(rule.annotations['summary'])} |")
            lines.append("")
    return "\n".join(lines)


def _plain(summary: str) -> str:
    """A summary with words in place of Prometheus' templates."""
    told = _VALUE.sub("*value*", _LABEL.sub(r"*\1*", _CHOICE.sub(r"\1 or \2", summary)))
    return told.replace("|", "\\|")
