"""FastAPI as its tutorial has it: a pydantic body, `Booster.predict`, an answer checked by its response model.

On the service's uvicorn, uvloop and httptools. The route is `async`: a plain `def` goes through a thread pool.
"""

import os

import lightgbm as lgb
import numpy as np
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel, create_model

booster = lgb.Booster(model_file=os.environ["BENCH_MODEL_FILE"])
names = booster.feature_name()
Row = create_model("Row", **dict.fromkeys(names, (float, ...)))  # type: ignore[call-overload] # fields by name


class Request(BaseModel):
    """Rows to score."""

    rows: list[Row]  # type: ignore[valid-type] # made above


class Response(BaseModel):
    """A probability for each row."""

    probabilities: list[float]


app = FastAPI()


@app.post("/v1/predict")
async def predict(request: Request) -> Response:
    """Scores the rows."""
    matrix = np.array([[getattr(row, name) for name in names] for row in request.rows])
    return Response(probabilities=booster.predict(matrix, num_threads=1).tolist())


if __name__ == "__main__":
    uvicorn.run(
        app,
        host="127.0.0.1",
        port=int(os.environ["BENCH_PORT"]),
        loop="uvloop",
        http="httptools",
        ws="none",
        access_log=False,
        server_header=False,
        log_level="warning",
        timeout_keep_alive=75,
    )
