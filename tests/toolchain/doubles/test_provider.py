"""The engine's messages reach a provider as plain values, and its answers come back as messages."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, cast

import grpc
import pytest
from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc

from toolchain.doubles.changes import Change, ChangeKind
from toolchain.doubles.errors import InitializationError, InvalidInputsError, RefusedError
from toolchain.doubles.properties import UNKNOWN, Properties, decode, encode
from toolchain.doubles.provider import Difference, Live, Naming, Operation, Provider, Resource, methods
from toolchain.doubles.server import handlers

if TYPE_CHECKING:
    from toolchain.doubles.engine import EngineLog

REFUSAL = "no room on the shelf"


class _Silent:
    """A log that nobody reads."""

    def announce(self, plugin: str) -> None:
        """Says nothing."""


# ruff: noqa: ARG002 - the base class says what the methods take
class _Shelf(Provider):
    """A provider of one kind, whose inputs say how it behaves."""

    plugin = "pulumi-resource-shelf"
    version = "1.2.3"

    def check_config(self, inputs: Properties) -> Properties:
        return inputs

    def configure(self, inputs: Properties) -> None:
        self.configured = inputs

    def check(self, resource: Resource, old: Properties, new: Properties, names: Naming) -> Properties:
        if "wrong" in new:
            raise InvalidInputsError({"wrong": "is not wanted"})
        return {**new, "name": names.proposal if names.enforced else resource.name, "before": old}

    def diff(self, resource: Resource, old_inputs: Properties, old_outputs: Properties, new: Properties) -> Difference:
        return Difference([Change(("spec", "size"), ChangeKind.UPDATE, replaces=True)], deletes_first=True)

    def create(self, resource: Resource, inputs: Properties, operation: Operation) -> tuple[str, Properties]:
        match inputs.get("outcome"):
            case "refused":
                raise RefusedError(REFUSAL)
            case "unready":
                raise InitializationError("id-1", inputs=inputs, outputs={"size": 1}, reasons=["it leans"])
            case "defect":
                return inputs["missing"], {}
        return "id-1", {**inputs, "preview": operation.preview, "computed": UNKNOWN if operation.preview else 7}

    def update(
        self, resource: Resource, identifier: str, outputs: Properties, inputs: Properties, operation: Operation
    ) -> Properties:
        return {**outputs, **inputs, "timeout": operation.timeout_seconds}

    def read(self, resource: Resource, identifier: str, inputs: Properties, outputs: Properties) -> Live:
        return Live()

    def delete(self, resource: Resource, identifier: str, outputs: Properties, operation: Operation) -> None:
        self.deleted = identifier


@pytest.fixture
def shelf() -> _Shelf:
    """The provider behind the stub."""
    return _Shelf(cast("EngineLog", _Silent()))


@pytest.fixture
def stub(shelf: _Shelf) -> Iterator[provider_pb2_grpc.ResourceProviderStub]:
    """The engine's side."""
    server = grpc.server(ThreadPoolExecutor(max_workers=2))
    server.add_generic_rpc_handlers((handlers("pulumirpc.ResourceProvider", methods(shelf)),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield provider_pb2_grpc.ResourceProviderStub(channel)
    server.stop(grace=None).wait()


def test_wrong_inputs_come_back_as_failures(stub: provider_pb2_grpc.ResourceProviderStub) -> None:
    """Each with its property, not as an error of the whole call."""
    answer = stub.Check(provider_pb2.CheckRequest(news=encode({"wrong": 1})))
    assert [(failure.property, failure.reason) for failure in answer.failures] == [("wrong", "is not wanted")]


def test_an_enforced_name_reaches_the_provider(stub: provider_pb2_grpc.ResourceProviderStub) -> None:
    """With the old inputs and the resource's own name."""
    options = provider_pb2.CheckRequest.AutonamingOptions
    naming = options(proposed_name="given", mode=options.ENFORCE)
    request = provider_pb2.CheckRequest(name="own", olds=encode({"a": 1}), news=encode({}), autonaming=naming)
    assert decode(stub.Check(request).inputs) == {"name": "given", "before": {"a": 1}}


def test_a_difference_names_its_property_path(stub: provider_pb2_grpc.ResourceProviderStub) -> None:
    """And the top-level property that takes a new resource."""
    answer = stub.Diff(provider_pb2.DiffRequest())
    assert answer.changes == provider_pb2.DiffResponse.DIFF_SOME
    assert (list(answer.replaces), list(answer.diffs), answer.deleteBeforeReplace) == (["spec"], ["spec"], True)
    assert answer.detailedDiff["spec.size"].kind == provider_pb2.PropertyDiff.UPDATE_REPLACE


def test_a_preview_may_leave_outputs_unknown(stub: provider_pb2_grpc.ResourceProviderStub) -> None:
    """The real operation gives them."""
    preview = stub.Create(provider_pb2.CreateRequest(properties=encode({"a": 1}), preview=True))
    assert decode(preview.properties) == {"a": 1, "preview": True, "computed": UNKNOWN}
    real = stub.Create(provider_pb2.CreateRequest(properties=encode({"a": 1})))
    assert decode(real.properties)["computed"] == 7


def test_a_resource_that_is_not_ready_comes_with_its_state(stub: provider_pb2_grpc.ResourceProviderStub) -> None:
    """In the error's details, from which the engine records it."""
    with pytest.raises(grpc.RpcError) as caught:
        stub.Create(provider_pb2.CreateRequest(properties=encode({"outcome": "unready"})))
    trailers = dict(cast("grpc.Call", caught.value).trailing_metadata() or ())
    details = cast("bytes", trailers["grpc-status-details-bin"])
    assert b"type.googleapis.com/pulumirpc.ErrorResourceInitFailed" in details
    assert b"it leans" in details
    assert b"id-1" in details


@pytest.mark.parametrize(
    ("outcome", "code", "text"),
    [
        ("refused", grpc.StatusCode.FAILED_PRECONDITION, REFUSAL),
        ("defect", grpc.StatusCode.UNKNOWN, "KeyError: 'missing'"),
    ],
)
def test_failures_are_told_apart(
    stub: provider_pb2_grpc.ResourceProviderStub, outcome: str, code: grpc.StatusCode, text: str
) -> None:
    """What was refused changed nothing; after a defect the engine must not be sure of that, and sees the trace."""
    with pytest.raises(grpc.RpcError) as caught:
        stub.Create(provider_pb2.CreateRequest(properties=encode({"outcome": outcome})))
    call = cast("grpc.Call", caught.value)
    assert call.code() == code
    assert text in str(call.details())


def test_a_resource_that_is_gone_has_no_id(stub: provider_pb2_grpc.ResourceProviderStub) -> None:
    """Which is how the engine knows."""
    assert stub.Read(provider_pb2.ReadRequest(id="id-1")).id == ""


def test_a_function_is_refused_by_name(stub: provider_pb2_grpc.ResourceProviderStub) -> None:
    """So that a program that calls one learns what it lacks."""
    with pytest.raises(grpc.RpcError, match="shelf:index:search"):
        stub.Invoke(provider_pb2.InvokeRequest(tok="shelf:index:search"))


def test_a_component_is_refused_by_name(stub: provider_pb2_grpc.ResourceProviderStub) -> None:
    """As above."""
    with pytest.raises(grpc.RpcError, match="shelf:index:Cupboard"):
        stub.Construct(provider_pb2.ConstructRequest(type="shelf:index:Cupboard"))
