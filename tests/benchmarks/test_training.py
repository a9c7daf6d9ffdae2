"""The pure parts of the training benchmark, and its workload."""

from typing import Any

import numpy as np

from benchmarks.training import report, workload


def _results(dask_auc: float) -> dict[str, Any]:
    machine = {"cores": 2, "cpu": "a", "kernel": "6", "python": "3.11.7", "load_average_at_start": 0.1}
    one = {"wall_seconds": 10.0, "cpu_seconds": 9.0, "peak_mib": 500.0, "auc": 0.85, "log_loss": 0.4}
    measured = {"process_1": one, "dask_2": one | {"wall_seconds": 25.0, "auc": dask_auc}}
    run = {"date": "d", "commit": "c", "command": "make bench-training", "machine": machine}
    return {"run": run, "measured": {"100000": measured}}


def test_the_page_says_how_many_times_as_long_and_whether_the_model_is_as_good() -> None:
    """Against one process on one thread."""
    page = report.markdown(_results(dask_auc=0.849))
    assert "| Dask, 2 workers | 4,000 | 25.0 | 2.50 | 9.0 | 500 | 0.8490 | 0.4000 |" in page
    assert "| 100,000 rows: AUC that Dask loses to one process, at worst | 0.0010 | at most 0.002 | met |" in page
    assert "| 0.0050 | at most 0.002 | missed |" in report.markdown(_results(dask_auc=0.845))


def test_what_was_not_measured_is_no_number() -> None:
    """A part of a run has nothing to compare with."""
    results = _results(dask_auc=0.85)
    del results["measured"]["100000"]["process_1"]
    assert report.lost(results, "100000") is None
    assert "| Dask, 2 workers | 4,000 | 25.0 | - |" in report.markdown(results)


def test_the_rows_are_the_same_each_time_and_can_be_learned() -> None:
    """Half of them are of either class, and the first features say which."""
    once, again = workload.dataset(2000, 1), workload.dataset(2000, 1)
    assert once.sha256 == again.sha256
    assert not np.array_equal(once.matrix, workload.dataset(2000, 2).matrix)
    assert 0.4 < once.labels.mean() < 0.6
    assert np.corrcoef(once.matrix[:, 0], once.labels)[0, 1] > 0.2
    assert once.row(0).keys() == set(workload.SCHEMA.names)
