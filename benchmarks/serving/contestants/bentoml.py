"""BentoML with one worker, metrics and tracing off, rows as plain objects (its own pydantic models are slower)."""

import os
import sys

import bentoml
import lightgbm as lgb
import numpy as np


@bentoml.service(workers=1, metrics={"enabled": False}, logging={"access": {"enabled": False}})
class Scorer:
    """The model as a service."""

    def __init__(self) -> None:
        """Reads the model."""
        self._booster = lgb.Booster(model_file=os.environ["BENCH_MODEL_FILE"])
        self._names = self._booster.feature_name()

    @bentoml.api(route="/v1/predict")
    async def predict(self, rows: list[dict[str, float]]) -> dict[str, list[float]]:
        """Scores the rows."""
        matrix = np.array([[row[name] for name in self._names] for row in rows])
        return {"probabilities": self._booster.predict(matrix, num_threads=1).tolist()}


if __name__ == "__main__":
    command = [sys.executable, "-m", "bentoml", "serve", "benchmarks.serving.contestants.bentoml:Scorer"]
    command += ["--host", "127.0.0.1", "--port", os.environ["BENCH_PORT"], "--api-workers", "1"]
    os.environ |= {"BENTOML_HOME": os.environ["BENCH_FOLDER"], "BENTOML_DO_NOT_TRACK": "1"}
    os.execv(sys.executable, command)  # noqa: S606 - this interpreter
