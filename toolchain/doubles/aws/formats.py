"""What values look like where botocore's models do not say (pure)."""

import ipaddress
import json
import re
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from toolchain.doubles.properties import UNKNOWN, Properties, contains_unknown

Format: TypeAlias = Callable[[object], str]
"""Gives what is wrong with a value, with what would fit; empty where nothing is."""

_ARN = re.compile(r"arn:(aws|aws-cn|aws-us-gov):[a-z0-9-]+:[a-z0-9-]*:(\d{12}|aws)?:.+\Z", re.DOTALL)
_ZONE = re.compile(r"[a-z]{2}(-[a-z]+)+-\d[a-z]\Z")
_VPC_PREFIXES = range(16, 29)


def boolean(value: object) -> str:
    """True or false."""
    return "" if isinstance(value, bool) else "must be true or false"


def integer(value: object) -> str:
    """A whole number."""
    return "" if isinstance(value, int) and not isinstance(value, bool) else "must be a whole number"


def text(value: object) -> str:
    """Any text."""
    return "" if isinstance(value, str) else "must be text"


def anything(value: object) -> str:  # noqa: ARG001 - a format takes one
    """Whatever the program says; nothing is known of it."""
    return ""


def arn(value: object) -> str:
    """An ARN of any service."""
    fits = isinstance(value, str) and _ARN.match(value)
    return "" if fits else "must be an ARN: arn:partition:service:region:account:resource"


def zone(value: object) -> str:
    """An availability zone's name."""
    fits = isinstance(value, str) and _ZONE.match(value)
    return "" if fits else "must be an availability zone's name, such as eu-central-1a"


def document(value: object) -> str:
    """A JSON object as text."""
    if not isinstance(value, str):
        return "must be a JSON document as text"
    try:
        content = json.loads(value)
    except ValueError as error:
        return f"must be a JSON document: {error}"
    return "" if isinstance(content, dict) else "must be a JSON object"


def with_documents_as_text(formats: Mapping[str, Format], inputs: Properties) -> Properties:
    """The inputs with JSON documents as text where the program has them as objects, which SDKs let it."""
    objects = {key: value for key, value in inputs.items() if formats.get(key) is document and isinstance(value, dict)}
    return {**inputs, **{key: _as_text(value) for key, value in objects.items()}}


def _as_text(value: dict[str, Any]) -> Any:  # noqa: ANN401 - text, or not known yet
    return UNKNOWN if contains_unknown(value) else json.dumps(value, separators=(",", ":"))


def ipv4_network(value: object) -> str:
    """IPv4 addresses in CIDR notation, as a route or a rule names them."""
    try:
        network = ipaddress.IPv4Network(str(value), strict=False)
    except ValueError:
        return "must be IPv4 addresses in CIDR notation, such as 10.0.0.0/16"
    if "/" not in str(value):
        return f"must have a prefix length: {network}"
    return "" if str(network) == value else f"has bits set beyond its prefix; {network} fits"


def ipv6_network(value: object) -> str:
    """IPv6 addresses in CIDR notation."""
    try:
        ipaddress.IPv6Network(str(value))
    except ValueError:
        return "must be IPv6 addresses in CIDR notation, such as ::/0"
    return ""


def network_block(value: object) -> str:
    """The addresses of a VPC or a subnet, which AWS bounds."""
    wrong = ipv4_network(value)
    if not wrong and ipaddress.IPv4Network(str(value)).prefixlen not in _VPC_PREFIXES:
        return "must have a prefix length from /16 to /28"
    return wrong
