"""The Open Inference Protocol: what its published schema and its clients expect, and every way to be wrong."""

import hashlib
import json
import math
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from lifecycle.manifest import Objective
from scoring.app import Dependencies
from scoring.champion import ChampionHolder, NotReady, ServedModel
from scoring.predictor import build_predictor
from tests.services.scoring.objectives import SCHEMA, make_model

OpenClient = Callable[[Dependencies], TestClient]
MODEL = "/v2/models/small-binary"
ROW = {"age": [30.0], "balance.eur": [None], "tiny": [0], "colour": ["blue"], "member": [True]}
DATATYPES = {"age": "FP64", "balance.eur": "FP64", "tiny": "INT64", "colour": "BYTES", "member": "BOOL"}


@cache
def _served(objective: Objective) -> ServedModel:
    stored = make_model(objective)
    return ServedModel(stored.manifest, build_predictor(stored))


@pytest.fixture
def small(dependencies: Dependencies) -> Dependencies:
    """The small binary model serves."""
    champion = ChampionHolder()
    champion.current = _served("binary")
    return replace(dependencies, champion=champion)


@pytest.fixture
def v2(open_client: OpenClient, small: Dependencies) -> TestClient:
    """A client of it."""
    return open_client(small)


def _tensors(**changes: Any) -> list[dict[str, Any]]:  # noqa: ANN401 - JSON
    return [
        {"name": name, "shape": [1], "datatype": DATATYPES[name], "data": data} | changes.get(name, {})
        for name, data in ROW.items()
    ]


def _expected() -> float:
    return float.fromhex(_served("binary").manifest.parity[0].outputs[0])


def _matches(value: object, schema: dict[str, Any]) -> None:
    """The subset of JSON Schema that the protocol's own document uses."""
    kinds = {"object": dict, "array": list, "string": str, "integer": int, "number": int | float}
    assert isinstance(value, kinds[schema["type"]])
    if isinstance(value, dict):
        assert set(schema.get("required", ())) <= set(value)
        for name, inner in schema.get("properties", {}).items():
            if name in value:
                _matches(value[name], inner)
    if isinstance(value, list) and "items" in schema:
        for item in value:
            _matches(item, schema["items"])


STRING = {"type": "string"}
METADATA_TENSOR: dict[str, Any] = {
    "type": "object",
    "properties": {"name": STRING, "datatype": STRING, "shape": {"type": "array", "items": {"type": "integer"}}},
    "required": ["name", "datatype", "shape"],
}
# Written after components.schemas of the protocol's open_inference_rest.yaml, version 2.0.
PUBLISHED = {
    "/v2": {
        "type": "object",
        "properties": {"name": STRING, "version": STRING, "extensions": {"type": "array", "items": STRING}},
        "required": ["name", "version", "extensions"],
    },
    MODEL: {
        "type": "object",
        "properties": {
            "name": STRING,
            "versions": {"type": "array", "items": STRING},
            "platform": STRING,
            "inputs": {"type": "array", "items": METADATA_TENSOR},
            "outputs": {"type": "array", "items": METADATA_TENSOR},
        },
        "required": ["name", "platform"],
    },
}
INFERENCE_RESPONSE = {
    "type": "object",
    "properties": {
        "model_name": STRING,
        "model_version": STRING,
        "id": STRING,
        "outputs": {
            "type": "array",
            "items": METADATA_TENSOR
            | {
                "properties": METADATA_TENSOR["properties"] | {"data": {"type": "array"}},
                "required": ["name", "shape", "datatype", "data"],
            },
        },
    },
    "required": ["model_name", "outputs"],
}


@pytest.mark.parametrize("path", ["/v2", "/v2/", MODEL, f"{MODEL}/versions/3"])
def test_metadata_follows_the_published_schema(v2: TestClient, path: str) -> None:
    """Of the server and of the model, by version or not."""
    response = v2.get(path)
    assert response.status_code == 200
    _matches(response.json(), PUBLISHED["/v2" if path.startswith("/v2") and "models" not in path else MODEL])


def test_the_metadata_is_true_to_the_schema(v2: TestClient) -> None:
    """An input a feature, in order; the outputs of the objective."""
    document = v2.get(MODEL).json()
    assert [tensor["name"] for tensor in document["inputs"]] == list(SCHEMA.names)
    assert [tensor["datatype"] for tensor in document["inputs"]] == ["FP64", "FP64", "FP64", "BYTES", "BOOL"]
    assert [tensor["name"] for tensor in document["outputs"]] == ["output", "class", "prediction_id"]
    assert document["versions"] == ["3"]


@pytest.mark.parametrize("path", [f"{MODEL}/infer", f"{MODEL}/versions/3/infer"])
def test_named_tensors_are_answered(v2: TestClient, path: str) -> None:
    """In the published form, with the id of the request."""
    response = v2.post(path, json={"id": "42", "inputs": _tensors(), "parameters": {"a:b": {"c": [1]}}})
    document = response.json()
    assert response.status_code == 200, document
    _matches(document, INFERENCE_RESPONSE)
    assert (document["model_name"], document["model_version"], document["id"]) == ("small-binary", "3", "42")
    output, class_, id_ = document["outputs"]
    assert output == {"name": "output", "shape": [1], "datatype": "FP64", "data": [_expected()]}
    assert class_["data"][0] in _served("binary").manifest.classes
    assert len(id_["data"][0]) == 32


@pytest.mark.parametrize("data", [[30, None, 0, 1, 1], [[30.0, None, 0.0, 1, 1]]], ids=["flat", "nested"])
def test_one_matrix_is_answered(v2: TestClient, data: list[Any]) -> None:
    """All features as numbers, in the order of the columns."""
    tensor = {"name": "features", "shape": [1, 5], "datatype": "FP64", "data": data}
    response = v2.post(f"{MODEL}/infer", json={"inputs": [tensor], "outputs": [{"name": "output"}]})
    assert [tensor["data"] for tensor in response.json()["outputs"]] == [[_expected()]]


def test_binary_data_is_read(v2: TestClient) -> None:
    """As Triton's clients send it by default: NaN is missing, strings have lengths."""
    parts = {
        "age": np.array([30.0]).tobytes(),
        "balance.eur": np.array([math.nan], np.float32).tobytes(),
        "tiny": np.array([0], np.int64).tobytes(),
        "colour": (4).to_bytes(4, "little") + b"blue",
        "member": b"\x01",
    }
    datatypes = DATATYPES | {"balance.eur": "FP32"}
    inputs = [
        {"name": n, "shape": [1, 1], "datatype": datatypes[n], "parameters": {"binary_data_size": len(part)}}
        for n, part in parts.items()
    ]
    head = json.dumps({"inputs": inputs}).encode()
    headers = {"inference-header-content-length": str(len(head))}
    response = v2.post(f"{MODEL}/infer", content=head + b"".join(parts.values()), headers=headers)
    assert response.status_code == 200, response.text
    assert response.json()["outputs"][0]["data"] == [_expected()]


def test_a_multiclass_model_gives_a_probability_for_each_class(open_client: OpenClient, small: Dependencies) -> None:
    """Row after row."""
    champion = ChampionHolder()
    champion.current = _served("multiclass")
    client = open_client(replace(small, champion=champion))
    document = client.post("/v2/models/small-multiclass/infer", json={"inputs": _tensors()}).json()
    assert document["outputs"][0]["shape"] == [1, 3]
    expected = [float.fromhex(output) for output in _served("multiclass").manifest.parity[0].outputs]
    assert document["outputs"][0]["data"] == expected


@pytest.mark.parametrize(
    ("inputs", "named"),
    [
        ([], "inputs"),
        (_tensors()[:-1], "member"),
        ([*_tensors(), _tensors()[0]], "age"),
        ([*_tensors(), {"name": "other", "shape": [1], "datatype": "FP64", "data": [1]}], "other"),
        (_tensors(age={"data": ["a"]}), "age"),
        (_tensors(age={"datatype": "BYTES", "data": ["a"]}), "age"),
        (_tensors(age={"datatype": "FP8"}), "inputs[0].datatype"),
        (_tensors(age={"shape": [2]}), "age"),
        (_tensors(age={"shape": [-1]}), "inputs[0].shape"),
        (_tensors(age={"shape": [1, 1, 1]}), "age"),
        (_tensors(age={"shape": [2], "data": [1, 2]}), "balance.eur"),
        (_tensors(age={"datatype": "INT8", "data": [128]}), "age"),
        (_tensors(age={"datatype": "INT64", "data": [1.5]}), "age"),
        (_tensors(age={"datatype": "FP32", "data": [1e300]}), "age"),
        (_tensors(tiny={"datatype": "FP64", "data": [None]}), "tiny"),
        (_tensors(colour={"data": ["green"]}), "colour"),
        (_tensors(member={"data": [1]}), "member"),
        (_tensors(age={"parameters": {"binary_data_size": 8}}), "binary_data_size"),
        ([{"name": "features", "shape": [1, 4], "datatype": "FP64", "data": [1, 2, 3, 4]}], "features"),
        ([{"name": "features", "shape": [1, 5], "datatype": "FP64", "data": [1, 2, 3, 9, 1]}], "colour"),
        ([{"name": "features", "shape": [1, 5], "datatype": "FP64", "data": [1, 2, 3, 1, 0.5]}], "member"),
        ([{"name": "features", "shape": [0, 5], "datatype": "FP64", "data": []}], "features"),
        ([{"name": "features", "shape": [51, 5], "datatype": "FP64", "data": [0] * 255}], "features"),
        ([{"name": "age", "datatype": "FP64", "data": [1]}], "inputs[0]"),
        ({"age": 1}, "inputs"),
    ],
)
def test_wrong_tensors_are_a_400_that_names_them(v2: TestClient, inputs: object, named: str) -> None:
    """In the protocol's form."""
    response = v2.post(f"{MODEL}/infer", json={"inputs": inputs})
    assert response.status_code == 400, response.text
    assert set(response.json()) == {"error"}
    assert named in response.json()["error"].partition(": ")[0]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"{", "not JSON"),
        (b"\xff", "not UTF-8"),
        (b'{"inputs": [], "inputs": []}', "more than once"),
        (b'{"inputs": [{"name":"a","name":"a","shape":[1],"datatype":"FP64","data":[1]}]}', "more than once"),
        (b'{"inputs": [{"name":"a","shape":[1],"datatype":"FP64","data":[NaN]}]}', ""),
        (b'{"inputs": [{"name":"a","shape":[1],"datatype":"FP64","data":' + b"[" * 9000, ""),
        (b'{"parameters": ' + b'{"a":' * 3000, ""),
    ],
)
def test_a_broken_body_is_a_400(v2: TestClient, body: bytes, said: str) -> None:
    """Whatever is broken."""
    response = v2.post(f"{MODEL}/infer", content=body)
    assert response.status_code == 400
    assert said in response.json()["error"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v2/models/other/infer"),
        ("POST", f"{MODEL}/versions/2/infer"),
        ("GET", "/v2/models/other"),
        ("GET", f"{MODEL}/versions/03"),
        ("GET", "/v2/models/other/ready"),
        ("GET", "/v2/nothing"),
    ],
)
def test_what_is_not_here_is_a_404_in_the_protocols_form(v2: TestClient, method: str, path: str) -> None:
    """Model, version or path."""
    response = v2.request(method, path, json={"inputs": _tensors()} if method == "POST" else None)
    assert response.status_code == 404
    assert set(response.json()) == {"error"}


def test_readiness_is_that_of_the_model(open_client: OpenClient, small: Dependencies) -> None:
    """Alive before, ready after."""
    champion = ChampionHolder()
    champion.current = NotReady("starting", "The champion is being loaded.")
    early, late = open_client(replace(small, champion=champion)), open_client(small)
    assert early.get("/v2/health/live").json() == {"live": True}
    for path in ("/v2/health/ready", f"{MODEL}/ready", f"{MODEL}/versions/3/ready"):
        assert early.get(path).status_code == 503
        assert late.get(path).status_code == 200


def test_a_key_is_asked_of_all_but_probes(open_client: OpenClient, small: Dependencies) -> None:
    """Several keys are valid at a time, as either header."""
    hashes = tuple(hashlib.sha256(key).hexdigest() for key in (b"old", b"new"))
    settings = small.settings.model_copy(update={"api_keys_sha256": hashes})
    client = open_client(replace(small, settings=settings))
    body = {"inputs": _tensors()}
    for headers in ({"x-api-key": "old"}, {"authorization": "Bearer new"}):
        assert client.post(f"{MODEL}/infer", json=body, headers=headers).status_code == 200
        assert client.get(MODEL, headers=headers).status_code == 200
    for headers in ({}, {"x-api-key": ""}, {"x-api-key": "other"}, {"authorization": "Basic old"}):
        for response in (client.post(f"{MODEL}/infer", json=body, headers=headers), client.get(MODEL, headers=headers)):
            assert response.status_code == 401
            assert response.headers["www-authenticate"] == "Bearer"
    assert client.get("/v2/health/ready").status_code == client.get("/ready").status_code == 200
