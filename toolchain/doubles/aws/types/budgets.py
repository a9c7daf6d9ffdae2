"""Budgets: rows of the table of resource types."""

from toolchain.doubles.aws.resource_type import OWN, ResourceType

ROWS: tuple[ResourceType, ...] = (
    ResourceType(
        "aws:budgets/budget:Budget",
        service="budgets",
        operation="CreateBudget",
        identifier="{account}:{name}",
        arn="arn:aws:budgets::{account}:budget/{name}",
        members={
            "autoAdjustData": "Budget.AutoAdjustData",
            "billingViewArn": "Budget.BillingViewArn",
            "budgetType": "Budget.BudgetType",
            "costFilters": OWN,
            "costTypes": "Budget.CostTypes",
            "filterExpression": OWN,
            "limitAmount": "Budget.BudgetLimit.Amount",
            "limitUnit": "Budget.BudgetLimit.Unit",
            "metrics": "Budget.Metrics",
            "name": "Budget.BudgetName",
            "namePrefix": OWN,
            "notifications": "NotificationsWithSubscribers",
            "notifications.comparisonOperator": "NotificationsWithSubscribers.Notification.ComparisonOperator",
            "notifications.notificationType": "NotificationsWithSubscribers.Notification.NotificationType",
            "notifications.subscriberEmailAddresses": "NotificationsWithSubscribers.Subscribers.Address",
            "notifications.subscriberSnsTopicArns": "NotificationsWithSubscribers.Subscribers.Address",
            "notifications.threshold": "NotificationsWithSubscribers.Notification.Threshold",
            "notifications.thresholdType": "NotificationsWithSubscribers.Notification.ThresholdType",
            "plannedLimits": OWN,
            "timePeriodEnd": OWN,
            "timePeriodStart": OWN,
            "timeUnit": "Budget.TimeUnit",
        },
        provided=("AccountId",),
        name="name",
        name_length_max=100,
        immutable=("accountId", "name", "namePrefix"),
        exists="DuplicateRecordException",
        missing="NotFoundException",
        regional=False,
    ),
)
