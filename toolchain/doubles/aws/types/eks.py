"""Kubernetes clusters: rows of the table of resource types."""

from toolchain.doubles.aws.formats import arn, boolean, ipv4_network, text
from toolchain.doubles.aws.resource_type import OWN, ResourceType

_ARN = "arn:aws:eks:{region}:{account}:"

ROWS: tuple[ResourceType, ...] = (
    ResourceType(
        "aws:eks/cluster:Cluster",
        service="eks",
        operation="CreateCluster",
        identifier="{name}",
        arn=_ARN + "cluster/{name}",
        members={
            "defaultAddonsToRemoves": OWN,
            "enabledClusterLogTypes": "logging.clusterLogging.types",
            "forceUpdateVersion": OWN,
            "kubernetesNetworkConfig.serviceIpv6Cidr": OWN,
            "vpcConfig": "resourcesVpcConfig",
            "vpcConfig.clusterSecurityGroupId": OWN,
            "vpcConfig.vpcId": OWN,
        },
        formats={
            "encryptionConfig.provider.keyArn": arn,
            "forceUpdateVersion": boolean,
            "kubernetesNetworkConfig.serviceIpv4Cidr": ipv4_network,
            "roleArn": arn,
            "vpcConfig.publicAccessCidrs": ipv4_network,
        },
        name="name",
        name_length_max=100,
        immutable=(
            "accessConfig.bootstrapClusterCreatorAdminPermissions",
            "bootstrapSelfManagedAddons",
            "encryptionConfig",
            "kubernetesNetworkConfig.ipFamily",
            "kubernetesNetworkConfig.serviceIpv4Cidr",
            "outpostConfig",
            "roleArn",
        ),
        exists="ResourceInUseException",
        outputs={
            "certificateAuthority": {"data": "c3RhbmQtaW4="},
            "endpoint": "https://{hex:32:endpoint}.gr7.{region}.eks.amazonaws.com",
            "identities": [
                {"oidcs": [{"issuer": "https://oidc.eks.{region}.amazonaws.com/id/{hex:32:endpoint}"}]},
            ],
            "platformVersion": "eks.1",
            "status": "ACTIVE",
            # Made by EKS itself, and deleted by it.
            "vpcConfig": {"clusterSecurityGroupId": "sg-0{hex:16:group}"},
        },
        defaults={"deletionProtection": False},
    ),
    ResourceType(
        "aws:eks/accessEntry:AccessEntry",
        service="eks",
        operation="CreateAccessEntry",
        identifier="{clusterName}:{principalArn}",
        arn=_ARN + "access-entry/{clusterName}/{uuid}",
        members={"userName": "username"},
        formats={"principalArn": arn},
        immutable=("clusterName", "principalArn", "type"),
        exists="ResourceInUseException",
        outputs={"userName": "{principalArn}"},
        defaults={"type": "STANDARD"},
    ),
    ResourceType(
        "aws:eks/accessPolicyAssociation:AccessPolicyAssociation",
        service="eks",
        operation="AssociateAccessPolicy",
        identifier="{clusterName}#{principalArn}#{policyArn}",
        formats={"policyArn": arn, "principalArn": arn},
        immutable=("*",),
        exists="ResourceInUseException",
        tags=False,
    ),
    ResourceType(
        "aws:eks/podIdentityAssociation:PodIdentityAssociation",
        service="eks",
        operation="CreatePodIdentityAssociation",
        identifier="a-{hex:17}",
        formats={"roleArn": arn, "targetRoleArn": arn},
        immutable=("clusterName", "namespace", "serviceAccount"),
        unique=("clusterName", "namespace", "serviceAccount"),
        exists="ResourceInUseException",
        outputs={
            "associationArn": _ARN + "podidentityassociation/{clusterName}/{id}",
            "associationId": "{id}",
            "externalId": "{uuid:external}",
        },
    ),
    ResourceType(
        "aws:eks/addon:Addon",
        service="eks",
        operation="CreateAddon",
        identifier="{clusterName}:{addonName}",
        arn=_ARN + "addon/{clusterName}/{addonName}/{uuid}",
        members={
            "preserve": OWN,
            "resolveConflictsOnCreate": "resolveConflicts",
            "resolveConflictsOnUpdate": "resolveConflicts",
        },
        formats={"configurationValues": text, "preserve": boolean, "serviceAccountRoleArn": arn},
        immutable=("addonName", "clusterName", "namespaceConfig"),
        exists="ResourceInUseException",
        outputs={"addonVersion": "v1.0.0-eksbuild.1"},
    ),
)
