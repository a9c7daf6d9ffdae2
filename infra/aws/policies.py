"""IAM documents, as pure functions: actions and resources by name, nothing allowed by wildcard action."""

import json
from collections.abc import Mapping
from typing import Any, Final

from infra.platform import Access

Document = dict[str, Any]
"""A policy document as JSON has it."""

_VERSION: Final = "2012-10-17"
_OWN_CLUSTER: Final = {"aws:RequestTag/eks:eks-cluster-name": "${aws:PrincipalTag/eks:eks-cluster-name}"}

CLUSTER_POLICIES: Final = (
    "AmazonEKSClusterPolicy",
    "AmazonEKSComputePolicy",
    "AmazonEKSBlockStoragePolicy",
    "AmazonEKSLoadBalancingPolicy",
    "AmazonEKSNetworkingPolicy",
)
"""AWS's own policies that Auto Mode asks of the control plane's role."""

NODE_POLICIES: Final = ("AmazonEKSWorkerNodeMinimalPolicy", "AmazonEC2ContainerRegistryPullOnly")
"""AWS's own policies that Auto Mode asks of the nodes' role; what pods may do is in roles of their own."""


def managed_policy(name: str) -> str:
    """The ARN of one of AWS's own policies."""
    return f"arn:aws:iam::aws:policy/{name}"


def text(document: Document) -> str:
    """A document as AWS takes it, the same each time."""
    return json.dumps(document, sort_keys=True)


def trust(service: str, *actions: str, account_id: str) -> Document:
    """Lets an AWS service take on a role, and only on behalf of this account where the service says whose it acts."""
    return _document(
        {
            "Effect": "Allow",
            "Principal": {"Service": service},
            "Action": sorted({"sts:AssumeRole", *actions}),
            "Condition": {"StringEqualsIfExists": {"aws:SourceAccount": account_id}},
        }
    )


def bucket_access(buckets: Mapping[str, Access], folders: Mapping[str, str] | None = None) -> Document:
    """What a workload may do in buckets, and in which of their folders it may write as well, by the bucket's ARN.

    No right to delete: the registry only ever adds, and replaces a pointer whose old versions are kept.
    """
    statements = []
    writing = ["s3:AbortMultipartUpload", "s3:PutObject"]
    for arn, access in sorted(buckets.items()):
        objects = ["s3:GetObject", *(writing if access is Access.WRITE else [])]
        statements += [
            {"Effect": "Allow", "Action": ["s3:ListBucket"], "Resource": [arn]},
            {"Effect": "Allow", "Action": sorted(objects), "Resource": [f"{arn}/*"]},
        ]
    for arn, folder in sorted((folders or {}).items()):
        statements.append({"Effect": "Allow", "Action": writing, "Resource": [f"{arn}/{folder}/*"]})
    return _document(*statements)


def tls_only(bucket_arn: str) -> Document:
    """Refuses every request to a bucket that is not encrypted on its way."""
    return _document(
        {
            "Effect": "Deny",
            "Principal": "*",
            "Action": "s3:*",
            "Resource": [bucket_arn, f"{bucket_arn}/*"],
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        }
    )


def flow_log_delivery(log_group_arn: str) -> Document:
    """Lets flow logs be written to one log group."""
    return _document(
        {"Effect": "Allow", "Action": ["logs:DescribeLogStreams"], "Resource": [log_group_arn, f"{log_group_arn}:*"]},
        {
            "Effect": "Allow",
            "Action": ["logs:CreateLogStream", "logs:PutLogEvents"],
            "Resource": [f"{log_group_arn}:log-stream:*"],
        },
    )


def auto_mode_tagging(region: str, account_id: str) -> Document:
    """Lets Auto Mode put our tags on the nodes, disks and load balancers that it makes.

    Its own policies allow EKS's tags alone. The conditions are AWS's: only what is tagged as this very cluster's.
    """
    return _document(
        {
            "Sid": "Compute",
            "Effect": "Allow",
            "Action": ["ec2:CreateFleet", "ec2:CreateLaunchTemplate", "ec2:RunInstances"],
            "Resource": "*",
            "Condition": {
                "StringEquals": _OWN_CLUSTER,
                "StringLike": {
                    "aws:RequestTag/eks:kubernetes-node-class-name": "*",
                    "aws:RequestTag/eks:kubernetes-node-pool-name": "*",
                },
            },
        },
        {
            "Sid": "Storage",
            "Effect": "Allow",
            "Action": ["ec2:CreateSnapshot", "ec2:CreateVolume"],
            "Resource": [
                # Snapshots belong to a region and to no account until they are made.
                f"arn:aws:ec2:{region}::snapshot/*",
                f"arn:aws:ec2:{region}:{account_id}:volume/*",
            ],
            "Condition": {"StringEquals": _OWN_CLUSTER},
        },
        {
            "Sid": "Networking",
            "Effect": "Allow",
            "Action": ["ec2:CreateNetworkInterface"],
            "Resource": "*",
            "Condition": {
                "StringEquals": _OWN_CLUSTER,
                "StringLike": {"aws:RequestTag/eks:kubernetes-cni-node-name": "*"},
            },
        },
        {
            "Sid": "LoadBalancing",
            "Effect": "Allow",
            "Action": [
                "ec2:CreateSecurityGroup",
                "elasticloadbalancing:CreateListener",
                "elasticloadbalancing:CreateLoadBalancer",
                "elasticloadbalancing:CreateRule",
                "elasticloadbalancing:CreateTargetGroup",
            ],
            "Resource": "*",
            "Condition": {"StringEquals": _OWN_CLUSTER},
        },
    )


def keep_images(count: int) -> Document:
    """A registry's life cycle: the newest so many, counting each architecture's."""
    return {
        "rules": [
            {
                "rulePriority": 1,
                "description": f"keep the newest {count}",
                "selection": {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": count},
                "action": {"type": "expire"},
            }
        ]
    }


def _document(*statements: Document) -> Document:
    return {"Version": _VERSION, "Statement": list(statements)}
