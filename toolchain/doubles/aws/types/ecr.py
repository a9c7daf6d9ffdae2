"""Image registries: rows of the table of resource types."""

from toolchain.doubles.aws.formats import boolean, document
from toolchain.doubles.aws.resource_type import OWN, ResourceType

ROWS: tuple[ResourceType, ...] = (
    ResourceType(
        "aws:ecr/repository:Repository",
        service="ecr",
        operation="CreateRepository",
        identifier="{name}",
        arn="arn:aws:ecr:{region}:{account}:repository/{name}",
        members={
            "encryptionConfigurations": "encryptionConfiguration",
            "forceDelete": OWN,
            "name": "repositoryName",
        },
        formats={"forceDelete": boolean},
        name="name",
        name_length_max=256,
        immutable=("encryptionConfigurations", "name"),
        exists="RepositoryAlreadyExistsException",
        missing="RepositoryNotFoundException",
        outputs={
            "registryId": "{account}",
            "repositoryUrl": "{account}.dkr.ecr.{region}.amazonaws.com/{name}",
        },
        defaults={"imageTagMutability": "MUTABLE"},
    ),
    *(
        ResourceType(
            f"aws:ecr/{kind[0].lower()}{kind[1:]}:{kind}",
            service="ecr",
            operation=operation,
            identifier="{repository}",
            members={"policy": member, "repository": "repositoryName"},
            formats={"policy": document},
            immutable=("repository",),
            outputs={"registryId": "{account}"},
            tags=False,
        )
        for kind, operation, member in (
            ("LifecyclePolicy", "PutLifecyclePolicy", "lifecyclePolicyText"),
            ("RepositoryPolicy", "SetRepositoryPolicy", "policyText"),
        )
    ),
)
