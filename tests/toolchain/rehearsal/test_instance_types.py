"""What Karpenter may choose from has EC2's shapes."""

from typing import Any

from infra.aws.instance_families import GENERAL_PURPOSE, INSTANCE_FAMILIES
from toolchain.rehearsal.instance_types import FAMILY_LABEL, instance_types, read


def _shape(name: str, cores: int = 2, **more: Any) -> dict[str, Any]:  # noqa: ANN401 - as EC2 describes it
    return {
        "InstanceType": name,
        "BareMetal": False,
        "MemoryInfo": {"SizeInMiB": 8192},
        "ProcessorInfo": {"SupportedArchitectures": ["arm64"]},
        "SupportedUsageClasses": ["on-demand", "spot", "capacity-block"],
        "VCpuInfo": {"DefaultVCpus": cores},
        **more,
    }


def _names(*shapes: dict[str, Any], zones: tuple[str, ...] = ("eu-central-1a",)) -> list[str]:
    offered = [{"InstanceType": each["InstanceType"], "Location": "eu-central-1a"} for each in shapes]
    by_name = {each["InstanceType"]: each for each in shapes}
    return [each["name"] for each in instance_types(by_name, offered, ["m7g"], zones)]


def test_only_families_and_zones_that_are_asked_for_are_taken() -> None:
    """A pool cannot get what its environment does not name."""
    assert _names(_shape("m7g.large"), _shape("c7g.large")) == ["m7g.large"]
    assert _names(_shape("m7g.large"), zones=("eu-central-1b",)) == []


def test_what_auto_mode_does_not_run_is_left_out() -> None:
    """A single core, a small size, bare metal."""
    assert _names(_shape("m7g.medium", cores=1), _shape("m7g.small"), _shape("m7g.metal", BareMetal=True)) == []


def test_each_zone_and_capacity_type_is_an_offering_that_tells_the_family() -> None:
    """Spot costs less, and a capacity type that Karpenter does not know is left out."""
    offered = [{"InstanceType": "m7g.large", "Location": f"eu-central-1{zone}"} for zone in "ab"]
    (found,) = instance_types({"m7g.large": _shape("m7g.large")}, offered, ["m7g"], ["eu-central-1a", "eu-central-1b"])
    offerings = [{each["key"]: each["values"][0] for each in one["Requirements"]} for one in found["offerings"]]
    assert {(one["topology.kubernetes.io/zone"], one["karpenter.sh/capacity-type"]) for one in offerings} == {
        (f"eu-central-1{zone}", capacity) for zone in "ab" for capacity in ("spot", "on-demand")
    }
    assert {one[FAMILY_LABEL] for one in offerings} == {"m7g"}
    prices = {
        one["karpenter.sh/capacity-type"]: offering["Price"]
        for one, offering in zip(offerings, found["offerings"], strict=True)
    }
    assert prices["spot"] < prices["on-demand"]


def test_the_shapes_of_real_instances_are_known() -> None:
    """A GPU instance has its GPUs, and every usual family is there."""
    found = {
        each["name"]: each for each in read("eu-central-1", ["g4dn", *GENERAL_PURPOSE["arm64"]], ["eu-central-1a"])
    }
    assert found["g4dn.12xlarge"]["resources"]["nvidia.com/gpu"] == "4"
    assert found["g4dn.12xlarge"]["resources"]["cpu"] == "48"
    assert found["g4dn.12xlarge"]["architecture"] == "amd64"
    assert found["m7g.large"]["architecture"] == "arm64"
    assert "nvidia.com/gpu" not in found["m7g.large"]["resources"]


def test_every_family_of_the_configuration_is_described_as_ec2_has_it() -> None:
    """Architecture and GPUs in our table are EC2's own; not every family is to be had in one region."""
    found = [
        each
        for region in ("us-east-1", "us-west-2")
        for each in read(region, list(INSTANCE_FAMILIES), [f"{region}{zone}" for zone in "abcdf"])
    ]
    for name, family in INSTANCE_FAMILIES.items():
        ours = [each for each in found if each["name"].partition(".")[0] == name]
        assert ours, name
        assert {each["architecture"] for each in ours} == {family.architecture}, name
        assert {"nvidia.com/gpu" in each["resources"] for each in ours} == {family.gpu}, name
