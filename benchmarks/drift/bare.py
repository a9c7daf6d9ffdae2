"""`python3 -m benchmarks.drift.bare ROWS`: NannyML's own calls on data frames in memory; prints what they took.

Each calculator gets all its columns at once, as NannyML's documentation has it.
"""

import json
import os
import sys
import time
import warnings
from typing import Any, Final

import pyarrow as pa  # type: ignore[import-untyped] # pyarrow ships no types
from drift import adapter
from drift.__main__ import NICE
from drift.frames import frame
from lifecycle.manifest import ModelFile

from benchmarks import columns
from benchmarks.drift import workload

nannyml: Final[Any] = vars(adapter)["nannyml"]


def calculators() -> list[Any]:
    """What the service computes."""
    numbers = [f"feature.{name}" for name in columns.NUMERIC]
    words = [f"feature.{name}" for name in columns.CATEGORICAL]
    size: dict[str, Any] = {"chunk_size": workload.CHUNK_ROWS}
    performance: dict[str, Any] = size | {
        "metrics": list(adapter.METRICS["binary"]),
        "y_true": "label",
        "y_pred": "predicted",
        "y_pred_proba": "output",
        "problem_type": "classification_binary",
    }
    return [
        nannyml.UnivariateDriftCalculator(column_names=[*numbers, *words, "output"], **size),
        nannyml.DataReconstructionDriftCalculator(column_names=[*numbers, *words], **size),
        nannyml.MissingValuesCalculator(column_names=[*numbers, *words], **size),
        nannyml.UnseenValuesCalculator(column_names=words, **size),
        nannyml.NumericalRangeCalculator(column_names=numbers, **size),
        nannyml.SummaryStatsAvgCalculator(column_names=numbers, **size),
        nannyml.SummaryStatsStdCalculator(column_names=numbers, **size),
        nannyml.CBPE(**performance),
        nannyml.PerformanceCalculator(**performance),
    ]


def main(rows: int) -> dict[str, float]:
    """Seconds of all calculators, each fitted and run."""
    os.nice(NICE)
    manifest = workload.manifest(ModelFile.of(b"model"))
    reference = frame(workload.reference(), manifest)
    analysis = frame(pa.concat_tables(workload.traffic(rows)), manifest)
    began, spent = time.perf_counter(), time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for calculator in calculators():
            calculator.fit(reference)
            (getattr(calculator, "estimate", None) or calculator.calculate)(analysis)
    return {"wall_seconds": time.perf_counter() - began, "cpu_seconds": time.process_time() - spent}


if __name__ == "__main__":
    print(json.dumps(main(int(sys.argv[1]))))  # noqa: T201 - its answer
