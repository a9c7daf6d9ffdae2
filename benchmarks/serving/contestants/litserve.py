"""LitServe with one worker and its fast queue; it always runs the API and the worker as two processes."""

import os

import lightgbm as lgb
import litserve as ls
import numpy as np


class Scorer(ls.LitAPI):
    """The model behind LitServe's steps."""

    def setup(self, device: str) -> None:  # noqa: ARG002 - LitServe's signature
        """Reads the model."""
        self._booster = lgb.Booster(model_file=os.environ["BENCH_MODEL_FILE"])
        self._names = self._booster.feature_name()

    def decode_request(self, request: dict[str, list[dict[str, float]]]) -> np.ndarray:
        """Rows to a matrix."""
        return np.array([[row[name] for name in self._names] for row in request["rows"]])

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Scores the matrix."""
        return self._booster.predict(x, num_threads=1)

    def encode_response(self, output: np.ndarray) -> dict[str, list[float]]:
        """Probabilities to an answer."""
        return {"probabilities": output.tolist()}


if __name__ == "__main__":
    server = ls.LitServer(Scorer(api_path="/v1/predict"), accelerator="cpu", workers_per_device=1, fast_queue=True)
    server.run(
        host="127.0.0.1",
        port=int(os.environ["BENCH_PORT"]),
        num_api_servers=1,
        log_level="warning",
        access_log=False,
        generate_client_file=False,
    )
