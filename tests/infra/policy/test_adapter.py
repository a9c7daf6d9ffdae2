"""Pulumi's policy arguments become plain resources."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import overload

import pytest

from infra.policy.adapter import context, plain, resource
from infra.policy.model import UNKNOWN, Json
from infra.policy.properties import at, has_unknown

NOT_KNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
"""The engine's sign for a text that is not known yet."""


class NotKnownError(Exception):
    """As the SDK raises it."""


class Wrapped(Mapping[str, Json]):
    """A structure as the SDK wraps it."""

    def __init__(self, inner: Mapping[str, Json]) -> None:
        """Wraps a structure."""
        self._inner = inner

    def __getitem__(self, key: str) -> Json:
        """Raises where the value is not known."""
        return known(self._inner[key])

    def __iter__(self) -> Iterator[str]:
        """The keys are always known."""
        return iter(self._inner)

    def __len__(self) -> int:
        """Their number too."""
        return len(self._inner)


class WrappedList(Sequence[Json]):
    """A list as the SDK wraps it."""

    def __init__(self, inner: list[Json]) -> None:
        """Wraps a list."""
        self._inner = inner

    @overload
    def __getitem__(self, index: int) -> Json: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Json]: ...
    def __getitem__(self, index: int | slice) -> Json:
        """Raises where the value is not known."""
        return known(self._inner[index])

    def __len__(self) -> int:
        """Its length is always known."""
        return len(self._inner)


def known(value: Json) -> Json:
    """A value as the SDK hands it out."""
    if value == NOT_KNOWN:
        raise NotKnownError
    return value


@dataclass
class Options:
    """A resource's options."""

    protect: bool = True


@dataclass
class Provider:
    """What makes a resource."""

    props: Mapping[str, Json]


@dataclass
class Judged:
    """A resource as the SDK has it."""

    props: Mapping[str, Json]
    resource_type: str = "aws:s3/bucket:Bucket"
    name: str = "models"
    urn: str = "urn:models"
    opts: Options = field(default_factory=Options)
    provider: Provider | None = None
    property_dependencies: Mapping[str, list["Judged"]] = field(default_factory=dict)


def test_what_is_not_known_is_unknown_wherever_it_stands() -> None:
    """One value that is not known takes nothing else with it."""
    wrapped = Wrapped({"a": NOT_KNOWN, "b": WrappedList([NOT_KNOWN, Wrapped({"c": NOT_KNOWN, "d": 1})]), "e": "text"})
    assert plain(wrapped, NotKnownError) == {"a": UNKNOWN, "b": [UNKNOWN, {"c": UNKNOWN, "d": 1}], "e": "text"}


def test_a_resource_keeps_what_rules_ask_for() -> None:
    """A resource keeps what rules ask for, and what is not told is not made up."""
    bucket = Judged(Wrapped({}))
    found = resource(
        Judged(
            Wrapped({"bucket": NOT_KNOWN}),
            provider=Provider(Wrapped({"defaultTags": "{}"})),
            property_dependencies={"bucket": [bucket]},
        ),
        NotKnownError,
    )
    assert (found.type, found.name, found.urn) == ("aws:s3/bucket:Bucket", "models", "urn:models")
    assert found.properties == {"bucket": UNKNOWN}
    assert found.provider == {"defaultTags": "{}"}
    assert found.refers == {"bucket": frozenset({"urn:models"})}
    assert found.protect
    assert found.retain is None


@pytest.mark.parametrize("config", [None, {}])
def test_nothing_is_open_unless_the_configuration_names_it(config: Mapping[str, Json] | None) -> None:
    """Nothing is open unless the configuration names it."""
    assert context("dev", config).open_to_internet == frozenset()
    assert context("dev", {"open_to_internet": ["entry"]}).open_to_internet == {"entry"}


@pytest.mark.parametrize(
    ("stack", "is_prod"), [("prod", True), ("prod-eu", True), ("product", False), ("staging", False)]
)
def test_the_stacks_name_says_whether_it_is_prod(stack: str, *, is_prod: bool) -> None:
    """The stack's name says whether it is prod."""
    assert context(stack, None).is_prod is is_prod


@pytest.mark.parametrize(
    ("path", "value"),
    [("a.b", 1), ("a.c", None), ("x", UNKNOWN), ("x.y", UNKNOWN), ("list.1.z", 2), ("list.7", None), ("a.b.c", None)],
)
def test_absent_and_unknown_are_two_things(path: str, value: Json) -> None:
    """What lies inside something unknown is unknown; what lies inside something absent is absent."""
    assert at({"a": {"b": 1}, "x": UNKNOWN, "list": [0, {"z": 2}]}, path) == value


def test_a_part_that_is_unknown_makes_the_whole_partly_unknown() -> None:
    """A part that is unknown makes the whole partly unknown."""
    assert has_unknown({"a": [{"b": UNKNOWN}]})
    assert not has_unknown({"a": [{"b": None}]})
