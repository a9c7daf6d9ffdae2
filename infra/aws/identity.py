"""Who a workload is to AWS: a role of its own, had through EKS Pod Identity."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import pulumi
from pulumi_aws import eks, iam

from infra.aws.policies import bucket_access, text, trust
from infra.aws.storage import bucket_arn
from infra.config.aws import AwsConfig
from infra.naming import dns_label
from infra.platform import WorkloadIdentity

ROLE_NAME_LIMIT: Final = 64


def role_name(config: AwsConfig, workload: str) -> str:
    """The name of a workload's role; a long one is cut and ends in its digest."""
    return dns_label(config.name, workload, limit=ROLE_NAME_LIMIT)


@dataclass(frozen=True, kw_only=True)
class WorkloadRoleArgs:
    """Who may do what.

    Attributes:
        config: of the environment.
        cluster_name: where the workload runs.
        identity: of the workload.
    """

    config: AwsConfig
    cluster_name: pulumi.Input[str]
    identity: WorkloadIdentity


class WorkloadRole(pulumi.ComponentResource):
    """A role for one service account, which may do in its buckets what the workload does, and nothing else.

    Associations take some seconds to spread: services retry their first requests.
    """

    ready: Sequence[pulumi.Resource]
    """Depend on them: a pod gets its credentials when it starts, or not at all."""

    def __init__(self, name: str, args: WorkloadRoleArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Makes the role, its policy and its association."""
        super().__init__("realtime-ml:aws:WorkloadRole", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        identity = args.identity
        role = iam.Role(
            name,
            name=role_name(args.config, identity.service_account),
            assume_role_policy=text(
                trust("pods.eks.amazonaws.com", "sts:TagSession", account_id=args.config.account_id)
            ),
            opts=child,
        )
        document = bucket_access(
            {bucket_arn(args.config, bucket): do for bucket, do in identity.buckets.items()},
            {bucket_arn(args.config, bucket): folder for bucket, folder in identity.folders.items()},
        )
        policy = iam.RolePolicy(name, role=role.name, policy=text(document), opts=child)
        association = eks.PodIdentityAssociation(
            name,
            cluster_name=args.cluster_name,
            namespace=identity.namespace,
            service_account=identity.service_account,
            role_arn=role.arn,
            opts=pulumi.ResourceOptions(parent=self, depends_on=[policy]),
        )
        self.ready = [policy, association]
        self.register_outputs({})
