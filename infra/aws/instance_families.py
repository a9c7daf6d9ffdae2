"""The EC2 instance families that node pools may be made of."""

from dataclasses import dataclass
from typing import Final, Literal

Architecture = Literal["arm64", "amd64"]
"""As Kubernetes and images name it."""


@dataclass(frozen=True, kw_only=True)
class InstanceFamily:
    """What is the same for every size of a family.

    Attributes:
        architecture: of its processors.
        gpu: whether it has NVIDIA GPUs.
    """

    architecture: Architecture
    gpu: bool = False


_GRAVITON: Final = ("c6g", "c7g", "c8g", "m6g", "m7g", "m8g", "r6g", "r7g", "r8g")
_X86: Final = (
    *("c6a", "c6i", "c7a", "c7i", "c8a", "c8i"),
    *("m6a", "m6i", "m7a", "m7i", "m8a", "m8i"),
    *("r6a", "r6i", "r7a", "r7i", "r8a", "r8i"),
)
_NVIDIA_ARM: Final = ("g5g",)
_NVIDIA_X86: Final = ("g4dn", "g5", "g6", "g6e", "g7e", "gr6", "p4d", "p4de", "p5", "p5e", "p5en")

INSTANCE_FAMILIES: Final[dict[str, InstanceFamily]] = {
    **{name: InstanceFamily(architecture="arm64") for name in _GRAVITON},
    **{name: InstanceFamily(architecture="amd64") for name in _X86},
    **{name: InstanceFamily(architecture="arm64", gpu=True) for name in _NVIDIA_ARM},
    **{name: InstanceFamily(architecture="amd64", gpu=True) for name in _NVIDIA_X86},
}
"""Families that EKS Auto Mode runs, each on the market in most regions; a fork that needs another adds it here."""

GENERAL_PURPOSE: Final[dict[Architecture, tuple[str, ...]]] = {
    "arm64": ("c7g", "m7g", "r7g"),
    "amd64": ("c7a", "c7i", "m7a", "m7i"),
}
"""Families of a CPU pool that names none: several, because Spot capacity runs out by family."""
