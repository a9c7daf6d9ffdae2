"""The pure parts of the drift benchmark, and its workload."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped] # pyarrow ships no types
from lifecycle.prediction_log import PredictionLog
from lifecycle.registry import ModelRegistry
from lifecycle.store import ObjectStore
from obstore.store import LocalStore

from benchmarks.drift import report, workload
from toolchain.paths import REPOSITORY


def _results(process: float, bare: float, peak: float = 500.0, start: float = 2.0) -> dict[str, Any]:
    machine = {"cores": 2, "cpu": "a", "kernel": "6", "python": "3.11.7", "load_average_at_start": 0.1}
    run = {"date": "d", "commit": "c", "command": "make bench-drift", "machine": machine}

    def measured(tenths: int) -> dict[str, Any]:
        found = {
            "process": {"wall_seconds": 3 * process, "cpu_seconds": process * tenths / 10, "peak_mib": peak},
            "start": {"wall_seconds": start, "cpu_seconds": start, "peak_mib": 100.0},
            "bare": {"wall_seconds": bare, "cpu_seconds": bare, "peak_mib": 9000.0},
        }
        return {"run": run, "measured": found}

    return {"100000": measured(1), "1000000": measured(10)}


def test_the_page_says_what_was_met_and_what_was_missed() -> None:
    """At a million rows; NannyML's own memory is nobody's target."""
    page = report.markdown(_results(process=26.0, bare=20.0))
    claim = "| one process, 1,000,000 rows: "
    assert f"{claim}processor time, times bare NannyML's | 1.3 | at most 1.3 | met |" in page
    assert f"{claim}processor time, times bare NannyML's, without start and imports | 1.2 | at most 1.3 | met |" in page
    assert f"{claim}time, times bare NannyML's | 3.9 | at most 1.3 | missed |" in page
    assert "| peak memory of a process or worker, MiB | 500 | at most 2048 | met |" in page
    assert "100,000 rows: processor" not in page
    missed = report.markdown(_results(process=26.0, bare=20.0, peak=2049.0))
    assert "| peak memory of a process or worker, MiB | 2049 | at most 2048 | missed |" in missed


def test_an_answer_that_comes_late_is_told() -> None:
    """Of whatever number of rows it was."""
    results = _results(process=26.0, bare=20.0)
    claim = "| `/metrics` and `/live` while an evaluation runs, 99th percentile, ms |"
    assert f"{claim} - | at most 50 | not measured |" in report.markdown(results)
    service = {"wall_seconds": 1.0, "cpu_seconds": 1.0, "peak_mib": 100.0, "answers": 100}
    results["100000"]["measured"]["service"] = service | {"p99_milliseconds": 51.0}
    results["1000000"]["measured"]["service"] = service | {"p99_milliseconds": 9.0}
    assert f"{claim} 51 | at most 50 | missed |" in report.markdown(results)


def test_time_that_grows_faster_than_the_rows_misses_its_target() -> None:
    """The start, which is the same for any number of rows, is no part of it."""
    results = _results(process=26.0, bare=20.0, start=0.0)
    claim = "| one process: processor time a row, most rows to fewest |"
    assert f"{claim} 1 | at most 1.1 | met |" in report.markdown(results)
    results["1000000"]["measured"]["process"]["cpu_seconds"] = 31.2
    assert f"{claim} 1.2 | at most 1.1 | missed |" in report.markdown(results)


def test_what_was_not_measured_is_no_number() -> None:
    """A part of a run has no ratio."""
    results = _results(process=26.0, bare=20.0)
    del results["1000000"]["measured"]["bare"]
    assert report.ratio(results, "cpu_seconds") is None
    row = "| one process, 1,000,000 rows: processor time, times bare NannyML's | - | at most 1.3 | not measured |"
    assert row in report.markdown(results)


def test_the_log_holds_what_the_data_frames_hold(tmp_path: Path) -> None:
    """Every contestant computes the same of the same rows."""
    workload.write(tmp_path, 500)
    store = ObjectStore(LocalStore(tmp_path))
    wanted = pa.concat_tables(workload.traffic(500)).sort_by([("time", "ascending"), ("prediction_id", "ascending")])
    first, last = wanted["time"][0].as_py(), wanted["time"][-1].as_py()
    registry = ModelRegistry(store, workload.MODEL)
    assert registry.champion() is not None
    assert registry.reference(1).num_rows == workload.REFERENCE_ROWS
    found = PredictionLog(store, workload.MODEL).labelled(first, last + timedelta(hours=1)).table
    assert found.num_rows == 500
    for name in ("prediction_id", "output", "label", "feature.number_00", "feature.word_05"):
        assert found[name].to_pylist() == wanted[name].to_pylist(), name


def test_the_page_holds_the_numbers() -> None:
    """What is written by hand into one of them is not in the other."""
    numbers = json.loads((REPOSITORY / "benchmarks/drift/results.json").read_text(encoding="utf-8"))
    assert report.markdown(numbers) == (REPOSITORY / "docs/benchmarks/drift.md").read_text(encoding="utf-8")
