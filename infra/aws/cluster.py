"""The EKS cluster: a control plane in Auto Mode, who may do what to it, and how Pulumi reaches it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import pulumi
import pulumi_kubernetes as k8s
from pulumi_aws import cloudwatch, eks, iam

from infra.aws.network import Network
from infra.aws.policies import CLUSTER_POLICIES, NODE_POLICIES, auto_mode_tagging, managed_policy, text, trust
from infra.config.aws import AwsConfig

_ADMIN: Final = "AmazonEKSClusterAdminPolicy"
_NODE: Final = "AmazonEKSAutoNodePolicy"


@dataclass(frozen=True, kw_only=True)
class ClusterArgs:
    """What the cluster is made of.

    Attributes:
        config: of the environment.
        network: where it lies.
    """

    config: AwsConfig
    network: Network


class Cluster(pulumi.ComponentResource):
    """A control plane that runs compute, load balancing and block storage itself (EKS Auto Mode).

    What is made in the cluster goes before the cluster does, and the cluster before its network: whatever it made in
    the account, nodes, load balancers and network interfaces, is deleted while it is still there to delete it.
    """

    name: pulumi.Output[str]
    node_role_name: pulumi.Output[str]
    security_group_id: pulumi.Output[str]
    """Of the control plane and of every node."""

    kubeconfig: pulumi.Output[str]
    """Gets its token from the AWS CLI, with the credentials at hand; a secret all the same, for what it tells."""

    ready: Sequence[pulumi.Resource]
    """Depend on them: Pulumi and nodes are let in, and until what depends on them is gone they are not shut out."""

    def __init__(self, name: str, args: ClusterArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Makes the roles, the control plane and the access entries."""
        super().__init__("realtime-ml:aws:Cluster", name, None, opts)
        self._config = args.config
        self._child = pulumi.ResourceOptions(parent=self)
        role, permissions = self._control_plane_role()
        node_role, node_permissions = self._node_role()
        cluster = self._control_plane(name, args, role, permissions)
        self.name = cluster.name
        self.node_role_name = node_role.name
        self.security_group_id = cluster.vpc_config.apply(lambda vpc: vpc.cluster_security_group_id or "")
        self.kubeconfig = self._kubeconfig(cluster)
        self.ready = [*self._admins(cluster), *self._nodes_access(cluster, node_role), *node_permissions]
        self.register_outputs({"name": self.name})

    def connect(self, name: str, after: Sequence[pulumi.Resource] = ()) -> k8s.Provider:
        """A provider whose objects are made after, and gone before, the cluster's access and `after`."""
        return k8s.Provider(
            name,
            kubeconfig=self.kubeconfig,
            # The same cluster whatever becomes of its endpoint or certificate: otherwise Pulumi would replace
            # everything.
            cluster_identifier=self._config.name,
            opts=pulumi.ResourceOptions(parent=self, depends_on=[*self.ready, *after]),
        )

    def _control_plane(
        self, name: str, args: ClusterArgs, role: iam.Role, permissions: Sequence[pulumi.Resource]
    ) -> eks.Cluster:
        config = args.config.cluster
        # EKS would make it, without an end to how long it keeps, and leave it behind.
        logs = cloudwatch.LogGroup(
            "control-plane",
            name=f"/aws/eks/{args.config.name}/cluster",
            retention_in_days=config.log_retention_days,
            opts=self._child,
        )
        encryption: eks.ClusterEncryptionConfigArgsDict | None = (
            None
            if config.kms_key_arn is None
            else {"provider": {"key_arn": config.kms_key_arn}, "resources": ["secrets"]}
        )
        vpc: eks.ClusterVpcConfigArgsDict = {
            "subnet_ids": args.network.private_subnet_ids,
            "endpoint_private_access": True,
            "endpoint_public_access": bool(config.public_access_cidrs),
        }
        if config.public_access_cidrs:
            # Left out while there is no public endpoint: AWS's own answer would show as a change.
            vpc["public_access_cidrs"] = list(config.public_access_cidrs)
        return eks.Cluster(
            name,
            name=args.config.name,
            role_arn=role.arn,
            version=config.kubernetes_version,
            access_config={
                "authentication_mode": "API",
                # Who may is in the configuration, not whoever happened to run the first `up`.
                "bootstrap_cluster_creator_admin_permissions": False,
            },
            # Auto Mode brings its own; the three flags below are on together or the API refuses them.
            bootstrap_self_managed_addons=False,
            compute_config={"enabled": True, "node_pools": []},
            kubernetes_network_config={
                "elastic_load_balancing": {"enabled": True},
                "ip_family": "ipv4",
                "service_ipv4_cidr": config.service_cidr,
            },
            storage_config={"block_storage": {"enabled": True}},
            vpc_config=vpc,
            enabled_cluster_log_types=list(config.log_types),
            encryption_config=encryption,
            deletion_protection=config.deletion_protection,
            # Extended support costs six times as much an hour, and begins without a question.
            upgrade_policy={"support_type": "STANDARD"},
            opts=pulumi.ResourceOptions(
                parent=self,
                depends_on=[*permissions, logs, *args.network.ready],
                protect=args.config.protect or None,
            ),
        )

    def _control_plane_role(self) -> tuple[iam.Role, list[pulumi.Resource]]:
        role = iam.Role(
            "control-plane",
            name=f"{self._config.name}-control-plane",
            assume_role_policy=text(
                trust("eks.amazonaws.com", "sts:TagSession", account_id=self._config.account_id),
            ),
            opts=self._child,
        )
        permissions: list[pulumi.Resource] = [
            iam.RolePolicyAttachment(policy, role=role.name, policy_arn=managed_policy(policy), opts=self._child)
            for policy in CLUSTER_POLICIES
        ]
        permissions.append(
            iam.RolePolicy(
                "tagging",
                role=role.name,
                policy=text(auto_mode_tagging(self._config.region, self._config.account_id)),
                opts=self._child,
            )
        )
        return role, permissions

    def _node_role(self) -> tuple[iam.Role, list[pulumi.Resource]]:
        role = iam.Role(
            "node",
            name=f"{self._config.name}-node",
            assume_role_policy=text(trust("ec2.amazonaws.com", account_id=self._config.account_id)),
            opts=self._child,
        )
        return role, [
            iam.RolePolicyAttachment(policy, role=role.name, policy_arn=managed_policy(policy), opts=self._child)
            for policy in NODE_POLICIES
        ]

    def _admins(self, cluster: eks.Cluster) -> list[pulumi.Resource]:
        made: list[pulumi.Resource] = []
        for principal in self._config.cluster.admin_principals:
            made += self._access(f"admin-{principal.rpartition('/')[2]}", cluster, principal, "STANDARD", _ADMIN)
        return made

    def _nodes_access(self, cluster: eks.Cluster, role: iam.Role) -> list[pulumi.Resource]:
        """EKS lets in the nodes of its built-in classes by itself; those of ours need an entry."""
        return self._access("node", cluster, role.arn, "EC2", _NODE)

    def _access(
        self, name: str, cluster: eks.Cluster, principal: pulumi.Input[str], kind: str, policy: str
    ) -> list[pulumi.Resource]:
        entry = eks.AccessEntry(name, cluster_name=cluster.name, principal_arn=principal, type=kind, opts=self._child)
        association = eks.AccessPolicyAssociation(
            name,
            cluster_name=cluster.name,
            principal_arn=principal,
            policy_arn=f"arn:aws:eks::aws:cluster-access-policy/{policy}",
            access_scope={"type": "cluster"},
            opts=pulumi.ResourceOptions(parent=self, depends_on=[entry]),
        )
        return [entry, association]

    def _kubeconfig(self, cluster: eks.Cluster) -> pulumi.Output[str]:
        certificate = cluster.certificate_authority.apply(lambda authority: authority.data or "")
        parts = pulumi.Output.all(name=cluster.name, endpoint=cluster.endpoint, certificate=certificate)
        region = self._config.region
        return pulumi.Output.secret(
            parts.apply(lambda got: kubeconfig(got["name"], got["endpoint"], got["certificate"], region))
        )


def kubeconfig(name: str, endpoint: str, certificate: str, region: str) -> str:
    """A kubeconfig that holds no credential: the AWS CLI gives a token for a quarter of an hour."""
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": name, "cluster": {"server": endpoint, "certificate-authority-data": certificate}}],
            "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
            "current-context": name,
            "users": [
                {
                    "name": name,
                    "user": {
                        "exec": {
                            "apiVersion": "client.authentication.k8s.io/v1beta1",
                            "command": "aws",
                            "args": [
                                *("--region", region, "--output", "json"),
                                *("eks", "get-token", "--cluster-name", name),
                            ],
                            "interactiveMode": "Never",
                        }
                    },
                }
            ],
        }
    )
