"""Ray Serve with one replica behind its HTTP proxy, without access logs, in its throughput mode.

That mode (RAY_SERVE_THROUGHPUT_OPTIMIZED) runs the model in the replica's own loop. Ray is a dozen processes (object
store, control, proxy, replica); all of them share the one core.
"""

import os
import signal

import lightgbm as lgb
import numpy as np
import ray
from ray import serve
from starlette.requests import Request


@serve.deployment(num_replicas=1, max_ongoing_requests=100, ray_actor_options={"num_cpus": 1})
class Scorer:
    """The model as a deployment."""

    def __init__(self) -> None:
        """Reads the model."""
        self._booster = lgb.Booster(model_file=os.environ["BENCH_MODEL_FILE"])
        self._names = self._booster.feature_name()

    async def __call__(self, request: Request) -> dict[str, list[float]]:
        """Scores the rows of a request."""
        document = await request.json()
        matrix = np.array([[row[name] for name in self._names] for row in document["rows"]])
        return {"probabilities": self._booster.predict(matrix, num_threads=1).tolist()}


if __name__ == "__main__":
    ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False, _temp_dir=os.environ["BENCH_FOLDER"])
    serve.start(
        http_options={"host": "127.0.0.1", "port": int(os.environ["BENCH_PORT"])},
        logging_config={"enable_access_log": False, "log_level": "WARNING"},
    )
    serve.run(Scorer.bind(), route_prefix="/v1/predict")
    signal.pause()
