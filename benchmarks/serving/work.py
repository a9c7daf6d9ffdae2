"""The work outside the HTTP server for one row: decode, validate, predict, encode; beside the C call, turn by turn."""

import json
import os
import statistics
import time
from pathlib import Path
from typing import Final

import lightgbm as lgb
from lifecycle.logs import configure_logging
from lifecycle.registry import ModelRegistry
from lifecycle.settings import StoreSettings, read_settings
from lifecycle.store import ObjectStore
from scoring.loader import ChampionSource
from scoring.prediction import predict

from benchmarks.serving.contestants.c_call import single_row_call
from benchmarks.serving.workload import SINGLE_ROWS, read_matrix

_TURNS: Final = 40
"""Times through all the rows; the first one warms up and is not counted."""


def main() -> None:
    """Prints the medians in microseconds as JSON."""
    configure_logging("scoring", "ERROR")  # the answer alone goes to the standard output
    settings = read_settings(StoreSettings)
    source = ChampionSource(ModelRegistry(ObjectStore.open(settings), settings.model_name))
    model = source.load(source.pointer())
    rows = read_matrix()[:SINGLE_ROWS]
    c_call = single_row_call(lgb.Booster(model_file=os.environ["BENCH_MODEL_FILE"]), rows)
    bodies = Path(os.environ["BENCH_BODIES_FILE"]).read_bytes().splitlines()

    def service(index: int) -> None:
        predict(model, bodies[index], 1)

    taken_us: dict[str, list[float]] = {"work_us": [], "c_call_us": []}
    now = time.perf_counter_ns
    for turn in range(_TURNS):
        for name, call in (("work_us", service), ("c_call_us", c_call)):
            for index in range(SINGLE_ROWS):
                started = now()
                call(index)
                elapsed_ns = now() - started
                if turn:
                    taken_us[name].append(elapsed_ns / 1e3)
    print(json.dumps({name: statistics.median(values) for name, values in taken_us.items()}))  # noqa: T201


if __name__ == "__main__":
    main()
