"""Requests to an API server, tried again where a fault may pass."""

import functools
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import httpx2
import tenacity
from lightkube.config.client_adapter import Client, ConnectionParams
from lightkube.config.kubeconfig import SingleConfig
from lightkube.core.exceptions import ConfigError

from toolchain.doubles.errors import RefusedError
from toolchain.doubles.kubernetes.objects import KubernetesObject, dig

_REQUEST_TIMEOUT_SECONDS = 30.0
# Long enough for a load balancer to move to another API server, short enough for a person to wait.
_RETRY_SECONDS = 15.0
_TRANSIENT_STATUS = frozenset({429, 502, 503, 504})
# A webhook's or an aggregated API's pod that is only just starting.
_TRANSIENT_MESSAGES = ("failed calling webhook", "etcdserver: leader changed", "etcdserver: request timed out")
_STATUS_BAD_REQUEST, _STATUS_NOT_FOUND, _STATUS_CONFLICT = 400, 404, 409
_STATUS_ERROR_MIN = 400
# Servers answer an unknown field in an apply with 500, as if it were their own fault.
_MALFORMED = "failed to create typed patch object"


class ApiError(Exception):
    """The API server refused a request.

    Attributes:
        status: the HTTP status.
        reason: the server's word for it, such as `Invalid`.
        message: its sentence.
        causes: the field and message of each cause it gave.
    """

    def __init__(self, status: int, reason: str, message: str, causes: Iterable[tuple[str, str]] = ()) -> None:
        """Takes what the server answered."""
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.message = message
        self.causes = tuple(causes)

    @property
    def missing(self) -> bool:
        """Whether what was asked for does not exist."""
        return self.status == _STATUS_NOT_FOUND

    @property
    def conflict(self) -> bool:
        """Whether it collides with what somebody else did."""
        return self.status == _STATUS_CONFLICT

    @property
    def malformed(self) -> bool:
        """Whether the object does not fit the kind's schema: an unknown field, a wrong type, a missing one."""
        return _MALFORMED in self.message or self.status == _STATUS_BAD_REQUEST or self._lacks_or_mistypes

    @property
    def _lacks_or_mistypes(self) -> bool:
        texts = ("Required value", "Unsupported value", "unknown field", "Invalid value: null")
        return any(text in message for _, message in self.causes for text in texts)

    @property
    def transient(self) -> bool:
        """Whether it may go well in a moment."""
        return self.status in _TRANSIENT_STATUS or any(part in self.message for part in _TRANSIENT_MESSAGES)


class UnknownKindError(Exception):
    """The API server does not know the kind, or not in that version."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where objects of a kind live on the server.

    Attributes:
        prefix: such as `/apis/apps/v1`.
        plural: such as `deployments`.
        namespaced: whether they lie in namespaces.
    """

    prefix: str
    plural: str
    namespaced: bool

    def path(self, namespace: str | None, name: str = "") -> str:
        """The path of an object, or of all in a namespace."""
        scope = f"/namespaces/{namespace}" if self.namespaced and namespace else ""
        return f"{self.prefix}{scope}/{self.plural}{'/' if name else ''}{name}"


@dataclass(frozen=True, slots=True)
class Applied:
    """The answer to an apply.

    Attributes:
        live: the object as the server has it now, or would have it.
        warnings: what the server says of it besides.
    """

    live: KubernetesObject
    warnings: tuple[str, ...] = ()


@dataclass(slots=True)
class Cluster:
    """An API server; may be used from several threads at once."""

    config: SingleConfig
    _endpoints: dict[tuple[str, str], Endpoint] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _client: httpx2.Client = field(init=False)

    def __post_init__(self) -> None:
        """Prepares the connection, but makes none yet."""
        server = self.config.cluster.server
        # Proxies are for servers elsewhere; urllib's rules, which httpx follows, have no exception for loopback.
        loopback = (urlsplit(server).hostname or "") in ("127.0.0.1", "localhost", "::1")
        timeout = httpx2.Timeout(_REQUEST_TIMEOUT_SECONDS)
        try:
            self._client = Client(self.config, ConnectionParams(timeout=timeout, trust_env=not loopback))
        except (ConfigError, OSError, ValueError) as error:
            message = f"the credentials of context {self.config.context_name!r} cannot be used: {error}"
            raise RefusedError(message) from error

    @property
    def namespace(self) -> str:
        """Where objects go that name no namespace."""
        return self.config.namespace

    def endpoint(self, api_version: str, kind: str) -> Endpoint:
        """Where objects of a kind live, as the server says itself.

        Raises:
            UnknownKindError: it says nothing of the kind.
        """
        with self._lock:
            if (api_version, kind) not in self._endpoints:
                self._endpoints.update(self._discover(api_version))
            try:
                return self._endpoints[api_version, kind]
            except KeyError:
                message = f"the API server has no {kind} in {api_version}"
                raise UnknownKindError(message) from None

    def get(self, path: str, **query: str) -> KubernetesObject:
        """Reads an object or a list."""
        answer: KubernetesObject = self._send("GET", path, query).json()
        return answer

    def text(self, path: str, **query: str) -> str:
        """Reads what is no object, such as a log."""
        return self._send("GET", path, query).text

    def items(self, path: str, **query: str) -> list[KubernetesObject]:
        """Reads the objects of a list."""
        found: list[KubernetesObject] = self.get(path, **query).get("items") or []
        return found

    def apply(
        self, path: str, body: Mapping[str, Any], manager: str, *, force: bool = False, dry_run: bool = False
    ) -> Applied:
        """Applies an object on the server's side, refusing fields that the kind does not have."""
        query = {"fieldManager": manager, "force": str(force).lower(), "fieldValidation": "Strict"}
        if dry_run:
            query["dryRun"] = "All"
        response = self._send("PATCH", path, query, body, content_type="application/apply-patch+yaml")
        return Applied(response.json(), tuple(_warnings(response.headers.get_list("warning"))))

    def delete(self, path: str, propagation: str) -> None:
        """Asks for an object's deletion; it may take until its dependents and finalizers are gone."""
        self._send("DELETE", path, {}, {"propagationPolicy": propagation})

    def close(self) -> None:
        """Closes the connections."""
        self._client.close()

    def _discover(self, api_version: str) -> dict[tuple[str, str], Endpoint]:
        prefix = f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"
        try:
            resources = self.get(prefix).get("resources") or []
        except ApiError as error:
            if error.missing:
                return {}
            raise
        return {
            (api_version, entry["kind"]): Endpoint(prefix, entry["name"], entry["namespaced"])
            for entry in resources
            if "/" not in entry["name"]
        }

    def _send(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        body: Mapping[str, Any] | None = None,
        content_type: str = "application/json",
    ) -> httpx2.Response:
        request = functools.partial(
            self._client.request, method, path, params=query, json=body, headers={"Content-Type": content_type}
        )
        try:
            return _patiently(lambda: _checked(request()))
        except httpx2.HTTPError as error:
            message = (
                f"the API server of context {self.config.context_name!r} at {self.config.cluster.server} does not "
                f"answer: {error or type(error).__name__}; is the cluster up, and is it the right one?"
            )
            raise RefusedError(message) from error
        except ConfigError as error:
            message = f"no credentials for context {self.config.context_name!r}: {error}"
            raise RefusedError(message) from error


def _patiently(request: Callable[[], httpx2.Response]) -> httpx2.Response:
    # Everything asked of the server here can be asked twice: reads, applies and deletions come to the same again.
    attempts = tenacity.Retrying(
        retry=tenacity.retry_if_exception(_may_pass),
        stop=tenacity.stop_after_delay(_RETRY_SECONDS),
        wait=tenacity.wait_random_exponential(multiplier=0.2, max=3),
        reraise=True,
    )
    return attempts(request)


def _may_pass(error: BaseException) -> bool:
    return isinstance(error, httpx2.TransportError) or (isinstance(error, ApiError) and error.transient)


def _checked(response: httpx2.Response) -> httpx2.Response:
    if response.status_code < _STATUS_ERROR_MIN:
        return response
    try:
        status = response.json()
    except ValueError:
        status = {}
    causes = [
        (str(cause.get("field", "")), str(cause.get("message", ""))) for cause in dig(status, "details", "causes") or []
    ]
    message = str(dig(status, "message") or response.text or response.reason_phrase)
    raise ApiError(response.status_code, str(dig(status, "reason") or response.reason_phrase), message, causes)


def _warnings(headers: Iterable[str]) -> Iterable[str]:
    """The texts of Warning headers: `299 - "text"`."""
    for header in headers:
        _, _, text = header.partition('"')
        yield text.removesuffix('"').replace('\\"', '"')
