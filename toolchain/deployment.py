"""What a stack's state says of what it made (pure): `pulumi stack export`, read."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

_AWS_PROVIDER = "pulumi:providers:aws"


@dataclass(frozen=True)
class Resource:
    """A resource of a stack that exists outside of the state.

    Attributes:
        name: in the program.
        token: its type, such as `aws:s3/bucket:Bucket`.
        identifier: what its provider knows it by.
        retained: it stays when the stack goes.
        protected: Pulumi refuses to delete it.
        outputs: its properties.
    """

    name: str
    token: str
    identifier: str
    retained: bool
    protected: bool
    outputs: Mapping[str, Any]


@dataclass(frozen=True)
class Deployment:
    """The state of a stack."""

    document: Mapping[str, Any]

    @classmethod
    def parse(cls, text: str) -> "Deployment":
        """Read what `pulumi stack export` prints."""
        return cls(json.loads(text).get("deployment") or {})

    @property
    def resources(self) -> list[Resource]:
        """Everything that exists, without providers and components."""
        return list(self._resources())

    @property
    def accounts(self) -> list[str]:
        """The numbers of the AWS accounts that its providers may work in."""
        found: set[str] = set()
        for entry in self._entries():
            if entry["type"] == _AWS_PROVIDER:
                # Providers keep what is no text as JSON.
                found |= set(json.loads((entry.get("inputs") or {}).get("allowedAccountIds") or "[]"))
        return sorted(found)

    def _resources(self) -> Iterator[Resource]:
        for entry in self._entries():
            if entry.get("custom") and not entry["type"].startswith("pulumi:"):
                yield Resource(
                    name=entry["urn"].rpartition("::")[2],
                    token=entry["type"],
                    identifier=entry.get("id", ""),
                    retained=bool(entry.get("retainOnDelete")),
                    protected=bool(entry.get("protect")),
                    outputs=entry.get("outputs") or {},
                )

    def _entries(self) -> list[dict[str, Any]]:
        entries: list[dict[str, Any]] = self.document.get("resources") or []
        return [entry for entry in entries if not entry.get("delete")]
