"""A word of warning before an environment costs more than it should."""

import pulumi
from pulumi_aws import budgets

from infra.config.aws import AwsConfig

_NOTICES: tuple[tuple[str, int], ...] = (("ACTUAL", 80), ("FORECASTED", 100))
"""What is measured, and the percentage of the budget at which somebody hears of it."""


def budget_alarm(config: AwsConfig, opts: pulumi.ResourceOptions) -> None:
    """A monthly budget over everything with the environment's tag; nothing where none is configured.

    AWS counts a tag once it has been made a cost allocation tag in the billing account.
    """
    cost = config.cost
    if cost.budget_usd_per_month is None or cost.notify_email is None:
        return
    budgets.Budget(
        "budget",
        name=config.name,
        budget_type="COST",
        limit_amount=str(cost.budget_usd_per_month),
        limit_unit="USD",
        time_unit="MONTHLY",
        cost_filters=[{"name": "TagKeyValue", "values": [f"user:Environment${config.name}"]}],
        notifications=[
            {
                "comparison_operator": "GREATER_THAN",
                "notification_type": kind,
                "threshold": percent,
                "threshold_type": "PERCENTAGE",
                "subscriber_email_addresses": [cost.notify_email],
            }
            for kind, percent in _NOTICES
        ],
        opts=opts,
    )
