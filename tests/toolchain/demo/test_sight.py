"""What is told of a look at the stack: what is new in it, once."""

from typing import Any

import pytest

from toolchain.demo.sight import ESTIMATED, METRIC, Sight, news


def chunk(number: int, value: float, *, alert: bool = False, family: str = ESTIMATED) -> dict[str, Any]:
    """Performance of a chunk, of which the reference allows no less than 0.93."""
    return {
        "chunk": number,
        "family": family,
        "column": "",
        "method": METRIC,
        "value": value,
        "alert": alert,
        "lower_threshold": 0.93,
    }


def drift(number: int, column: str) -> dict[str, Any]:
    """A column that drifts in a chunk."""
    return {"chunk": number, "family": "univariate", "column": column, "method": "jensen_shannon", "alert": True}


def run(state: str, result: str = "") -> dict[str, Any]:
    """A retraining run."""
    return {
        "run": "1",
        "job": "retraining-car-loan-1",
        "trigger": "alert",
        "state": state,
        "result": result,
        "message": "AUC 0.97 against 0.96",
        "version": 2 if result == "promoted" else None,
    }


@pytest.mark.parametrize(
    ("before", "now", "told"),
    [
        (Sight(), Sight(), []),
        (
            Sight(1, [chunk(1, 0.95)]),
            Sight(1, [chunk(1, 0.95), chunk(2, 0.92, alert=True)]),
            ["estimated accuracy falls to 0.9200; the reference allows 0.9300"],
        ),
        # Better than ever is an alert of NannyML's as well.
        (Sight(1, [chunk(1, 0.95)]), Sight(1, [chunk(1, 0.95), chunk(2, 0.99, alert=True)]), []),
        (
            Sight(1, [chunk(1, 0.92, alert=True)]),
            Sight(1, [chunk(2, 0.95)]),
            ["estimated accuracy is back at 0.9500"],
        ),
        # Another champion has chunks of its own.
        (
            Sight(1, [chunk(7, 0.92, alert=True)]),
            Sight(2, [chunk(0, 0.95)]),
            ["estimated accuracy of the champion's first chunk is 0.9500"],
        ),
        (
            Sight(1, [chunk(1, 0.95)]),
            Sight(1, [chunk(1, 0.95), drift(1, "car_value")]),
            ["the newest chunk no longer looks like the reference in car_value"],
        ),
        (Sight(alerts=frozenset({"A"})), Sight(alerts=frozenset({"B"})), ["B fires", "A is over"]),
        (
            Sight(),
            Sight(runs=[run("running")]),
            ["retraining-car-loan-1 begins, asked for by alert"],
        ),
        (
            Sight(runs=[run("running")]),
            Sight(runs=[run("ended", "promoted")]),
            ["promoted: AUC 0.97 against 0.96"],
        ),
        (
            Sight(replicas={"a": 1, "b": 1}),
            Sight(replicas={"a": 2, "b": 1}),
            ["a replica serves version 2"],
        ),
        (
            Sight(replicas={"a": 2, "b": 1}),
            Sight(replicas={"a": 2, "b": 2}),
            ["every replica serves version 2"],
        ),
        # Between two looks all of them may have swapped.
        (
            Sight(replicas={"a": 1, "b": 1}),
            Sight(replicas={"a": 2, "b": 2}),
            ["a replica serves version 2", "every replica serves version 2"],
        ),
    ],
)
def test_what_is_new_is_told(before: Sight, now: Sight, told: list[str]) -> None:
    """And nothing else."""
    assert [text for _, text in news(before, now)] == told
    assert list(news(now, now)) == []


def test_only_a_run_of_this_demo_counts_as_its_promotion() -> None:
    """An earlier one stays in the list of runs."""
    sight = Sight(runs=[run("ended", "promoted")])
    assert sight.promoted(frozenset()) == 2
    assert sight.promoted(sight.known_runs) is None
    assert Sight(runs=[run("ended", "refused")]).promoted(frozenset()) is None
