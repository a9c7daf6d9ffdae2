"""Keys: rows of the table of resource types."""

from toolchain.doubles.aws.formats import boolean, document, integer
from toolchain.doubles.aws.resource_type import OWN, ResourceType

ROWS: tuple[ResourceType, ...] = (
    ResourceType(
        "aws:kms/key:Key",
        service="kms",
        operation="CreateKey",
        identifier="{uuid}",
        arn="arn:aws:kms:{region}:{account}:key/{id}",
        members={
            "deletionWindowInDays": OWN,
            "enableKeyRotation": OWN,
            "isEnabled": OWN,
            "rotationPeriodInDays": OWN,
        },
        formats={
            "deletionWindowInDays": integer,
            "enableKeyRotation": boolean,
            "isEnabled": boolean,
            "policy": document,
            "rotationPeriodInDays": integer,
        },
        immutable=("customKeyStoreId", "customerMasterKeySpec", "keyUsage", "multiRegion", "xksKeyId"),
        missing="NotFoundException",
        outputs={"keyId": "{id}"},
        defaults={"isEnabled": True, "keyUsage": "ENCRYPT_DECRYPT"},
    ),
    ResourceType(
        "aws:kms/alias:Alias",
        service="kms",
        operation="CreateAlias",
        identifier="{name}",
        arn="arn:aws:kms:{region}:{account}:{name}",
        members={"name": "AliasName", "namePrefix": OWN},
        provided=("AliasName",),
        name="name",
        name_length_max=256,
        immutable=("name", "namePrefix"),
        exists="AlreadyExistsException",
        outputs={"targetKeyArn": "arn:aws:kms:{region}:{account}:key/{targetKeyId}"},
        tags=False,
    ),
)
