"""What the stand-in knows of a type of resource (data), and the errors AWS has for it."""

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field
from typing import Any

from toolchain.doubles.aws.formats import Format

OWN = ""
"""In `ResourceType.members`: the property is Pulumi's, or belongs to another operation than the one that creates."""


@dataclass(frozen=True)
class ResourceType:
    """A row of the table of resource types.

    Property paths are written `vpcConfig.subnetIds`; those that go through a list leave the index out. Texts in
    `identifier`, `arn` and `outputs` may hold `{property}` for an input, `{id}`, `{arn}`, `{account}`, `{region}`,
    `{hex:8}` and `{uuid}` for digits that follow from the resource, and `{hex:8:label}` for others.

    Attributes:
        token: the type, such as `aws:ec2/vpc:Vpc`.
        service: botocore's name of the service.
        operation: the API's operation that creates one.
        identifier: of the resource in Pulumi's state; must be unique among its type in an account.
        members: property path to path in the operation's input, where case is not all that differs, or to `OWN`.
        provided: members that the operation requires and the official provider fills in by itself.
        formats: property path to what the value must look like, where the API's model does not say.
        name: the property that gets a name where the program gives none; empty where there is none.
        name_length_max: how long a made up name may be.
        immutable: property paths that take a new resource when they change; `*` stands for all but tags.
        unique: properties whose values together only one resource may have, besides the id.
        exists: AWS's error where there is one already.
        missing: AWS's error where another resource refers to one that is not there.
        arn: empty where it has none.
        outputs: what is known only when it is made, besides id and ARN.
        defaults: outputs for optional inputs that the program leaves out.
        tags: whether it has tags.
        regional: whether it is in a region.
    """

    token: str
    _: KW_ONLY
    service: str
    operation: str
    identifier: str
    members: Mapping[str, str] = field(default_factory=dict)
    provided: tuple[str, ...] = ()
    formats: Mapping[str, Format] = field(default_factory=dict)
    name: str = ""
    name_length_max: int = 64
    immutable: tuple[str, ...] = ()
    unique: tuple[str, ...] = ()
    exists: str = "ResourceAlreadyExistsException"
    missing: str = "ResourceNotFoundException"
    arn: str = ""
    outputs: Mapping[str, Any] = field(default_factory=dict)
    defaults: Mapping[str, Any] = field(default_factory=dict)
    tags: bool = True
    regional: bool = True
