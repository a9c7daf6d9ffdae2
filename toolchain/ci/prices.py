"""What a change costs or saves each month, by the shipped price table."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from toolchain.ci.plan import Action, Plan

_TABLE: Final = Path(__file__).with_name("prices.yaml")
_GIB: Final = "Gi"


@dataclass(frozen=True, slots=True)
class Prices:
    """Prices in `currency` a month, but for those of usage, which say of what."""

    currency: str
    as_of: str
    region: str
    monthly: Mapping[str, float]
    per_zone: Mapping[str, float]
    disk_gib: float
    usage: Mapping[str, float]

    def of(self, type_: str, inputs: Mapping[str, Any]) -> float:
        """What a resource with these inputs costs a month; nothing for what the table does not know."""
        if type_ in self.monthly:
            return self.monthly[type_]
        if type_ in self.per_zone and inputs.get("vpcEndpointType") == "Interface":
            zones = inputs.get("subnetIds")
            return self.per_zone[type_] * (len(zones) if isinstance(zones, list) else 1)
        if type_ == "kubernetes:apps/v1:StatefulSet":
            return self.disk_gib * _disks_gib(inputs)
        return 0.0

    def difference(self, plan: Plan) -> float:
        """What the plan adds to a month, less what it takes away."""
        return sum(
            (0.0 if change.action is Action.DELETE else self.of(change.type, change.new))
            - (0.0 if change.action is Action.CREATE else self.of(change.type, change.old))
            for change in plan.changes
        )


def read_prices(file: Path = _TABLE) -> Prices:
    """The price table."""
    table = yaml.safe_load(file.read_text(encoding="utf-8"))
    return Prices(**{**table, "as_of": str(table["as_of"])})


def _disks_gib(inputs: Mapping[str, Any]) -> int:
    """The disks that a StatefulSet claims, of all its pods."""
    spec = inputs.get("spec", {})
    sizes = [claim["spec"]["resources"]["requests"]["storage"] for claim in spec.get("volumeClaimTemplates", ())]
    replicas = spec.get("replicas", 1)
    return sum(int(size.removesuffix(_GIB)) for size in sizes if size.endswith(_GIB)) * int(replicas)
