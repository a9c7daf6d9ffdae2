"""The loop from drift to a better champion, as `make demo` shows it, with nobody in between."""

import json

import pytest

from tests.e2e.harness import ROOT, Stack

pytestmark = pytest.mark.e2e

_STORY = ROOT / "build" / "demo"


@pytest.mark.timeout(1200)
def test_the_loop_closes_by_itself_and_loses_no_request(stack: Stack) -> None:
    """Drift, an estimate before any truth, the alert, a run, its gates, every replica's swap; and it was worth it."""
    told = stack.make("demo")
    story = json.loads((_STORY / "story.json").read_text(encoding="utf-8"))
    assert story["requests"]["failed"] == 0
    former, new = story["versions"]
    assert former == 1 < new
    assert story["comparison"]["log_loss_gain"][0] > 0
    events = [(event["kind"], event["text"]) for event in story["events"]]
    order = [
        ("traffic", "cars are worth two thirds more from here on"),
        ("estimated", "not one drifted row's truth has been told so far"),
        ("alert", "FeatureDriftDetected fires"),
        ("gate", next(text for kind, text in events if kind == "gate" and text.startswith("promoted"))),
        ("swap", f"every replica serves version {new}"),
    ]
    places = [events.index(event) for event in order]
    assert places == sorted(places), told[-3000:]
    assert "cdn" not in (_STORY / "story.html").read_text(encoding="utf-8")[:2000]
