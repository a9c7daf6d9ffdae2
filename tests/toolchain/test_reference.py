"""The reference pages are those that the code writes."""

import re

import pytest

from monitoring import catalogue, rules
from toolchain.reference import alerts, http_api
from toolchain.reference.commands import targets
from toolchain.reference.configuration import tables
from toolchain.reference.metrics import page as metrics_page
from toolchain.reference.pages import FOLDER, PAGES


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_what_the_code_says_today(name: str) -> None:
    """Otherwise run `make docs`."""
    assert (FOLDER / name).read_text(encoding="utf-8") == PAGES[name](), "run `make docs` and commit what it writes"


def test_every_section_of_the_configuration_has_a_table() -> None:
    """Down to the innermost."""
    paths = [table.path for table in tables()]
    assert {"realtime-ml:", "realtime-ml:scoring.resources", "realtime-ml:aws.network", "realtime-ml:models[]"} <= set(
        paths
    )
    assert len(paths) == len(set(paths))


def test_every_metric_of_a_service_that_is_documented_is_in_the_catalogue_and_the_other_way_round() -> None:
    """A new metric is on the page, or this fails."""
    text = metrics_page()
    for metric in catalogue.metrics():
        if metric.exporter == "scoring" and metric.name.startswith("scoring_"):
            assert f"| `{metric.name}` | {metric.type} |" in text, metric.name
    for line in text.splitlines():
        if line.startswith("| `"):
            assert line.split("`")[1] in {metric.name for metric in catalogue.metrics()}, line


def test_every_alert_is_documented_without_a_template() -> None:
    """What Prometheus fills in stands there by its name."""
    text = alerts.page()
    for file in rules.read(rules.subjects()):
        for rule in file.rules:
            if rule.is_alert:
                assert f"[{rule.name}](../../monitoring/runbooks/{rule.name}.md)" in text
    assert "{{" not in text
    assert "<" not in text, "it would be taken for HTML"


@pytest.mark.parametrize(
    ("service", "some"),
    [
        ("Scoring", {"/v1/predict", "/v1/labels", "/live", "/ready"}),
        ("Drift", {"/v1/results", "/v1/evaluate", "/report/{model}", "/healthz", "/metrics"}),
        ("Retraining", {"/v1/alerts", "/v1/retrain", "/v1/runs", "/ready"}),
    ],
)
def test_every_route_is_documented_with_what_it_may_answer(service: str, some: set[str]) -> None:
    """Those of the probes, too."""
    _, _, text = http_api.page().partition(f"\n## {service}\n")
    (text, *_) = text.split("\n## ")
    paths = http_api.DOCUMENTS[service]()["paths"]
    assert some <= paths.keys()
    for path, methods in paths.items():
        for method, operation in methods.items():
            _, _, told = text.partition(f"### `{method.upper()} {path}`\n\n")
            assert len(told.splitlines()[0]) > 10, path
            assert operation["responses"].keys() <= set(re.findall(r"^\| (\w+) \|", told, re.MULTILINE))


def test_every_target_of_the_makefile_says_what_it_does() -> None:
    """`make help` and the page are made of it."""
    assert {"up", "test", "lint", "init-fork", "site"} <= targets().keys()
