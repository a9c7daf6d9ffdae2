"""Runs the Pulumi program against a recording stand-in of the engine, and hands back what it asked for."""

import asyncio
import json
import runpy
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

import pulumi
import yaml
from google.protobuf import empty_pb2, json_format, struct_pb2
from pulumi.runtime import mocks, run_in_stack, set_all_config, set_mocks
from pulumi.runtime.proto import resource_pb2

from infra import generated
from infra.naming import PROJECT

ROOT: Final = Path(__file__).parents[2]
SECRET: Final = "a-key-that-must-not-be-seen"  # noqa: S105 (what tests look for where it must not be)
DIGEST: Final = f"sha256:{'0123456789abcdef' * 4}"
SECRET_KEY: Final = f"{PROJECT}:object_store_secret_key"
_SECRET_KEYS: Final = [SECRET_KEY, f"{PROJECT}:alert_receivers", f"{PROJECT}:remote_write", f"{PROJECT}:oidc"]

ACCOUNT: Final = "111122223333"
REGION: Final = "eu-central-1"

_MARK: Final = "4dabf18193072939515e22adb298388d"
_SECRET_MARK: Final = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105 (no password)
"""How the engine's protocol marks a value as a secret: both are fixed parts of it."""

Json = Any
"""A value as JSON has it."""


ENVIRONMENTS: Final = sorted(
    file.name.split(".")[1]
    for file in ROOT.glob("Pulumi.*.yaml")
    if yaml.safe_load(file.read_text(encoding="utf-8"))["config"].get(f"{PROJECT}:platform") == "aws"
)
"""The stacks on AWS: whichever have a file."""


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
        protected: whether Pulumi refuses to delete it.
        retained: whether it stays when the stack goes.
        refers: URNs of what an input's value comes from, by input.
    """

    urn: str
    type: str
    name: str
    custom: bool
    parent: str
    provider: str
    depends_on: frozenset[str]
    inputs: dict[str, Json]
    protected: bool = False
    retained: bool = False
    refers: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def __str__(self) -> str:
        """How tests name it."""
        return f"{self.type.rsplit(':', 1)[-1]} {self.name}"

    @property
    def pod(self) -> dict[str, Json]:
        """The pod that a workload makes."""
        pod: dict[str, Json] = self.pod_template["spec"]
        return pod

    @property
    def pod_template(self) -> dict[str, Json]:
        """The pod with its labels; a CronJob has it inside a Job."""
        spec = self.inputs["spec"]
        template: dict[str, Json] = spec.get("jobTemplate", {"spec": spec})["spec"]["template"]
        return template

    @property
    def containers(self) -> list[dict[str, Json]]:
        """Every container of a workload's pod, those that run first too."""
        return [*self.pod.get("initContainers", []), *self.pod["containers"]]


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
    def workloads(self) -> list[Resource]:
        """What makes pods."""
        return [
            resource
            for resource in self.kubernetes
            if resource.inputs.get("spec", {}).keys() & {"template", "jobTemplate"}
        ]

    @property
    def kubernetes(self) -> list[Resource]:
        """What is made in the cluster."""
        return [resource for resource in self.resources if resource.type.startswith("kubernetes:")]

    def waits(self, resource: Resource, on: Resource) -> bool:
        """Whether one is made after the other, directly or not: what waits makes its children wait with it."""
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


Environments = Callable[[str], Rendered]
"""Gives the stack of a name, rendered once for all tests."""


class _NoMocks(mocks.Mocks):
    """Nothing is left to mock: the monitor below answers for resources, and look-ups are refused."""

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str | None, dict[str, Json]]:
        message = f"{args.typ} {args.name}: the program reads what it did not make"
        raise AssertionError(message)

    def call(self, args: mocks.MockCallArgs) -> tuple[dict[str, Json], list[tuple[str, str]] | None]:
        message = f"{args.token}: a look-up needs a cluster or an account; a preview has neither"
        raise AssertionError(message)


class _Monitor(mocks.MockMonitor):
    """Keeps what is registered: Pulumi's own mocks are not told of parents, providers, dependencies and secrets.

    Answers as a provider would: with what was asked for, and with what only the real thing knows.
    """

    def __init__(self, rendered: Rendered) -> None:
        super().__init__(_NoMocks())
        self.rendered = rendered

    def RegisterResource(self, request: Any) -> resource_pb2.RegisterResourceResponse:  # noqa: ANN401, N802 (gRPC's)
        urn = self.make_urn(request.parent, request.type, request.name)
        if request.type == "pulumi:pulumi:Stack":
            return resource_pb2.RegisterResourceResponse(urn=urn)
        self.rendered.resources.append(
            Resource(
                urn=urn,
                type=request.type,
                name=request.name,
                custom=request.custom,
                parent=request.parent,
                provider=request.provider.rpartition("::")[0],
                depends_on=frozenset(request.dependencies),
                inputs=_plain(json_format.MessageToDict(request.object)),
                protected=request.protect,
                retained=request.retainOnDelete,
                refers={key: frozenset(found.urns) for key, found in request.propertyDependencies.items()},
            )
        )
        state = struct_pb2.Struct()
        state.CopyFrom(request.object)
        if request.type.startswith("kubernetes:"):
            metadata = state.fields["metadata"].struct_value
            if "name" not in metadata:
                metadata["name"] = f"{request.name}-0123abcd"
        if request.type == "docker-build:index:Image":
            state["digest"] = DIGEST
        if request.type == "docker-build:index:Index":
            state["ref"] = f"{state['tag']}@{DIGEST}"
        if request.type.startswith("aws:"):
            state.update(_made_by_aws(request.type, request.name, json_format.MessageToDict(request.object)))
        if request.type in _LOAD_BALANCED:
            state["status"] = {"loadBalancer": {"ingress": [{"hostname": f"{request.name}.elb.example"}]}}
        return resource_pb2.RegisterResourceResponse(urn=urn, id=_id(request.type, request.name), object=state)

    def RegisterResourceOutputs(self, request: Any) -> empty_pb2.Empty:  # noqa: ANN401, N802 (gRPC's)
        if request.urn.split("::")[2] == "pulumi:pulumi:Stack" and (
            outputs := json_format.MessageToDict(request.outputs)
        ):
            self.rendered.outputs = _plain(outputs)
        return empty_pb2.Empty()


_LOAD_BALANCED: Final = {"kubernetes:core/v1:Service", "kubernetes:networking.k8s.io/v1:Ingress"}


def _id(type_: str, name: str) -> str:
    """A subnet's is looked at where it is used; the others may be anything."""
    return f"subnet-{name.replace('-', '')}" if type_ == "aws:ec2/subnet:Subnet" else f"{name}-id"


def _made_by_aws(type_: str, name: str, inputs: dict[str, Json]) -> dict[str, Json]:
    """What only AWS knows of a resource, in the shape that it has there."""
    _, module, kind = type_.split(":")
    known = inputs.get("name") or inputs.get("bucket") or name
    made: dict[str, Json] = {"arn": f"arn:aws:{module.partition('/')[0]}:{REGION}:{ACCOUNT}:{known}"}
    if kind == "Cluster":
        made["endpoint"] = f"https://{known}.eks.example"
        made["certificateAuthority"] = {"data": "Q0E="}
        made["vpcConfig"] = {**inputs["vpcConfig"], "clusterSecurityGroupId": "sg-cluster"}
    if kind == "LogGroup":
        made["arn"] = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{known}"
    if kind == "Repository":
        made["repositoryUrl"] = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/{known}"
    return made


def environment_configuration(name: str, folder: Path = ROOT, /, **changes: object) -> dict[str, str]:
    """The configuration of an environment as its file has it, with sections of `aws` changed key by key."""
    values = yaml.safe_load((folder / f"Pulumi.{name}.yaml").read_text(encoding="utf-8"))["config"]
    if changes:
        values[f"{PROJECT}:aws"] = _merged(values[f"{PROJECT}:aws"], changes)
    return {key: value if isinstance(value, str) else json.dumps(value) for key, value in values.items()}


def _merged(old: Json, new: Json) -> Json:
    if isinstance(old, dict) and isinstance(new, dict):
        return old | {key: _merged(old.get(key), value) for key, value in new.items()}
    return new


def configuration(**changes: object) -> dict[str, str]:
    """The configuration of the `local` stack as Pulumi hands it to the program, with some keys changed."""
    values: dict[str, object] = {
        "platform": "local",
        "models": [{"name": "car-loan"}],
        "object_store_secret_key": SECRET,
    }
    return {
        f"{PROJECT}:{key}": value if isinstance(value, str) else json.dumps(value)
        for key, value in (values | changes).items()
    }


def render(config: Mapping[str, str] | None = None, into: Rendered | None = None, *, stack: str = "local") -> Rendered:
    """What the program asks for when it is run with this configuration; `into` has it even when the program fails."""
    rendered = Rendered() if into is None else into
    monitor = _Monitor(rendered)

    def program() -> None:
        runpy.run_path(str(ROOT / "infra" / "__main__.py"))

    # Random where it runs; the same here, so that two renderings can be compared.
    generated._random = lambda: "generated"

    async def run() -> None:
        set_mocks(_NoMocks(), project=PROJECT, stack=stack, preview=False, monitor=monitor)
        set_all_config(dict(config or configuration()), _SECRET_KEYS)
        # Mocks come with a stack of their own, for programs without one; this one is run as the language host runs it.
        pulumi.runtime.settings.set_root_resource(None)  # type: ignore[arg-type]  # what a new process starts with
        await run_in_stack(program)

    with patch("infra.images.require_builder"):  # what builds images is the machine's
        asyncio.run(run())
    return rendered


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
