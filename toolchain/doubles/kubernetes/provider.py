"""The stand-in's answers to the engine; what it promises is in the package's documentation."""

import threading
import time
from collections.abc import Mapping
from typing import Any

from toolchain.doubles.changes import compare
from toolchain.doubles.engine import EngineLog, Severity
from toolchain.doubles.errors import InitializationError, InvalidInputsError, RefusedError
from toolchain.doubles.kubernetes import (
    deletion,
    immutable,
    naming,
    projection,
    readiness,
    rehearsal,
    settings,
    waiting,
)
from toolchain.doubles.kubernetes.client import ApiError, Cluster, Endpoint, UnknownKindError
from toolchain.doubles.kubernetes.kubeconfig import load
from toolchain.doubles.kubernetes.objects import (
    ANNOTATION_FIELD_MANAGER,
    ANNOTATION_FORCE,
    ANNOTATION_SKIP_AWAIT,
    ANNOTATION_TIMEOUT,
    KubernetesObject,
    annotation,
    dig,
    for_server,
    group_kind,
    object_name,
    split_identifier,
)
from toolchain.doubles.properties import Properties, contains_unknown
from toolchain.doubles.provider import Difference, Live, Naming, Operation, Provider, Resource

# A kind whose definition was established a moment ago, until every API server serves it.
_KIND_APPEARS_SECONDS = 20.0
_KIND_POLL_SECONDS = 0.5


class KubernetesProvider(Provider):
    """Kubernetes objects on one API server."""

    plugin = "pulumi-resource-kubernetes"
    version = "4.34.2"

    def __init__(self, log: EngineLog) -> None:
        """Waits for `configure` before it looks for a cluster."""
        super().__init__(log)
        self._settings = settings.Settings()
        self._cluster: Cluster | None = None
        self._lock = threading.Lock()
        self._cancelled = threading.Event()
        self._warned: set[tuple[str, str]] = set()
        self._replaced: set[str] = set()

    def check_config(self, inputs: Properties) -> Properties:
        """See `Provider`."""
        settings.read(inputs)
        return inputs

    def diff_config(self, old: Properties, new: Properties) -> bool:
        """Only another `clusterIdentifier` means another cluster: servers change their addresses and certificates."""
        key = "clusterIdentifier"
        return bool(old.get(key)) and bool(new.get(key)) and old[key] != new[key]

    def configure(self, inputs: Properties) -> None:
        """See `Provider`."""
        self._settings = settings.read(inputs)

    def check(self, resource: Resource, old: Properties, new: Properties, names: Naming) -> Properties:
        """See `Provider`."""
        inputs = naming.completed(resource, old, new, names, self._namespace)
        timeout = annotation(inputs, ANNOTATION_TIMEOUT)
        if timeout is not None and not timeout.isdigit():
            path = f'metadata.annotations["{ANNOTATION_TIMEOUT}"]'
            raise InvalidInputsError({path: f"is {timeout!r}; it must be whole seconds"})
        return inputs

    def diff(self, resource: Resource, old_inputs: Properties, old_outputs: Properties, new: Properties) -> Difference:
        """See `Provider`."""
        kind = group_kind(new)
        changes = compare(_without_version(old_inputs, new), new)
        changes = immutable.marked(changes, kind, mutable_kinds=self._settings.mutable_kinds)
        if changes and not any(change.replaces for change in changes) and not contains_unknown(new):
            changes = immutable.marked_by_server(changes, self._complaints(resource, old_outputs, new))
        # Also where nothing changed: the engine may replace it anyway (`--replace`), and applying the new one over the
        # old before deleting "the old one" would delete both.
        deletes_first = object_name(old_inputs) == object_name(new) and not naming.is_autonamed(new)
        if deletes_first and any(change.replaces for change in changes):
            self._replaced.add(resource.urn)
        return Difference(changes, deletes_first=deletes_first)

    def create(self, resource: Resource, inputs: Properties, operation: Operation) -> tuple[str, Properties]:
        """See `Provider`."""
        manager = annotation(inputs, ANNOTATION_FIELD_MANAGER) or naming.field_manager(resource.urn)
        if operation.preview:
            return object_name(inputs), self._preview(resource, inputs, manager, existing={})
        return self._apply(resource, inputs, manager, operation)

    def update(
        self,
        resource: Resource,
        identifier: str,  # noqa: ARG002 - the inputs name the object
        outputs: Properties,
        inputs: Properties,
        operation: Operation,
    ) -> Properties:
        """See `Provider`."""
        manager = _manager(resource, outputs, inputs)
        if operation.preview:
            return self._preview(resource, inputs, manager, existing=outputs)
        return self._apply(resource, inputs, manager, operation)[1]

    def read(self, resource: Resource, identifier: str, inputs: Properties, outputs: Properties) -> Live:
        """See `Provider`."""
        api_version, kind = naming.kind_of(resource.token)
        namespace, name = split_identifier(identifier)
        try:
            endpoint = self._target.endpoint(api_version, kind)
            if endpoint.namespaced and namespace is None:
                namespace = self._target.namespace
            live = self._target.get(endpoint.path(namespace, name))
        except UnknownKindError:
            return Live()
        except ApiError as error:
            if error.missing:
                return Live()
            raise RefusedError(_explained(resource, identifier, error)) from error
        manager = _manager(resource, outputs, inputs)
        known = self._current_inputs(endpoint, inputs, live, manager) if inputs else projection.imported(live)
        result = Live(object_name(live), known, projection.outputs(live, manager))
        verdict = readiness.judge(live, waiting.related(self._target, live))
        if verdict.phase is not readiness.Phase.READY and not _skips_waiting(live):
            reasons = [verdict.message, *waiting.reasons(self._target, live)]
            raise InitializationError(result.identifier, inputs=result.inputs, outputs=result.outputs, reasons=reasons)
        return result

    def delete(self, resource: Resource, identifier: str, outputs: Properties, operation: Operation) -> None:
        """See `Provider`."""
        api_version, kind = naming.kind_of(resource.token)
        namespace, name = split_identifier(identifier)
        recorded = {**outputs, "apiVersion": api_version, "kind": kind}
        try:
            path = self._target.endpoint(api_version, kind).path(namespace, name)
            deletion.delete(self._target, path, recorded, self._wait(resource, recorded, operation))
        except UnknownKindError:
            # Its definition is gone, and all objects of it went along.
            return
        except ApiError as error:
            raise RefusedError(_explained(resource, identifier, error)) from error

    def cancel(self) -> None:
        """See `Provider`."""
        self._cancelled.set()

    @property
    def _target(self) -> Cluster:
        """The cluster; found when it is first needed, for a stack may make its kubeconfig in the same `up`."""
        with self._lock:
            if self._cluster is None:
                self._cluster = Cluster(load(self._settings))
            return self._cluster

    @property
    def _namespace(self) -> str:
        return self._settings.namespace or self._target.namespace

    def _apply(
        self, resource: Resource, inputs: Properties, manager: str, operation: Operation
    ) -> tuple[str, Properties]:
        cluster, body = self._target, for_server(inputs)
        wait = self._wait(resource, inputs, operation)
        try:
            endpoint = self._endpoint(body)
            _place(body, endpoint, cluster)
            path = endpoint.path(dig(body, "metadata", "namespace"), body["metadata"]["name"])
            force = annotation(inputs, ANNOTATION_FORCE) == "true"
            applied = cluster.apply(path, body, manager, force=force)
            if dig(applied.live, "metadata", "deletionTimestamp"):
                # An earlier `destroy` is still at it; what was just applied would go down with the old object.
                deletion.delete(cluster, path, applied.live, wait)
                applied = cluster.apply(path, body, manager, force=force)
            self._warn(resource, applied.warnings)
        except UnknownKindError as error:
            message = f"{resource.name}: {error}; its definition must be there first: add it, or depend on it"
            raise RefusedError(message) from error
        except ApiError as error:
            raise RefusedError(_explained(resource, object_name(body), error)) from error
        return self._ready(inputs, applied.live, manager, wait)

    def _ready(
        self, inputs: Properties, live: KubernetesObject, manager: str, wait: waiting.Wait
    ) -> tuple[str, Properties]:
        reasons: list[str] = []
        if group_kind(live) in readiness.RULES and not _skips_waiting(inputs):
            try:
                live, reasons = waiting.until_ready(self._target, live, wait)
            except (ApiError, RefusedError) as error:
                # The object is on the server: losing it from the state because of a fault in a look at it would
                # leave it behind for good.
                reasons = [f"applied, but then: {error}"]
        outputs = projection.outputs(live, manager)
        if reasons:
            raise InitializationError(object_name(live), inputs=inputs, outputs=outputs, reasons=reasons)
        return object_name(live), outputs

    def _preview(self, resource: Resource, inputs: Properties, manager: str, existing: Mapping[str, Any]) -> Properties:
        if contains_unknown(inputs):
            return projection.outputs_of_inputs(inputs)
        body = for_server(inputs)
        try:
            endpoint = self._target.endpoint(body["apiVersion"], body["kind"])
            _place(body, endpoint, self._target)
            force = annotation(inputs, ANNOTATION_FORCE) == "true"
            if not existing and resource.urn in self._replaced:
                # The object that has the name now goes before this one comes.
                rehearsal.check_fields(self._target, endpoint, body, dig(body, "metadata", "namespace"))
                return projection.outputs_of_inputs(inputs)
            applied = rehearsal.rehearse(self._target, endpoint, body, manager, force=force)
        except UnknownKindError as error:
            if naming.is_built_in(group_kind(body)):
                message = f"{resource.name}: {error}"
                raise RefusedError(message) from error
            return projection.outputs_of_inputs(inputs)
        except ApiError as error:
            raise RefusedError(_explained(resource, object_name(body), error)) from error
        if applied is None:
            return projection.outputs_of_inputs(inputs)
        self._warn(resource, applied.warnings)
        if existing:
            return projection.outputs(applied.live, manager)
        return projection.outputs_of_dry_run(applied.live, inputs)

    def _current_inputs(
        self, endpoint: Endpoint, inputs: Properties, live: KubernetesObject, manager: str
    ) -> Properties:
        """The recorded inputs, where applying them again would change nothing; else what has become of them."""
        body = for_server(inputs)
        _place(body, endpoint, self._target)
        path = endpoint.path(dig(live, "metadata", "namespace"), live["metadata"]["name"])
        try:
            applied = self._target.apply(path, body, manager, force=True, dry_run=True)
        except ApiError:
            # What the server would not take again now says nothing of what became of it.
            return inputs
        return projection.current_inputs(inputs, live, applied.live)

    def _complaints(self, resource: Resource, old_outputs: Properties, new: Properties) -> tuple[tuple[str, str], ...]:
        """What the server has against making the change in place; nothing where it does not know the kind."""
        body = for_server(new)
        try:
            endpoint = self._target.endpoint(body["apiVersion"], body["kind"])
            _place(body, endpoint, self._target)
            path = endpoint.path(dig(body, "metadata", "namespace"), body["metadata"]["name"])
            self._target.apply(path, body, _manager(resource, old_outputs, new), force=True, dry_run=True)
        except ApiError as error:
            return error.causes or (("", error.message),)
        except UnknownKindError:
            return ()
        return ()

    def _endpoint(self, body: Mapping[str, Any]) -> Endpoint:
        deadline = time.monotonic() + _KIND_APPEARS_SECONDS
        while True:
            try:
                return self._target.endpoint(body["apiVersion"], body["kind"])
            except UnknownKindError:
                if naming.is_built_in(group_kind(body)) or time.monotonic() > deadline:
                    raise
            if self._cancelled.wait(_KIND_POLL_SECONDS):
                message = "cancelled while waiting for the kind's definition"
                raise RefusedError(message)

    def _wait(self, resource: Resource, inputs: Mapping[str, Any], operation: Operation) -> waiting.Wait:
        kind = group_kind(inputs)
        default = readiness.TIMEOUT_SECONDS.get(kind, readiness.TIMEOUT_DEFAULT_SECONDS)
        seconds = operation.timeout_seconds or float(annotation(inputs, ANNOTATION_TIMEOUT) or default)
        return waiting.Wait(seconds, self._cancelled, lambda message: self.log.status(message, resource.urn))

    def _warn(self, resource: Resource, warnings: tuple[str, ...]) -> None:
        for text in warnings:
            if self._settings.quiet_deprecations and "deprecated" in text:
                continue
            if (resource.urn, text) not in self._warned:
                self._warned.add((resource.urn, text))
                self.log.log(Severity.WARNING, text, resource.urn)


def _manager(resource: Resource, outputs: Mapping[str, Any], inputs: Mapping[str, Any]) -> str:
    recorded = outputs.get(projection.FIELD_MANAGER)
    return annotation(inputs, ANNOTATION_FIELD_MANAGER) or str(recorded or naming.field_manager(resource.urn))


def _place(body: KubernetesObject, endpoint: Endpoint, cluster: Cluster) -> None:
    """Gives an object of a custom kind its namespace, now that the server says whether it has one."""
    if endpoint.namespaced and dig(body, "metadata", "namespace") is None:
        body["metadata"] = {**body["metadata"], "namespace": cluster.namespace}


def _skips_waiting(inputs: Mapping[str, Any]) -> bool:
    return annotation(inputs, ANNOTATION_SKIP_AWAIT) == "true"


def _without_version(old: Properties, new: Properties) -> Properties:
    """The old inputs; with the new version where only that of the same group differs, for the object is the same."""
    if old.get("apiVersion") != new.get("apiVersion") and group_kind(old) == group_kind(new):
        return {**old, "apiVersion": new.get("apiVersion")}
    return old


def _explained(resource: Resource, name: str, error: ApiError) -> str:
    """What the server refused, why, and the way out."""
    subject = f"{resource.token.split(':')[-1]} {name}"
    if error.conflict and error.causes:
        return (
            f"{subject}: {error.message}\nLeave those fields to their owner by taking them out of the program, or "
            f'take them over with the annotation {ANNOTATION_FORCE}: "true".'
        )
    if error.malformed:
        # The sentence before the last bracket only repeats the object's name and kind.
        return f"{subject} does not fit its kind: {error.message.rpartition('): ')[2]}"
    return f"{subject}: the API server answers {error.reason} ({error.status}): {error.message}"
