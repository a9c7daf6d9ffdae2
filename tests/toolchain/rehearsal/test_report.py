"""The outcome of a rehearsal."""

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from toolchain.rehearsal.report import Report, StepFailedError


def _report() -> tuple[Report, io.StringIO]:
    shown = io.StringIO()
    return Report("prod", ["first", "second", "third"], Console(file=shown, width=100)), shown


def test_a_failure_is_told_and_what_comes_after_it_was_not_run(tmp_path: Path) -> None:
    """In the table, and in the file."""
    report, shown = _report()
    with report.step(0):
        report.say("seen [this]")
    with pytest.raises(StepFailedError), report.step(1):
        raise StepFailedError("nothing came")
    report.write(tmp_path / "prod.json")
    document = json.loads((tmp_path / "prod.json").read_text())
    assert not document["passed"]
    assert [step["verdict"] for step in document["steps"]] == ["passed", "failed", "not run"]
    assert document["steps"][0]["seen"] == ["seen [this]"]
    assert document["steps"][1]["failure"] == "nothing came"
    assert "seen [this]" in shown.getvalue()
    Console(file=shown, width=100).print(report.table())
    assert "nothing came" in shown.getvalue()
    assert "not run" in shown.getvalue()


def test_it_passed_when_every_step_did() -> None:
    """And not before."""
    report, _ = _report()
    for index in range(3):
        assert not report.passed
        with report.step(index):
            pass
    assert report.passed


def test_a_step_that_is_interrupted_did_not_pass() -> None:
    """Ctrl-C is no success."""
    report, _ = _report()
    with pytest.raises(KeyboardInterrupt), report.step(0):
        raise KeyboardInterrupt
    assert report.entries[0].failure == "KeyboardInterrupt"
