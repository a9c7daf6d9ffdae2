"""botocore's models of AWS's services, as plain JSON."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from botocore.loaders import Loader


@dataclass(frozen=True)
class Shape:
    """A type of a service's API.

    Attributes:
        name: in the model.
        body: what the model says of it.
        shapes: all of the service's, by name.
    """

    name: str
    body: Mapping[str, Any]
    shapes: Mapping[str, Any]

    @property
    def kind(self) -> str:
        """`structure`, `list`, `map`, `string`, `boolean`, `integer`, …."""
        return str(self.body["type"])

    @property
    def members(self) -> Mapping[str, Any]:
        """The members of a structure."""
        members: Mapping[str, Any] = self.body.get("members", {})
        return members

    @property
    def required(self) -> tuple[str, ...]:
        """The members that a structure must have."""
        return tuple(self.body.get("required", ()))

    def member(self, name: str) -> "Shape":
        """The type of a structure's member."""
        return self._of(self.body["members"][name])

    def named(self, name: str) -> str | None:
        """The member that has this name but for case."""
        lowered = name.lower()
        return next((member for member in self.members if member.lower() == lowered), None)

    @property
    def item(self) -> "Shape":
        """The type of a list's items or of a map's values."""
        return self._of(self.body["member" if self.kind == "list" else "value"])

    def at(self, path: str) -> "Shape":
        """The type at a path such as `logging.clusterLogging.types`, which goes through lists unsaid."""
        shape = self
        for name in path.split("."):
            while shape.kind == "list":
                shape = shape.item
            shape = shape.member(name)
        return shape

    def _of(self, reference: Mapping[str, Any]) -> "Shape":
        name = reference["shape"]
        return Shape(name, self.shapes[name], self.shapes)


@functools.cache
def operation_input(service: str, operation: str) -> Shape:
    """What an operation takes."""
    model = _service(service)
    name = model["operations"][operation]["input"]["shape"]
    return Shape(name, model["shapes"][name], model["shapes"])


@functools.cache
def _service(name: str) -> Mapping[str, Any]:
    model: Mapping[str, Any] = Loader().load_service_model(name, "service-2")
    return model
