"""MLServer at its best in one process: no workers beside it, no metrics, no access log, a runtime of few lines.

Inference in MLServer's own process (`parallel_workers` 0) saves the hand-over to a worker. httptools and uvloop, which
MLServer uses where they are installed, are. The runtime of mlserver-lightgbm is no faster: it goes through codecs.
"""

import asyncio
import os

import lightgbm as lgb
import numpy as np
import uvloop
from mlserver import MLModel, MLServer, ModelSettings, Settings
from mlserver.types import InferenceRequest, InferenceResponse, ResponseOutput


class Runtime(MLModel):
    """Tensors in and out without MLServer's codecs."""

    async def load(self) -> bool:
        """Reads the model."""
        self._booster = lgb.Booster(model_file=os.environ["BENCH_MODEL_FILE"])
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """Scores the rows of the first input."""
        tensor = payload.inputs[0]
        matrix = np.array(tensor.data.root, dtype=np.float64).reshape(tensor.shape)
        probabilities = self._booster.predict(matrix, num_threads=1).tolist()
        output = ResponseOutput(name="probability", shape=[len(probabilities), 1], datatype="FP64", data=probabilities)
        return InferenceResponse(model_name=self.name, outputs=[output])


async def serve() -> None:
    """Serves until told to stop."""
    port = int(os.environ["BENCH_PORT"])
    settings = Settings(
        host="127.0.0.1",
        http_port=port,
        grpc_port=int(os.environ["BENCH_SECOND_PORT"]),
        metrics_endpoint=None,
        parallel_workers=0,
        debug=False,
        gzip_enabled=False,
        use_structured_logging=False,
        load_models_at_startup=False,
    )
    await MLServer(settings).start([ModelSettings(name="bench", implementation=Runtime)])


if __name__ == "__main__":
    uvloop.install()
    asyncio.run(serve())
