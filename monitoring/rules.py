"""Reads Prometheus' rule files, and refuses what would not work: by file and line, before anything is deployed."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import yaml

from monitoring import catalogue, promql

FOLDER: Final = Path(__file__).parent / "rules"
RUNBOOKS: Final = Path(__file__).parent / "runbooks"
ROOT: Final = Path(__file__).parents[1]

SEVERITIES: Final = frozenset({"critical", "warning", "none"})
"""critical calls somebody, warning waits for working hours, none is for machines."""

OWNERS: Final = frozenset({"models", "platform"})

_LABELS: Final = frozenset({"severity", "owner"})
_ANNOTATIONS: Final = frozenset({"summary", "description", "runbook"})
_TEST: Final = ".test.yaml"


class RuleError(ValueError):
    """Rule files that are not deployed; its text has a line for each problem, beginning with file and line."""


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A recording rule or an alert.

    Attributes:
        name: of the series that it records, or of the alert.
        is_alert: which of the two it is.
        expr: its query.
        labels: that it adds.
        annotations: of an alert.
        place: file and line, such as `monitoring/rules/drift.yaml:12`.
    """

    name: str
    is_alert: bool
    expr: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    place: str


@dataclass(frozen=True, kw_only=True)
class RuleFile:
    """The rules on one subject.

    Attributes:
        subject: the file's name without its ending.
        text: the file as Prometheus gets it.
        rules: what stands in it.
    """

    subject: str
    text: str
    rules: Sequence[Rule]


def subjects(folder: Path = FOLDER) -> list[str]:
    """Every subject that has a rule file."""
    return sorted(path.stem for path in folder.glob("*.yaml") if not path.name.endswith(_TEST))


def read(wanted: Sequence[str], folder: Path = FOLDER) -> list[RuleFile]:
    """Reads and checks the files of these subjects.

    A rule may use what another of these files records.

    Raises:
        RuleError: naming every problem at once.
    """
    problems: list[str] = []
    files: list[RuleFile] = []
    for subject in wanted:
        path = folder / f"{subject}.yaml"
        try:
            files.append(_file(path))
        except (yaml.YAMLError, RuleError) as error:
            problems.append(_located(path, error))
    rules = [rule for file in files for rule in file.rules]
    known = _with_recorded(rules, problems)
    for rule in rules:
        problems += (f"{rule.place}: {rule.name}: {problem}" for problem in _problems(rule, known))
    if problems:
        raise RuleError("\n".join(["the rules are refused, nothing was changed:", *(f"  {line}" for line in problems)]))
    return files


def recorded(files: Sequence[RuleFile]) -> Mapping[str, frozenset[str]]:
    """Every series that there is once these rules run, with its labels."""
    return _with_recorded([rule for file in files for rule in file.rules], [])


def _with_recorded(rules: Sequence[Rule], problems: list[str]) -> dict[str, frozenset[str]]:
    """The exporters' series and those that rules record, which may rest on each other in any order."""
    known = dict(catalogue.series())
    waiting = [rule for rule in rules if not rule.is_alert]
    while waiting:
        later, reasons = [], []
        for rule in waiting:
            try:
                known[rule.name] = promql.check(rule.expr, known) | rule.labels.keys()
            except promql.QueryError as error:
                later.append(rule)
                reasons.append(f"{rule.place}: {rule.name}: {error}")
        if len(later) == len(waiting):
            problems += reasons
            break
        waiting = later
    return known


def _problems(rule: Rule, known: promql.Series) -> Iterator[str]:
    if not rule.is_alert:
        return  # looked at while they were recorded
    try:
        promql.check(rule.expr, known)
    except promql.QueryError as error:
        yield str(error)
    if missing := _LABELS - rule.labels.keys():
        yield f"has no label {', '.join(sorted(missing))}"
    if missing := _ANNOTATIONS - rule.annotations.keys():
        yield f"has no annotation {', '.join(sorted(missing))}"
    for label, allowed in (("severity", SEVERITIES), ("owner", OWNERS)):
        if label in rule.labels and rule.labels[label] not in allowed:
            yield f"{label} is {rule.labels[label]}; allowed are {', '.join(sorted(allowed))}"
    runbook = rule.annotations.get("runbook")
    if runbook is not None and runbook != f"monitoring/runbooks/{rule.name}.md":
        yield f"its runbook is {runbook}, not monitoring/runbooks/{rule.name}.md"
    elif not (RUNBOOKS / f"{rule.name}.md").is_file():
        yield f"there is no monitoring/runbooks/{rule.name}.md"


def _file(path: Path) -> RuleFile:
    text = path.read_text(encoding="utf-8")
    document = yaml.compose(text, Loader=catalogue.LOADER)
    groups = _entries(_value(document, "groups", path), path)
    rules = [rule for group in groups for rule in _entries(_value(group, "rules", path), path)]
    return RuleFile(subject=path.stem, text=text, rules=[_rule(node, path) for node in rules])


def _rule(node: yaml.Node, path: Path) -> Rule:
    place = f"{_name(path)}:{node.start_mark.line + 1}"
    content = yaml.SafeLoader("").construct_document(node)
    name = content.get("alert") or content.get("record")
    if name is None or "expr" not in content:
        message = f"{place}: a rule needs `alert` or `record`, and `expr`"
        raise RuleError(message)
    if unknown := content.keys() - {"alert", "record", "expr", "for", "keep_firing_for", "labels", "annotations"}:
        message = f"{place}: {name}: unknown key {', '.join(sorted(unknown))}"
        raise RuleError(message)
    return Rule(
        name=name,
        is_alert="alert" in content,
        expr=str(content["expr"]),
        labels=content.get("labels", {}),
        annotations=content.get("annotations", {}),
        place=place,
    )


def _value(node: yaml.Node | None, key: str, path: Path) -> yaml.Node:
    if isinstance(node, yaml.MappingNode):
        for name, value in node.value:
            if name.value == key:
                return value  # type: ignore[no-any-return]  # pyyaml's nodes hold anything
    line = 1 if node is None else node.start_mark.line + 1
    message = f"{_name(path)}:{line}: `{key}` is missing"
    raise RuleError(message)


def _entries(node: yaml.Node, path: Path) -> list[yaml.Node]:
    if not isinstance(node, yaml.SequenceNode):
        message = f"{_name(path)}:{node.start_mark.line + 1}: must be a list"
        raise RuleError(message)
    return list(node.value)


def _located(path: Path, error: Exception) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        return f"{_name(path)}:{error.problem_mark.line + 1}: {error.problem}"
    return str(error)


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)
