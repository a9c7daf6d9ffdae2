"""Rules: each alert is tested, has a runbook, and asks for what somebody exports."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from monitoring import catalogue, promql, rules

PROMETHEUS = Path(__file__).parents[2] / "monitoring" / "prometheus"
GOOD = """groups:
  - name: a
    rules:
      - alert: ScoringDown
        expr: up == 0
        labels: {severity: critical, owner: models}
        annotations: {summary: a, description: b, runbook: monitoring/runbooks/ScoringDown.md}
"""

subjects = pytest.mark.parametrize("subject", rules.subjects())


def promtool_tests(subject: str) -> list[dict[str, Any]]:
    """The promtool tests of a subject."""
    document = yaml.safe_load((rules.FOLDER / f"{subject}.test.yaml").read_text(encoding="utf-8"))
    return list(document["tests"])


def alerts(subject: str) -> set[str]:
    """The alerts of a subject."""
    return {
        rule.name
        for file in rules.read(rules.subjects())
        if file.subject == subject
        for rule in file.rules
        if rule.is_alert
    }


@subjects
def test_every_alert_is_made_to_fire(subject: str) -> None:
    """A rule that never fires in a test may never fire at all."""
    checks = [check for test in promtool_tests(subject) for check in test["alert_rule_test"]]
    assert alerts(subject) == {check["alertname"] for check in checks if check["exp_alerts"]}


@subjects
def test_every_alert_that_is_not_for_absence_alone_is_silent_before_it_fires(subject: str) -> None:
    """An alert that always fires passes every test of firing."""
    silent = {
        check["alertname"]
        for test in promtool_tests(subject)
        for check in test["alert_rule_test"]
        if not check["exp_alerts"]
    }
    assert alerts(subject) - silent <= {"Watchdog"}


@subjects
def test_what_happens_without_any_series_is_decided_for_every_alert(subject: str) -> None:
    """No data is an answer too: firing or silent, but stated."""
    (nothing,) = [test for test in promtool_tests(subject) if test["name"].startswith("nothing is there")]
    assert "input_series" not in nothing
    assert {check["alertname"] for check in nothing["alert_rule_test"]} == alerts(subject)


def test_every_runbook_belongs_to_an_alert_and_says_all_that_it_should() -> None:
    """A page that nobody is sent to is read by nobody."""
    names = {name for subject in rules.subjects() for name in alerts(subject)}
    pages = {page.stem: page.read_text(encoding="utf-8") for page in rules.RUNBOOKS.glob("*.md")}
    assert pages.keys() == names
    headings = ("What it means", "What the user feels", "How to look", "What to do", "How to undo")
    for name, text in pages.items():
        assert [line[3:] for line in text.splitlines() if line.startswith("## ")] == list(headings), name


@pytest.fixture(scope="module")
def known() -> promql.Series:
    """What the exporters give and the rules record."""
    return rules.recorded(rules.read(rules.subjects()))


@pytest.mark.parametrize("page", sorted(rules.RUNBOOKS.glob("*.md")), ids=lambda page: page.stem)
def test_a_runbooks_queries_would_be_answered(page: Path, known: promql.Series) -> None:
    """Who was woken up pastes them: each parses, and asks for series and labels that there are."""
    queries = re.findall(r"--data-urlencode 'query=([^']+)'", page.read_text(encoding="utf-8"))
    for query in queries:
        if "__name__" not in query:
            promql.check(query, known)
    assert page.read_text(encoding="utf-8").count("query=") == len(queries)


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        ("up == 0", "up == (0", 4, "unclosed left parenthesis"),
        ("up == 0", "uptime == 0", 4, "has a metric uptime"),
        ("up == 0", 'up{colour="red"} == 0', 4, "no label colour"),
        ("up == 0", "sum by (colour) (up) == 0", 4, "no label colour"),
        ("critical", "urgent", 4, "severity is urgent"),
        (", owner: models", "", 4, "has no label owner"),
        ("summary: a, ", "", 4, "has no annotation summary"),
        ("alert: ScoringDown", "alert: Unknown", 4, "its runbook is"),
        ("expr: up == 0", "expr: [", 7, "expected"),
    ],
)
def test_a_rule_that_would_not_work_is_refused_by_file_and_line(
    tmp_path: Path, old: str, new: str, line: int, said: str
) -> None:
    """The same check runs at `pulumi preview`."""
    (tmp_path / "a.yaml").write_text(GOOD, encoding="utf-8")
    rules.read(["a"], tmp_path)
    (tmp_path / "a.yaml").write_text(GOOD.replace(old, new), encoding="utf-8")
    with pytest.raises(rules.RuleError, match=rf"a\.yaml:{line}: .*{said}"):
        rules.read(["a"], tmp_path)


def test_no_rule_names_a_model() -> None:
    """A fork adds a model by configuration alone."""
    for file in rules.read(rules.subjects()):
        assert "car-loan" not in file.text, file.subject


def test_every_alert_on_a_models_metrics_says_which_model() -> None:
    """The model that a fork adds has its own alerts, by name, without an edit here."""
    files = rules.read(rules.subjects())
    known = rules.recorded(files)
    of_services = {
        name
        for metric in catalogue.metrics()
        if metric.exporter in {"scoring", "drift", "retraining"}
        for name in metric.series()
    }
    checked = set()
    for rule in (rule for file in files for rule in file.rules if rule.is_alert):
        asked = promql.names(rule.expr)
        if asked & of_services or any(name.startswith("model:") for name in asked):
            assert "model" in promql.check(rule.expr, known), rule.name
            checked.add(rule.name)
    assert len(checked) > 20


def test_a_label_that_a_query_makes_is_known_and_one_that_it_is_made_from_must_be_there() -> None:
    """label_replace of what does not exist gives nothing."""
    made = 'label_replace(up, "family", "$1", "{}", "(.+)")'
    assert "family" in promql.check(made.format("job"), catalogue.series())
    with pytest.raises(promql.QueryError, match="no label colour"):
        promql.check(made.format("colour"), catalogue.series())


def test_the_catalogue_has_no_metric_that_nothing_asks_for_twice() -> None:
    """A metric has one entry for each exporter."""
    names = [(metric.exporter, metric.name) for metric in catalogue.metrics()]
    assert len(names) == len(set(names))
    assert promql.names("sum(rate(scoring_predictions_total[5m]))") <= catalogue.series().keys()


@pytest.mark.engine
@subjects
def test_promtool_agrees(subject: str) -> None:
    """Silent first, then firing, with the words that people read."""
    promtool = shutil.which("promtool")
    assert promtool, "promtool is not on PATH: `make test-engine` puts it there"
    done = subprocess.run(
        [promtool, "test", "rules", str(rules.FOLDER / f"{subject}.test.yaml")],
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout + done.stderr
