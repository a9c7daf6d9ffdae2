"""`python3 -m benchmarks.training.one ROWS THREADS [SCHEDULER WORKERS]`: prints what a training took, and its metrics.

Only the training is timed: the rows are in memory, as they are in a Job that has read the log.
"""

import json
import sys
import time

import structlog
from retraining.settings import RetrainingSettings
from retraining.training import train_on, train_on_cluster

from benchmarks.training import workload


def main(rows: int, threads: int, scheduler: str | None = None, workers: int = 1) -> dict[str, float]:
    """Seconds, and the metrics on rows that were not trained on."""
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    older, newest = workload.dataset(rows, 1), workload.dataset(workload.HOLDOUT_ROWS, 2)
    began, spent = time.perf_counter(), time.process_time()
    if scheduler is None:
        trained = train_on(older, newest, workload.RECIPE, num_threads=threads)
    else:
        from retraining.spread import connected  # noqa: PLC0415 - one process does not load it

        settings = RetrainingSettings(engine="dask", dask_scheduler=scheduler, dask_workers=workers)
        with connected(settings) as cluster:
            trained = train_on_cluster(older, newest, workload.RECIPE, cluster)
    taken = {"wall_seconds": time.perf_counter() - began, "cpu_seconds": time.process_time() - spent}
    return taken | {name: trained.metrics[name] for name in ("auc", "log_loss")}


if __name__ == "__main__":
    _, given_rows, given_threads, *given = sys.argv
    found = main(int(given_rows), int(given_threads), given[0] if given else None, int(given[1]) if given else 1)
    print(json.dumps(found))  # noqa: T201 - its answer
