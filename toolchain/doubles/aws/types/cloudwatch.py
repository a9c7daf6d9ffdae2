"""Logs: rows of the table of resource types."""

from toolchain.doubles.aws.formats import arn, boolean
from toolchain.doubles.aws.resource_type import OWN, ResourceType

# The retention operation gives no list; AWS's reference of PutRetentionPolicy does.
_RETENTION_DAYS = frozenset(
    {0, 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653}
)


def _retention(value: object) -> str:
    return "" if value in _RETENTION_DAYS else f"must be one of {', '.join(map(str, sorted(_RETENTION_DAYS)))}"


ROWS: tuple[ResourceType, ...] = (
    ResourceType(
        "aws:cloudwatch/logGroup:LogGroup",
        service="logs",
        operation="CreateLogGroup",
        identifier="{name}",
        arn="arn:aws:logs:{region}:{account}:log-group:{name}",
        members={"name": "logGroupName", "namePrefix": OWN, "retentionInDays": OWN, "skipDestroy": OWN},
        provided=("logGroupName",),
        formats={"kmsKeyId": arn, "retentionInDays": _retention, "skipDestroy": boolean},
        name="name",
        name_length_max=512,
        immutable=("logGroupClass", "name", "namePrefix"),
        defaults={"logGroupClass": "STANDARD", "retentionInDays": 0},
    ),
)
