"""All rules."""

from typing import Final

from infra.policy.model import Rule, StackRule
from infra.policy.rules import buckets, encryption, exposure, iam, images, logs, network, pods, protection, tags

RULES: Final[tuple[Rule, ...]] = (
    *encryption.RULES,
    *exposure.RULES,
    *iam.RULES,
    *images.RULES,
    *logs.RULES,
    *pods.RULES,
    *protection.RULES,
    *tags.RULES,
)
"""Those that look at one resource."""

STACK_RULES: Final[tuple[StackRule, ...]] = (*buckets.STACK_RULES, *network.STACK_RULES)
"""Those that look at all resources together."""
