"""Runs the Pulumi program against a recording stand-in of the engine, and hands back what it asked for."""

import asyncio
import json
import runpy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pulumi
from google.protobuf import json_format
from pulumi.runtime import mocks, run_in_stack, set_all_config, set_mocks

from infra.naming import PROJECT

ROOT: Final = Path(__file__).parents[2]
SECRET: Final = "a-key-that-must-not-be-seen"
DIGEST: Final = f"sha256:{'0123456789abcdef' * 4}"
SECRET_KEY: Final = f"{PROJECT}:object_store_secret_key"

_SECRET_MARK: Final = pulumi.runtime.rpc._special_secret_sig  # noqa: SLF001 (how the engine's protocol marks a secret)
_MARK: Final = pulumi.runtime.rpc._special_sig_key  # noqa: SLF001 (likewise)

Json = Any
"""A value as JSON has it."""


@dataclass(frozen=True)
class Resource:
    """A resource that the program registered.

    Attributes:
        urn: what others refer to it by.
        type: such as `kubernetes:apps/v1:Deployment`.
        name: Pulumi's name of it.
        custom: whether a provider makes it; otherwise it is a component.
        parent: URN of what it belongs to.
        provider: URN of the provider that it names; empty for components and where none is named.
        depends_on: URNs of what has to be there before, whether said so or because a value comes from it.
        inputs: what is asked for; a secret is a `Secret`.
    """

    urn: str
    type: str
    name: str
    custom: bool
    parent: str
    provider: str
    depends_on: frozenset[str]
    inputs: dict[str, Json]


@dataclass(frozen=True)
class Secret:
    """A value that Pulumi keeps encrypted and never prints."""

    value: Json


@dataclass
class Rendered:
    """A stack as the program described it."""

    resources: list[Resource] = field(default_factory=list)
    outputs: dict[str, Json] = field(default_factory=dict)

    def of_type(self, *types: str) -> list[Resource]:
        """The resources whose type ends so, such as `Deployment`."""
        return [resource for resource in self.resources if resource.type.rsplit(":", 1)[-1] in types]

    def the(self, type_: str, name: str) -> Resource:
        """The one resource of this type and name."""
        (found,) = [resource for resource in self.of_type(type_) if resource.name == name]
        return found

    @property
    def kubernetes(self) -> list[Resource]:
        """What is made in the cluster."""
        return [resource for resource in self.resources if resource.type.startswith("kubernetes:")]

    def depends(self, resource: Resource, on: Resource) -> bool:
        """Whether one waits for the other, on whatever way; a parent waits, and its children with it."""
        by_urn = {known.urn: known for known in self.resources}
        seen: set[str] = set()
        open_: list[str] = [resource.urn]
        while open_:
            urn = open_.pop()
            if urn in seen or urn not in by_urn:
                continue
            seen.add(urn)
            open_ += [*by_urn[urn].depends_on, by_urn[urn].parent]
        return on.urn in seen - {resource.urn}


class _Mocks(mocks.Mocks):
    """Answers as a provider would: with what was asked for, and with what only the real thing knows."""

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str | None, dict[str, Json]]:
        state = dict(args.inputs)
        if args.typ.startswith("kubernetes:"):
            metadata = dict(state.get("metadata", {}))
            # Kubernetes' names are completed where the program leaves that to Pulumi.
            metadata.setdefault("name", f"{args.name}-0123abcd")
            state["metadata"] = metadata
        if args.typ == "docker-build:index:Image":
            state["digest"] = DIGEST
        return f"{args.name}-id", state

    def call(self, args: mocks.MockCallArgs) -> tuple[dict[str, Json], list[tuple[str, str]] | None]:
        message = f"{args.token}: a look-up needs a cluster or an account; a preview has neither"
        raise AssertionError(message)


class _Monitor(mocks.MockMonitor):
    """Keeps what is registered, with what mocks are not told: parents, providers, dependencies and secrets."""

    def __init__(self) -> None:
        super().__init__(_Mocks())  # type: ignore[no-untyped-call]  # untyped in Pulumi's SDK
        self.rendered = Rendered()

    def RegisterResource(self, request: Any) -> Any:  # noqa: ANN401, N802 (the protocol's own name and untyped message)
        response = super().RegisterResource(request)  # type: ignore[no-untyped-call]  # untyped in Pulumi's SDK
        if request.type != "pulumi:pulumi:Stack":
            self.rendered.resources.append(
                Resource(
                    urn=response.urn,
                    type=request.type,
                    name=request.name,
                    custom=request.custom,
                    parent=request.parent,
                    provider=request.provider.rsplit("::", 1)[0],
                    depends_on=frozenset(request.dependencies),
                    inputs=_plain(json_format.MessageToDict(request.object)),
                )
            )
        return response

    def RegisterResourceOutputs(self, request: Any) -> Any:  # noqa: ANN401, N802 (the protocol's own name and message)
        if request.urn.split("::")[2] == "pulumi:pulumi:Stack":
            self.rendered.outputs = _plain(json_format.MessageToDict(request.outputs))
        return super().RegisterResourceOutputs(request)  # type: ignore[no-untyped-call]  # untyped in Pulumi's SDK


def configuration(**changes: object) -> dict[str, str]:
    """The configuration of the `local` stack as Pulumi hands it to the program, with some keys changed."""
    values: dict[str, object] = {"platform": "local", "models": [{"name": "car-loan"}], "object_store_secret_key": SECRET}
    return {
        f"{PROJECT}:{key}": value if isinstance(value, str) else json.dumps(value)
        for key, value in (values | changes).items()
    }


def render(config: Mapping[str, str] | None = None, stack: str = "local") -> Rendered:
    """What the program asks for when it is run with this configuration."""
    monitor = _Monitor()
    set_mocks(monitor.mocks, project=PROJECT, stack=stack, preview=False, monitor=monitor)
    pulumi.runtime.settings.set_root_resource(None)  # type: ignore[arg-type]  # none is what a new process starts with
    set_all_config(dict(config or configuration()), [SECRET_KEY])

    def program() -> None:
        runpy.run_path(str(ROOT / "infra" / "__main__.py"))

    asyncio.run(run_in_stack(program))
    return monitor.rendered


def pod_specs(resource: Resource) -> Iterator[dict[str, Json]]:
    """The pod that a workload makes, if it makes any."""
    if "template" in resource.inputs.get("spec", {}):
        yield resource.inputs["spec"]["template"]["spec"]


def leaves(value: Json, path: str = "") -> Iterator[tuple[str, Json]]:
    """Every value inside, with its path."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from leaves(inner, f"{path}.{key}")
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from leaves(inner, f"{path}[{index}]")
    else:
        yield path, value


def _plain(value: Json) -> Json:
    """Protocol to JSON: whole numbers as such, secrets marked."""
    if isinstance(value, dict):
        if value.get(_MARK) == _SECRET_MARK:
            return Secret(_plain(value["value"]))
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value
