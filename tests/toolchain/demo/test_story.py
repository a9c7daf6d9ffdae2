"""The figures and the page that a demo leaves."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from sklearn.metrics import log_loss as sklearn_log_loss  # type: ignore[import-untyped] # scikit-learn ships no types
from sklearn.metrics import roc_auc_score

from tests.browser import browser, open_page
from toolchain.demo.comparison import compare, log_loss, roc_auc
from toolchain.demo.sight import ESTIMATED, METRIC
from toolchain.demo.story import Event, Story

BEGAN = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)


Array = npt.NDArray[np.float64]


def labelled_rows(count: int) -> tuple[Array, Array]:
    """The truth about some rows, and what is unknown to every model."""
    random = np.random.default_rng(1)
    return random.integers(2, size=count).astype(float), random.normal(size=count)


def answered_by(skill: float, truth: Array, noise: Array) -> Array:
    """The answers of a model that knows the truth so well."""
    answered: Array = 1 / (1 + np.exp(-skill * (truth - 0.5) - noise))
    return answered


def test_measures_are_scikit_learns() -> None:
    """With ties among the probabilities."""
    random = np.random.default_rng(1)
    truth = random.integers(2, size=500).astype(float)
    probabilities = random.integers(1, 20, size=500) / 20
    assert roc_auc(probabilities, truth) == pytest.approx(roc_auc_score(truth, probabilities), abs=1e-12)
    assert log_loss(probabilities, truth) == pytest.approx(sklearn_log_loss(truth, probabilities), abs=1e-12)


def test_a_better_model_is_told_from_an_equal_one() -> None:
    """By intervals that leave zero out, or hold it."""
    truth, noise = labelled_rows(2000)
    worse = answered_by(2, truth, noise)
    gained = compare(worse, answered_by(4, truth, noise), truth)
    assert gained.rows == 2000
    assert gained.roc_auc_gain[0] > 0
    assert gained.log_loss_gain[0] > 0
    same = compare(worse, answered_by(2, truth, np.random.default_rng(2).normal(size=2000)), truth)
    assert same.roc_auc_gain[0] < 0 < same.roc_auc_gain[1]


def measure(number: int, seconds: float, family: str, column: str, method: str) -> dict[str, object]:
    """What the drift service says of a chunk."""
    end = BEGAN + timedelta(seconds=seconds)
    return {
        "chunk": number,
        "end": end.isoformat(),
        "family": family,
        "column": column,
        "method": method,
        "value": 0.9,
        "lower_threshold": 0.8,
        "upper_threshold": 0.95,
        "alert": False,
    }


def a_story() -> Story:
    """Of two chunks, with names that are markup."""
    story = Story("car-loan", BEGAN, 60.0)
    column = "<script>alert(1)</script>"
    for seconds in (-10, 20, 40):
        number = seconds // 20
        story.keep(1, [measure(number, seconds, ESTIMATED, "", METRIC)])
        story.keep(1, [measure(number, seconds, "univariate", column, "jensen_shannon")])
    story.events.append(Event(61.5, "alert", "<b>FeatureDriftDetected</b> fires"))
    story.requests = {"answered": 100, "failed": 0}
    story.versions = (1, 2)
    story.comparison = compare(
        answered_by(2, *labelled_rows(100)), answered_by(4, *labelled_rows(100)), labelled_rows(100)[0]
    )
    return story


def test_a_story_holds_what_was_seen_of_its_own_time(tmp_path: Path) -> None:
    """Figures as JSON; a page that fetches nothing and shows names as text."""
    page = a_story().write(tmp_path).read_text(encoding="utf-8")
    figures = json.loads((tmp_path / "story.json").read_text(encoding="utf-8"))
    assert [point["seconds"] for point in figures["performance"]] == [20, 40]
    assert figures["versions"] == [1, 2]
    assert "<td>1:01</td>" in page
    assert "&lt;b&gt;FeatureDriftDetected" in page
    assert "<script>alert" not in page
    assert 'src="http' not in page
    assert "default-src 'none'" in page


@pytest.mark.engine
def test_a_browser_shows_both_plots_of_a_story_and_asks_nobody(tmp_path: Path) -> None:
    """From a disk, as people open it: estimated performance with what is allowed, and the drift of a column."""
    page = a_story().write(tmp_path)
    with browser() as running:
        seen = open_page(running, page.as_uri())
    assert seen.complaints == []
    assert seen.requests == [page.as_uri()]
    assert seen.plots == {"plot1": 2, "plot2": 1}
