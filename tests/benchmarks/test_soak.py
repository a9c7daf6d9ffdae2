"""The soak: its plan, what its verdict rests on, and how the log is counted."""

from array import array
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped] # pyarrow ships no types
import pyarrow.parquet as pq  # type: ignore[import-untyped] # pyarrow ships no types
import pytest
from lifecycle.prediction_log import MERGED_PREFIX, MOMENT, hour_prefix, merged_metadata
from lifecycle.store import ObjectStore
from obstore.store import MemoryStore

from benchmarks.ramp.load import Outcome, Window
from benchmarks.soak import report
from benchmarks.soak.plan import Plan
from benchmarks.soak.report import Facts, Growth
from benchmarks.soak.watch import Logged, Series, logged

PLAN = Plan(seconds=600, per_second=100)
MIB = 2**20


def test_the_load_is_even_and_the_champion_of_the_beginning_is_that_of_the_end() -> None:
    """As many requests as rate and time say; an even number of swaps, and none while pods are replaced."""
    due = list(PLAN.due())
    assert len(due) == 60_000
    assert due[-1] < 600
    assert len(PLAN.swaps_at) % 2 == 0
    assert min(abs(PLAN.rollout_at - moment) for moment in PLAN.swaps_at) >= 30
    assert max(PLAN.rollout_at, 0) < PLAN.early[0] < PLAN.early[1] < PLAN.last[0] < PLAN.last[1] <= PLAN.seconds


GROWTH = [
    Growth(service=service, pods=2, memory_bytes=(200 * MIB, 205 * MIB), handles=(100, 104))
    for service in ("drift", "retraining", "scoring")
]
FACTS = Facts(
    rollout=(120.0, 150.0),
    swaps=10,
    evaluations=30,
    dropped=0,
    slow_share=0.002,
    logged=Logged(rows=200, distinct=200),
    growth=GROWTH,
)


def missed(facts: Facts, *, slow: int = 0, failed: int = 0) -> list[str]:
    """The claims that a run of 200 answers, some of them slow, does not hold."""
    outcome = Outcome(5.0)
    outcome.late.append(0.001)
    for index in range(2):
        outcome.windows.append(Window(array("d", [0.5 if index and at < slow else 0.002 for at in range(100)])))
    if failed:
        outcome.failures["status 503"] = failed
    return [one.claim for one in report.verdicts(report.summary(PLAN, outcome, facts), PLAN) if not one.met]


def grown(**changes: Any) -> list[Growth]:  # noqa: ANN401 - whatever a field takes
    """Two services as they should be, and scoring otherwise."""
    return [*GROWTH[:2], replace(GROWTH[2], **changes)]


@pytest.mark.parametrize(
    ("facts", "load", "claims"),
    [
        ({}, {}, []),
        ({}, {"slow": 3}, []),
        ({}, {"failed": 1}, ["requests that failed"]),
        ({"logged": Logged(rows=199, distinct=199)}, {}, ["acknowledged predictions less those in the log"]),
        ({"logged": Logged(rows=201, distinct=201)}, {}, ["acknowledged predictions less those in the log"]),
        ({"logged": Logged(rows=201, distinct=200)}, {}, ["predictions in the log twice"]),
        ({"dropped": 1.0}, {}, ["predictions dropped"]),
        ({"slow_share": 0.011}, {}, ["answers beyond 100 ms, in the worst five minutes"]),
        ({"slow_share": float("nan")}, {}, ["answers beyond 100 ms, in the worst five minutes"]),
        ({"swaps": 9}, {}, ["swaps that reached every pod"]),
        ({"evaluations": 0}, {}, ["evaluations of drift"]),
        ({"growth": grown(memory_bytes=(200 * MIB, 251 * MIB))}, {}, []),
        ({"growth": grown(memory_bytes=(200 * MIB, 253 * MIB))}, {}, ["services whose memory or handles grew"]),
        ({"growth": grown(handles=(100, 117))}, {}, ["services whose memory or handles grew"]),
        ({"growth": GROWTH[:2]}, {}, ["services whose memory or handles grew"]),
    ],
)
def test_each_claim_falls_by_itself(facts: dict[str, Any], load: dict[str, int], claims: list[str]) -> None:
    """A run in which all went well holds every one; one thing that went wrong shows in its own claim."""
    assert missed(replace(FACTS, **facts), **load) == claims


def test_growth_is_that_of_pods_that_live_through_both_windows() -> None:
    """A pod that the rollout took away, or that came late, has nothing to be compared with; medians leave peaks out."""

    def series(values: dict[str, Any]) -> Series:
        return {
            ("scoring", pod): [(float(at), value(at)) for at in range(0, 601, 15) if value(at) is not None]
            for pod, value in values.items()
        }

    stays = {"a": lambda at: 100.0 if at < 400 else 110.0, "b": lambda at: 900.0 if at == 225 else 50.0}
    gone = {"old": lambda at: 70.0 if at < 150 else None, "new": lambda at: 70.0 if at > 500 else None}
    memory, handles = series(stays | gone), series(stays | gone)
    (found,) = report.growth(PLAN, memory, handles)
    assert asdict(found) == {
        "service": "scoring",
        "pods": 2,
        "memory_bytes": (150.0, 160.0),
        "handles": (150.0, 160.0),
    }


def test_the_log_is_counted_from_the_runs_begin_and_no_merged_prediction_twice() -> None:
    """Parts that a merged one stands for are left out, and so is what came before; a doubled id is a row more."""
    began = datetime(2026, 1, 31, 13, 30, tzinfo=UTC)
    backend = MemoryStore()

    def put(name: str, ids: list[str], minute: int, sources: list[str] | None = None) -> str:
        key = f"{hour_prefix('m', 'predictions', began)}/{name}.parquet"
        times = pa.array([began.replace(minute=minute)] * len(ids), MOMENT)
        table = pa.table({"prediction_id": ids, "time": times})
        sink = pa.BufferOutputStream()
        pq.write_table(table.replace_schema_metadata(merged_metadata(sources) if sources else None), sink)
        backend.put(key, sink.getvalue().to_pybytes())
        return key

    before = put("before", ["x"], 29)
    merged = [put("one", ["a", "b"], 30), put("two", ["c"], 31)]
    put(f"{MERGED_PREFIX}1", ["a", "b", "c"], 31, merged)
    put("three", ["c", "d"], 32)
    assert before
    assert logged(ObjectStore(backend), "m", began) == Logged(rows=5, distinct=4)
    assert logged(ObjectStore(backend), "other", began - timedelta(hours=1)) == Logged(rows=0, distinct=0)
