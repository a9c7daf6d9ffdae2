"""The EC2 instance types that Karpenter may choose from, as its simulated provider reads them."""

import gzip
import importlib.util
import json
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

FAMILY_LABEL = "eks.amazonaws.com/instance-family"
_ARCHITECTURES = {"x86_64": "amd64", "arm64": "arm64"}

# EKS Auto Mode takes no instance with a single core, none of these sizes, and no bare metal.
_CORES_MIN = 2
_SIZES_LEFT_OUT = ("nano", "micro", "small")
_POD_LIMIT = 110

# No price list can be had without AWS. These keep the order that counts: larger costs more, a GPU more than any core,
# Spot less than on demand.
_CORE_PRICE, _GIB_PRICE, _GPU_PRICE = 0.025, 0.002, 0.4
_SPOT_PRICE_SHARE = 0.4


def instance_types(
    shapes: Mapping[str, Mapping[str, Any]],
    offered: Iterable[Mapping[str, str]],
    families: Collection[str],
    zones: Collection[str],
) -> list[dict[str, Any]]:
    """Those of the families, each with an offering for each zone and capacity type (pure).

    The family's label goes into the offerings, because the provider lets an instance type have no label of its own.

    Args:
        shapes: EC2's description of each instance type, by its name.
        offered: EC2's answers of which type there is in which zone.
        families: which to take, such as `m7g`.
        zones: which to take, such as `eu-central-1a`.
    """
    places: dict[str, list[str]] = {}
    for entry in offered:
        if entry["Location"] in zones and entry["InstanceType"].partition(".")[0] in families:
            places.setdefault(entry["InstanceType"], []).append(entry["Location"])
    return [
        _instance_type(shapes[name], sorted(places[name]))
        for name in sorted(places)
        if name in shapes and _auto_mode_runs(shapes[name])
    ]


def read(region: str, families: Collection[str], zones: Collection[str]) -> list[dict[str, Any]]:
    """Those of a region, from the tables that moto keeps of EC2's answers.

    Raises:
        LookupError: it has no table of the region.
    """
    found = importlib.util.find_spec("moto")
    if found is None or found.origin is None:
        raise LookupError("moto is not installed, which has the tables of EC2's instance types: run `make .venv/ready`")
    folder = Path(found.origin).parent / "ec2" / "resources"
    places = folder / "instance_type_offerings" / "availability-zone" / f"{region}.json.gz"
    if not places.exists():
        raise LookupError(f"moto has no table of what EC2 offers in {region}")
    return instance_types(_unpacked(folder / "instance_types.json.gz"), _unpacked(places), families, zones)


def _unpacked(path: Path) -> Any:  # noqa: ANN401 - a JSON value
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return json.load(file)


def _auto_mode_runs(shape: Mapping[str, Any]) -> bool:
    size = shape["InstanceType"].partition(".")[2]
    cores = int(shape["VCpuInfo"]["DefaultVCpus"])
    return not shape["BareMetal"] and cores >= _CORES_MIN and size not in _SIZES_LEFT_OUT


def _instance_type(shape: Mapping[str, Any], zones: Iterable[str]) -> dict[str, Any]:
    cores, memory_mib = int(shape["VCpuInfo"]["DefaultVCpus"]), int(shape["MemoryInfo"]["SizeInMiB"])
    gpus = sum(int(gpu["Count"]) for gpu in shape.get("GpuInfo", {}).get("Gpus", ()))
    resources = {"cpu": str(cores), "memory": f"{memory_mib}Mi", "ephemeral-storage": "80Gi", "pods": str(_POD_LIMIT)}
    if gpus:
        resources["nvidia.com/gpu"] = str(gpus)
    price = cores * _CORE_PRICE + memory_mib / 1024 * _GIB_PRICE + gpus * _GPU_PRICE
    prices = {"on-demand": round(price, 5), "spot": round(price * _SPOT_PRICE_SHARE, 5)}
    return {
        "name": shape["InstanceType"],
        "architecture": _ARCHITECTURES[shape["ProcessorInfo"]["SupportedArchitectures"][0]],
        "operatingSystems": ["linux"],
        "resources": resources,
        "offerings": [
            {
                "Price": prices[capacity],
                "Available": True,
                "Requirements": [
                    _only("karpenter.sh/capacity-type", capacity),
                    _only("topology.kubernetes.io/zone", zone),
                    _only(FAMILY_LABEL, shape["InstanceType"].partition(".")[0]),
                ],
            }
            for zone in zones
            for capacity in shape["SupportedUsageClasses"]
            if capacity in prices
        ],
    }


def _only(key: str, value: str) -> dict[str, Any]:
    return {"key": key, "operator": "In", "values": [value]}
