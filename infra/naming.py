"""Names and labels, and how long they may be."""

import hashlib
import re
from dataclasses import dataclass
from typing import Final

PROJECT: Final = "realtime-ml"
"""The blueprint, by the same name in every fork: the configuration's namespace, and what every object is part of."""

NAME_LIMIT: Final = 63
"""Characters in a DNS label (RFC 1123), which the name of a Service and the value of a label have to be."""

AUTO_NAME_SUFFIX: Final = len("-0123abcd")
"""Characters that Pulumi appends where it completes a name itself."""

_DNS_LABEL: Final = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")
_DIGEST_LENGTH: Final = 8


def is_dns_label(text: str, limit: int = NAME_LIMIT) -> bool:
    """Whether `text` is lower-case letters, digits and inner hyphens, `limit` characters at most."""
    return len(text) <= limit and _DNS_LABEL.fullmatch(text) is not None


def dns_label(*parts: str, limit: int = NAME_LIMIT) -> str:
    """Joins `parts` with hyphens into a name of `limit` characters at most.

    A longer one is cut, and ends in a digest of the whole, so that two long names with the same beginning stay two.

    Raises:
        ValueError: a part is not a DNS label of any length.
    """
    for part in parts:
        if not is_dns_label(part, limit=len(part)):
            message = f"name part {part!r}: must be lower-case letters, digits and inner hyphens"
            raise ValueError(message)
    name = "-".join(parts)
    if len(name) <= limit:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:_DIGEST_LENGTH]
    return f"{name[: limit - _DIGEST_LENGTH - 1].rstrip('-')}-{digest}"


@dataclass(frozen=True, kw_only=True)
class App:
    """What an object says it belongs to, in Kubernetes' recommended labels.

    Attributes:
        name: the software, such as `scoring`.
        instance: which one of it, such as the model it serves.
        component: the part it plays in the system, such as `inference`.
    """

    name: str
    instance: str
    component: str

    @property
    def selector(self) -> dict[str, str]:
        """Labels that choose this instance's pods; selectors cannot be changed, so these two never are."""
        return {"app.kubernetes.io/name": self.name, "app.kubernetes.io/instance": self.instance}

    @property
    def labels(self) -> dict[str, str]:
        """The full set, which every object carries."""
        return {
            **self.selector,
            "app.kubernetes.io/component": self.component,
            "app.kubernetes.io/part-of": PROJECT,
            "app.kubernetes.io/managed-by": "pulumi",
        }


def cloud_tags(project: str, environment: str) -> dict[str, str]:
    """What everything in a cloud account carries: costs are told apart by it, and left-overs found."""
    return {"Project": project, "Environment": environment, "ManagedBy": "pulumi"}
