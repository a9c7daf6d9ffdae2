"""Triton's own client of the Open Inference Protocol, which KServe and MLServer speak too, works unchanged."""

from collections.abc import Callable
from typing import Any

import lightgbm as lgb
import numpy as np
import pytest
import tritonclient.http as triton  # type: ignore[import-untyped] # ships no types
from lifecycle.registry import ModelRegistry
from retraining.training import Trained
from tests.services.scoring.process.service import Service
from tritonclient.utils import InferenceServerException  # type: ignore[import-untyped] # ships no types

StartService = Callable[..., Service]
DATATYPES = {bool: "BOOL", str: "BYTES", float: "FP64"}


def _inputs(rows: list[dict[str, Any]], *, binary: bool) -> list[Any]:
    inputs = []
    for name, first in rows[0].items():
        datatype = DATATYPES[type(first)]
        values = np.array([[row[name]] for row in rows], dtype=triton.triton_to_np_dtype(datatype))
        tensor = triton.InferInput(name, list(values.shape), datatype)
        tensor.set_data_from_numpy(values, binary_data=binary)
        inputs.append(tensor)
    return inputs


def test_tritons_client_works(start: StartService, registry: ModelRegistry, trained: Trained) -> None:
    """Health, metadata, inference with binary data or JSON, all outputs or some; equal to Booster.predict."""
    assert registry.versions() == [1]
    service = start()
    service.wait_until("/ready", 200)
    rows = [dict(parity.features) for parity in trained.parity if None not in parity.features.values()]
    rows = [{name: float(v) if type(v) is int else v for name, v in row.items()} for row in rows]
    matrix = np.array([trained.train.schema.encode(row) for row in rows])
    expected = np.asarray(lgb.Booster(model_str=trained.text).predict(matrix))
    with triton.InferenceServerClient(f"127.0.0.1:{service.port}") as client:
        assert client.is_server_live()
        assert client.is_server_ready()
        assert client.is_model_ready("car-loan")
        assert client.is_model_ready("car-loan", "1")
        assert not client.is_model_ready("car-loan", "2")
        assert client.get_server_metadata()["name"] == "realtime-ml-scoring"
        assert [tensor["name"] for tensor in client.get_model_metadata("car-loan")["inputs"]] == list(rows[0])
        for binary in (True, False):
            answer = client.infer("car-loan", _inputs(rows, binary=binary), request_id="a request")
            assert answer.as_numpy("output").tobytes() == expected.tobytes()
            assert set(answer.as_numpy("class")) <= {"repaid", "not_repaid"}
            assert answer.get_response()["id"] == "a request"
            wanted = [triton.InferRequestedOutput("output", binary_data=binary)]
            some = client.infer("car-loan", _inputs(rows, binary=binary), model_version="1", outputs=wanted)
            assert some.as_numpy("output").tobytes() == expected.tobytes()
            assert some.as_numpy("class") is None
        with pytest.raises(InferenceServerException, match="This feature is required") as refused:
            client.infer("car-loan", _inputs(rows, binary=True)[1:])
        assert refused.value.status() == "400"
    assert service.terminate() == 0
