"""The part of a resource provider that every stand-in shares: Pulumi's protocol, in plain Python values.

A stand-in subclasses `Provider` and answers in property bags; `serve_provider` runs it. What a subclass raises becomes
what the engine understands:

    RefusedError          the operation failed, nothing was changed
    InitializationError   the resource exists but is not ready; the engine records it with the reasons
    InvalidInputsError    `check` found wrong inputs; the engine shows each with its property
    anything else         a defect of the stand-in: the operation failed, and the trace is in the message
"""

import abc
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from google.protobuf import empty_pb2
from google.protobuf.message import Message
from pulumi.runtime.proto import plugin_pb2, provider_pb2

from toolchain.doubles.changes import Change, ChangeKind, format_path
from toolchain.doubles.engine import EngineLog
from toolchain.doubles.errors import InvalidInputsError, RefusedError
from toolchain.doubles.properties import Properties, decode, encode
from toolchain.doubles.server import Method, serve


@dataclass(frozen=True, slots=True)
class Resource:
    """Which resource a request is about.

    Attributes:
        urn: unique in all stacks: stack, project, type and name.
        token: its type, such as `kubernetes:apps/v1:Deployment`.
        name: its name in the program.
    """

    urn: str
    token: str
    name: str


@dataclass(frozen=True, slots=True)
class Naming:
    """What a name is made of where the program gives none.

    Attributes:
        seed: the engine's random bytes; empty where it gave none.
        proposal: the name that the stack's configuration asks for; empty where it has no opinion.
        enforced: whether the proposal must be taken as it is.
        disabled: whether automatic names are forbidden.
    """

    seed: bytes = b""
    proposal: str = ""
    enforced: bool = False
    disabled: bool = False


@dataclass(frozen=True, slots=True)
class Difference:
    """The answer to "what would an update do".

    Attributes:
        changes: none where nothing differs.
        deletes_first: a replacement takes the old one away before it makes the new one, as when both have one name.
    """

    changes: list[Change] = field(default_factory=list)
    deletes_first: bool = False


@dataclass(frozen=True, slots=True)
class Live:
    """A resource as it is.

    Attributes:
        identifier: its ID; empty where it is gone.
        inputs: what its inputs would have to be for it to be as it is.
        outputs: its properties.
    """

    identifier: str = ""
    inputs: Properties = field(default_factory=dict)
    outputs: Properties = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Operation:
    """What else an operation has to know.

    Attributes:
        preview: only say what would happen.
        timeout_seconds: the person's bound on the whole operation; 0 where there is none.
    """

    preview: bool = False
    timeout_seconds: float = 0.0


class Provider(abc.ABC):
    """A resource provider in plain values.

    All methods may be called at once from several threads, after `configure` returned.
    """

    plugin: str
    """The official plugin it stands in for."""
    version: str
    """The version of the official plugin's interface that it speaks."""
    accepts_secrets = False
    """Whether the engine sends secrets marked. Where it does not, it copies the mark from an input to the output of
    the same path by itself, which is what an API that echoes its inputs needs."""

    def __init__(self, log: EngineLog) -> None:
        """Takes the log that the person at the CLI reads."""
        self.log = log

    @abc.abstractmethod
    def check_config(self, inputs: Properties) -> Properties:
        """The provider's inputs with defaults; raises `InvalidInputsError`."""

    def diff_config(self, old: Properties, new: Properties) -> bool:  # noqa: ARG002 - for subclasses
        """Whether a change of the provider's inputs takes every resource of it along to be replaced."""
        return False

    @abc.abstractmethod
    def configure(self, inputs: Properties) -> None:
        """Takes the provider's inputs; must not wait for anything out of process."""

    @abc.abstractmethod
    def check(self, resource: Resource, old: Properties, new: Properties, names: Naming) -> Properties:
        """The inputs with defaults and name; raises `InvalidInputsError`."""

    @abc.abstractmethod
    def diff(self, resource: Resource, old_inputs: Properties, old_outputs: Properties, new: Properties) -> Difference:
        """What an update would change."""

    @abc.abstractmethod
    def create(self, resource: Resource, inputs: Properties, operation: Operation) -> tuple[str, Properties]:
        """Makes the resource; gives its ID (any in a preview) and outputs."""

    @abc.abstractmethod
    def update(
        self,
        resource: Resource,
        identifier: str,
        outputs: Properties,
        inputs: Properties,
        operation: Operation,
    ) -> Properties:
        """Changes the resource in place; gives its outputs."""

    @abc.abstractmethod
    def read(self, resource: Resource, identifier: str, inputs: Properties, outputs: Properties) -> Live:
        """The resource as it is; inputs and outputs are empty where it is imported."""

    @abc.abstractmethod
    def delete(self, resource: Resource, identifier: str, outputs: Properties, operation: Operation) -> None:
        """Takes the resource away and waits until it is gone; one that is gone already is no error."""

    def invoke(self, function: str, arguments: Properties) -> Properties:  # noqa: ARG002 - for subclasses
        """Calls a function of the provider; there is none unless a subclass has it."""
        message = f"the function {function} is not offered by the stand-in for {self.plugin}"
        raise RefusedError(message)

    def cancel(self) -> None:  # noqa: B027 - most have nothing to cancel
        """Ends waits early: the person pressed Ctrl-C, or the engine is going."""


def serve_provider(provider: Provider) -> None:
    """Serves the provider until the engine stops it; does not return."""
    serve("pulumirpc.ResourceProvider", methods(provider), on_stop=provider.cancel)


def methods(provider: Provider) -> Mapping[str, Method]:
    """Each call of the protocol that is answered."""
    return _Protocol(provider).methods()


_KINDS: Mapping[tuple[ChangeKind, bool], provider_pb2.PropertyDiff.Kind.ValueType] = {
    (ChangeKind.ADD, False): provider_pb2.PropertyDiff.ADD,
    (ChangeKind.ADD, True): provider_pb2.PropertyDiff.ADD_REPLACE,
    (ChangeKind.DELETE, False): provider_pb2.PropertyDiff.DELETE,
    (ChangeKind.DELETE, True): provider_pb2.PropertyDiff.DELETE_REPLACE,
    (ChangeKind.UPDATE, False): provider_pb2.PropertyDiff.UPDATE,
    (ChangeKind.UPDATE, True): provider_pb2.PropertyDiff.UPDATE_REPLACE,
}


class _Protocol:
    """Pulumi's messages in front of a `Provider`."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider

    def methods(self) -> Mapping[str, Method]:
        """Each call that the engine may make; those left out are answered UNIMPLEMENTED."""
        return {
            "Handshake": Method(provider_pb2.ProviderHandshakeRequest, self._handshake),
            "GetPluginInfo": Method(empty_pb2.Empty, self._plugin_info),
            "CheckConfig": Method(provider_pb2.CheckRequest, self._check_config),
            "DiffConfig": Method(provider_pb2.DiffRequest, self._diff_config),
            "Configure": Method(provider_pb2.ConfigureRequest, self._configure),
            "Check": Method(provider_pb2.CheckRequest, self._check),
            "Diff": Method(provider_pb2.DiffRequest, self._diff),
            "Create": Method(provider_pb2.CreateRequest, self._create),
            "Update": Method(provider_pb2.UpdateRequest, self._update),
            "Read": Method(provider_pb2.ReadRequest, self._read),
            "Delete": Method(provider_pb2.DeleteRequest, self._delete),
            "Invoke": Method(provider_pb2.InvokeRequest, self._invoke),
            "Construct": Method(provider_pb2.ConstructRequest, self._construct),
            "Cancel": Method(empty_pb2.Empty, self._cancel),
        }

    def _handshake(self, _: provider_pb2.ProviderHandshakeRequest) -> Message:
        return provider_pb2.ProviderHandshakeResponse(
            accept_secrets=self._provider.accepts_secrets, supports_autonaming_configuration=True
        )

    def _plugin_info(self, _: empty_pb2.Empty) -> Message:
        return plugin_pb2.PluginInfo(version=self._provider.version)

    def _check_config(self, request: provider_pb2.CheckRequest) -> Message:
        return _checked(lambda: self._provider.check_config(decode(request.news)))

    def _diff_config(self, request: provider_pb2.DiffRequest) -> Message:
        old, new = decode(request.old_inputs), decode(request.news)
        changed = sorted(key for key in {*old, *new} if old.get(key) != new.get(key))
        return provider_pb2.DiffResponse(
            changes=provider_pb2.DiffResponse.DIFF_SOME if changed else provider_pb2.DiffResponse.DIFF_NONE,
            diffs=changed,
            replaces=changed if self._provider.diff_config(old, new) else [],
        )

    def _configure(self, request: provider_pb2.ConfigureRequest) -> Message:
        self._provider.log.announce(self._provider.plugin)
        self._provider.configure(decode(request.args))
        return provider_pb2.ConfigureResponse(
            acceptSecrets=self._provider.accepts_secrets,
            supportsPreview=True,
            supports_autonaming_configuration=True,
        )

    def _check(self, request: provider_pb2.CheckRequest) -> Message:
        options = provider_pb2.CheckRequest.AutonamingOptions
        mode = request.autonaming.mode
        names = Naming(
            seed=request.randomSeed,
            proposal=request.autonaming.proposed_name,
            enforced=mode == options.ENFORCE,
            disabled=mode == options.DISABLE,
        )
        old, new = decode(request.olds), decode(request.news)
        return _checked(lambda: self._provider.check(_resource(request), old, new, names))

    def _diff(self, request: provider_pb2.DiffRequest) -> Message:
        difference = self._provider.diff(
            _resource(request), decode(request.old_inputs), decode(request.olds), decode(request.news)
        )
        changes = difference.changes
        return provider_pb2.DiffResponse(
            changes=provider_pb2.DiffResponse.DIFF_SOME if changes else provider_pb2.DiffResponse.DIFF_NONE,
            diffs=sorted({str(change.path[0]) for change in changes}),
            replaces=sorted({str(change.path[0]) for change in changes if change.replaces}),
            deleteBeforeReplace=difference.deletes_first,
            hasDetailedDiff=True,
            detailedDiff={
                format_path(change.path): provider_pb2.PropertyDiff(
                    kind=_KINDS[change.kind, change.replaces], inputDiff=True
                )
                for change in changes
            },
        )

    def _create(self, request: provider_pb2.CreateRequest) -> Message:
        operation = Operation(preview=request.preview, timeout_seconds=request.timeout)
        identifier, outputs = self._provider.create(_resource(request), decode(request.properties), operation)
        return provider_pb2.CreateResponse(id=identifier, properties=encode(outputs))

    def _update(self, request: provider_pb2.UpdateRequest) -> Message:
        operation = Operation(preview=request.preview, timeout_seconds=request.timeout)
        outputs = self._provider.update(
            _resource(request), request.id, decode(request.olds), decode(request.news), operation
        )
        return provider_pb2.UpdateResponse(properties=encode(outputs))

    def _read(self, request: provider_pb2.ReadRequest) -> Message:
        live = self._provider.read(_resource(request), request.id, decode(request.inputs), decode(request.properties))
        return provider_pb2.ReadResponse(
            id=live.identifier, inputs=encode(live.inputs), properties=encode(live.outputs)
        )

    def _delete(self, request: provider_pb2.DeleteRequest) -> Message:
        operation = Operation(timeout_seconds=request.timeout)
        self._provider.delete(_resource(request), request.id, decode(request.properties), operation)
        return empty_pb2.Empty()

    def _invoke(self, request: provider_pb2.InvokeRequest) -> Message:
        answer = provider_pb2.InvokeResponse()
        # The field is called `return`, which Python cannot say.
        getattr(answer, "return").CopyFrom(encode(self._provider.invoke(request.tok, decode(request.args))))
        return answer

    def _construct(self, request: provider_pb2.ConstructRequest) -> Message:
        message = f"the component {request.type} is not offered by the stand-in for {self._provider.plugin}"
        raise RefusedError(message)

    def _cancel(self, _: empty_pb2.Empty) -> Message:
        self._provider.cancel()
        return empty_pb2.Empty()


def _resource(
    request: provider_pb2.CheckRequest
    | provider_pb2.DiffRequest
    | provider_pb2.CreateRequest
    | provider_pb2.UpdateRequest
    | provider_pb2.ReadRequest
    | provider_pb2.DeleteRequest,
) -> Resource:
    return Resource(urn=request.urn, token=request.type, name=request.name)


def _checked(check: Callable[[], Properties]) -> Message:
    try:
        return provider_pb2.CheckResponse(inputs=encode(check()))
    except InvalidInputsError as error:
        failures = [provider_pb2.CheckFailure(property=path, reason=reason) for path, reason in error.failures.items()]
        return provider_pb2.CheckResponse(failures=failures)
