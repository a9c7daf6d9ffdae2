"""For each rule what it lets pass and what not, as data."""

from collections.abc import Mapping
from typing import Any, Final

from infra.policy.model import UNKNOWN, Context, Json, Resource

DEV: Final = Context(environment="dev")
PROD: Final = Context(environment="prod")

Case = tuple[str, Resource, Context]
"""What it shows, the resource, where."""

TAGS: Final = {"Project": "realtime-ml", "Environment": "dev", "ManagedBy": "pulumi"}
CONTAINER: Final[Mapping[str, Json]] = {
    "name": "scoring",
    "image": "registry.example.com:5000/scoring:v1",
    "resources": {"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"cpu": "1", "memory": "1Gi"}},
    "livenessProbe": {"httpGet": {"path": "/live"}},
    "readinessProbe": {"httpGet": {"path": "/ready"}},
    "securityContext": {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
    },
}
NAMESPACE: Final = "kubernetes:core/v1:Namespace"
KEY: Final = {"drop": ["ALL"], "add": ["SYS_ADMIN"]}
POD_SECURITY: Final = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
TLS_ONLY: Final = {
    "Effect": "Deny",
    "Principal": "*",
    "Action": "s3:*",
    "Resource": ["arn:aws:s3:::models", "arn:aws:s3:::models/*"],
    "Condition": {"Bool": {"aws:SecureTransport": "false"}},
}
TRUST: Final = '{"Statement": {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}}}'
READ: Final = {"Effect": "Allow", "Action": ["s3:GetObject"], "Resource": ["arn:aws:s3:::models/*"]}


def resource(type_: str, properties: Mapping[str, Json], **more: Any) -> Resource:  # noqa: ANN401 (what Resource takes)
    """A resource of this type."""
    return Resource(type=type_, name=more.pop("name", "it"), properties=properties, **more)


def bucket(**more: Any) -> Resource:  # noqa: ANN401 (what Resource takes)
    """A bucket named `models`."""
    return resource("aws:s3/bucket:Bucket", more.pop("properties", {"bucket": "models"}), urn="urn:models", **more)


def companion(kind: str, **more: Any) -> Resource:  # noqa: ANN401 (what Resource takes)
    """What says something of the bucket `models`."""
    type_ = f"aws:s3/{kind[0].lower()}{kind[1:]}:{kind}"
    return resource(type_, {"bucket": more.pop("bucket", "models")}, **more)


def workload(kind: str = "Deployment", *, pod: Mapping[str, Json] | None = None, **changes: Json) -> Resource:
    """What makes pods of one container; a change to `None` takes a key away."""
    container = {key: value for key, value in (dict(CONTAINER) | changes).items() if value is not None}
    group = "batch" if kind in {"Job", "CronJob"} else "apps"
    spec = {"containers": [container], "securityContext": POD_SECURITY} | dict(pod or {})
    template: Json = {"spec": {"template": {"spec": spec}}}
    return resource(
        f"kubernetes:{group}/v1:{kind}", {"spec": {"jobTemplate": template}} if kind == "CronJob" else template
    )


def security(**changes: Json) -> dict[str, Json]:
    """A container's security context with some changes."""
    return {**CONTAINER["securityContext"], **changes}


def gpu_exporter(namespace: str = "gpu", **changes: Json) -> Resource:
    """The one workload that may add a capability."""
    made = workload("DaemonSet", securityContext=security(**changes))
    metadata = {"namespace": namespace, "name": "dcgm-exporter"}
    return resource(made.type, {"metadata": metadata, **made.properties})


def namespace(level: str, name: str = "ml") -> Resource:
    """A namespace that enforces this level."""
    return resource(NAMESPACE, {"metadata": {"name": name, "labels": {"pod-security.kubernetes.io/enforce": level}}})


def cluster(**properties: Json) -> Resource:
    """An EKS cluster."""
    return resource("aws:eks/cluster:Cluster", properties)


def repository(**properties: Json) -> Resource:
    """An ECR repository."""
    return resource("aws:ecr/repository:Repository", properties)


def _made_with(condition: Mapping[str, Json]) -> dict[str, Json]:
    return {"Effect": "Allow", "Action": "ec2:RunInstances", "Resource": "*", "Condition": condition}


def policy(*statements: Mapping[str, Json]) -> Resource:
    """An IAM policy, written as structure."""
    return resource("aws:iam/policy:Policy", {"policy": {"Version": "2012-10-17", "Statement": list(statements)}})


def bucket_policy(*statements: Mapping[str, Json]) -> Resource:
    """A bucket's policy."""
    return resource("aws:s3/bucketPolicy:BucketPolicy", {"policy": {"Statement": list(statements)}})


def group(*cidrs: Json, **more: Any) -> Resource:  # noqa: ANN401 (what Resource takes)
    """A security group that lets these networks in."""
    return resource("aws:ec2/securityGroup:SecurityGroup", {"ingress": [{"cidrBlocks": list(cidrs)}]}, **more)


def service(**spec: Json) -> Resource:
    """A load balancer on the internet."""
    annotations = {"service.beta.kubernetes.io/aws-load-balancer-scheme": "internet-facing"}
    return resource("kubernetes:core/v1:Service", {"metadata": {"annotations": annotations}, "spec": spec})


def ingress_rule(cidr: Json) -> Resource:
    """A rule of a security group, as a resource of its own."""
    return resource("aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule", {"cidrIpv4": cidr})


def encryption(algorithm: Json) -> Resource:
    """A bucket's encryption."""
    return resource(
        "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",
        {"rules": [{"applyServerSideEncryptionByDefault": {"sseAlgorithm": algorithm}}]},
    )


def storage_class(provisioner: str, **parameters: Json) -> Resource:
    """A storage class."""
    return resource("kubernetes:storage.k8s.io/v1:StorageClass", {"provisioner": provisioner, "parameters": parameters})


def attachment(arn: Json) -> Resource:
    """A role's attached policy."""
    return resource("aws:iam/rolePolicyAttachment:RolePolicyAttachment", {"policyArn": arn})


BLOCKED: Final = dict.fromkeys(
    ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets"), True
)
BLOCK: Final = "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock"
VPC: Final = "aws:ec2/vpc:Vpc"
EBS: Final = "ebs.csi.eks.amazonaws.com"

PASSING: Final[dict[str, list[tuple[str, Resource] | Case]]] = {
    "bucket-encryption-names-an-algorithm": [
        ("a key of AWS's", encryption("AES256")),
        ("unknown", encryption(UNKNOWN)),
    ],
    "bucket-policy-denies-plain-text": [
        ("denied", bucket_policy(TLS_ONLY, READ)),
        ("unknown", resource("aws:s3/bucketPolicy:BucketPolicy", {"policy": UNKNOWN})),
        ("partly unknown", bucket_policy({**TLS_ONLY, "Resource": [UNKNOWN]})),
    ],
    "cluster-secrets-are-encrypted": [
        ("a key", cluster(encryptionConfig={"resources": ["secrets"], "provider": {"keyArn": UNKNOWN}})),
        ("by itself", cluster(version="1.34")),
        ("unknown", cluster(encryptionConfig=UNKNOWN)),
    ],
    "disks-are-encrypted": [
        ("a disk", resource("aws:ebs/volume:Volume", {"encrypted": True})),
        ("gp3", storage_class(EBS, encrypted="true", type="gp3")),
        ("another provisioner", storage_class("rancher.io/local-path")),
        ("unknown", storage_class(EBS, encrypted=UNKNOWN, type="gp3")),
    ],
    "bucket-blocks-public-access": [
        ("complete", resource(BLOCK, BLOCKED)),
        ("unknown", resource(BLOCK, {**BLOCKED, "blockPublicAcls": UNKNOWN})),
    ],
    "cluster-endpoint-is-not-open": [
        ("private", cluster(vpcConfig={"endpointPublicAccess": False})),
        ("named", cluster(vpcConfig={"endpointPublicAccess": True, "publicAccessCidrs": ["192.0.2.0/24"]})),
        ("unknown", cluster(vpcConfig={"endpointPublicAccess": True, "publicAccessCidrs": UNKNOWN})),
    ],
    "security-group-is-not-open": [
        ("a network", group("10.0.0.0/16")),
        ("unknown", group(UNKNOWN)),
        (
            "named by the configuration",
            group("0.0.0.0/0", name="entry"),
            Context(environment="dev", open_to_internet=frozenset({"entry"})),
        ),
        (
            "outwards",
            resource("aws:ec2/securityGroupRule:SecurityGroupRule", {"type": "egress", "cidrBlocks": ["0.0.0.0/0"]}),
        ),
    ],
    "load-balancer-is-not-open": [
        ("internal", resource("kubernetes:core/v1:Service", {"metadata": {"name": "it"}, "spec": {}})),
        ("named", service(loadBalancerSourceRanges=["192.0.2.0/24"])),
        ("unknown", service(loadBalancerSourceRanges=UNKNOWN)),
    ],
    "iam-actions-are-named": [
        ("named", policy(READ)),
        ("denied", bucket_policy(TLS_ONLY)),
        ("unknown", policy({**READ, "Action": UNKNOWN})),
    ],
    "iam-resources-are-named": [
        ("named", policy(READ)),
        ("a read", policy({"Effect": "Allow", "Action": "ec2:DescribeInstances", "Resource": "*"})),
        ("an exception", policy({"Effect": "Allow", "Action": "ecr:GetAuthorizationToken", "Resource": "*"})),
        ("unknown", policy({"Effect": "Allow", "Action": "s3:PutObject", "Resource": [UNKNOWN]})),
        ("narrowed by a tag", policy(_made_with({"StringEquals": {"aws:RequestTag/cluster": "dev"}}))),
    ],
    "iam-principals-are-named": [
        ("denied to anyone", bucket_policy(TLS_ONLY)),
        (
            "a service",
            resource("aws:iam/role:Role", {"assumeRolePolicy": TRUST}),
        ),
        ("unknown", bucket_policy({"Effect": "Allow", "Principal": UNKNOWN})),
    ],
    "iam-full-access-is-not-attached": [
        ("a narrow one", attachment("arn:aws:iam::aws:policy/AmazonEKSClusterPolicy")),
        ("unknown", attachment(UNKNOWN)),
    ],
    "images-are-pinned": [
        ("a tag", workload()),
        ("a digest", workload(image=f"registry.example.com:5000/scoring@sha256:{'0' * 64}")),
        ("unknown", workload(image=UNKNOWN)),
    ],
    "image-tags-are-immutable": [
        ("immutable", repository(imageTagMutability="IMMUTABLE")),
        ("unknown", repository(imageTagMutability=UNKNOWN)),
    ],
    "images-are-scanned": [
        ("scanned", repository(imageScanningConfiguration={"scanOnPush": True})),
        ("unknown", repository(imageScanningConfiguration=UNKNOWN)),
    ],
    "cluster-logs-are-kept": [
        ("kept", cluster(enabledClusterLogTypes=["api", "audit", "authenticator"])),
        ("unknown", cluster(enabledClusterLogTypes=UNKNOWN)),
    ],
    "pods-have-containers": [("one", workload()), ("unknown", workload(pod={"containers": UNKNOWN}))],
    "containers-are-bounded": [("bounded", workload()), ("unknown", workload(resources=UNKNOWN))],
    "containers-are-probed": [
        ("probed", workload("StatefulSet")),
        ("a job", workload("Job", livenessProbe=None)),
        ("unknown", workload(livenessProbe=UNKNOWN)),
    ],
    "pods-are-restricted": [
        ("restricted", workload()),
        ("a scheduled job", workload("CronJob")),
        ("unknown", workload(securityContext=UNKNOWN)),
        ("one that is named", gpu_exporter(capabilities=KEY)),
    ],
    "namespaces-are-restricted": [
        ("restricted", namespace("restricted")),
        ("one that is named", namespace("privileged", name="gpu")),
        ("unknown", resource(NAMESPACE, {"metadata": {"labels": UNKNOWN}})),
    ],
    "prod-cluster-is-kept": [
        ("kept", cluster(deletionProtection=True), PROD),
        ("not prod", cluster(), DEV),
        ("unknown", cluster(deletionProtection=UNKNOWN), PROD),
    ],
    "prod-buckets-are-kept": [
        ("retained", bucket(retain=True), PROD),
        ("protected", bucket(retain=False, protect=True), PROD),
        ("not told", bucket(), PROD),
        ("not prod", bucket(retain=False), DEV),
    ],
    "prod-images-are-kept": [("kept", repository(), PROD), ("unknown", repository(forceDelete=UNKNOWN), PROD)],
    "aws-resources-are-tagged": [
        ("its own", resource(VPC, {"tags": TAGS})),
        (
            "its provider's, as the engine has them",
            resource(
                VPC, {}, provider={"defaultTags": '{"tags": {"Project": "a", "Environment": "b", "ManagedBy": "c"}}'}
            ),
        ),
        ("its provider's", resource(VPC, {}, provider={"defaultTags": {"tags": TAGS}})),
        ("takes none", bucket_policy()),
        ("unknown", resource(VPC, {"tags": UNKNOWN})),
    ],
}

VIOLATING: Final[dict[str, list[tuple[str, Resource] | Case]]] = {
    "bucket-encryption-names-an-algorithm": [
        ("no rule", resource(encryption("").type, {})),
        ("no algorithm", encryption(None)),
        ("another", encryption("none")),
    ],
    "bucket-policy-denies-plain-text": [
        ("absent", bucket_policy(READ)),
        ("objects alone", bucket_policy({**TLS_ONLY, "Resource": "arn:aws:s3:::models/*"})),
        ("some callers", bucket_policy({**TLS_ONLY, "Principal": {"AWS": "arn:aws:iam::111122223333:root"}})),
        ("some requests", bucket_policy({**TLS_ONLY, "Condition": {**TLS_ONLY["Condition"], "IpAddress": {}}})),  # type: ignore[dict-item]  # a dict, above
        ("no policy", resource("aws:s3/bucketPolicy:BucketPolicy", {})),
    ],
    "cluster-secrets-are-encrypted": [
        ("absent", cluster()),
        ("an old version", cluster(version="1.27")),
        ("not secrets", cluster(encryptionConfig={"resources": [], "provider": {"keyArn": "arn:aws:kms:x"}})),
        ("no key", cluster(encryptionConfig={"resources": ["secrets"]})),
    ],
    "disks-are-encrypted": [
        ("a disk", resource("aws:ebs/volume:Volume", {})),
        ("absent", storage_class(EBS, type="gp3")),
        ("gp2", storage_class(EBS, encrypted="true", type="gp2")),
    ],
    "bucket-blocks-public-access": [
        ("absent", resource(BLOCK, {})),
        ("one off", resource(BLOCK, {**BLOCKED, "restrictPublicBuckets": False})),
    ],
    "cluster-endpoint-is-not-open": [
        ("absent", cluster()),
        ("everywhere by default", cluster(vpcConfig={"endpointPublicAccess": True})),
        ("everywhere", cluster(vpcConfig={"publicAccessCidrs": ["192.0.2.0/24", "0.0.0.0/0"]})),
    ],
    "security-group-is-not-open": [
        ("everywhere", group("0.0.0.0/0")),
        ("half of everywhere", group("128.0.0.0/1")),
        ("a rule", ingress_rule("0.0.0.0/0")),
        ("IPv6", resource(ingress_rule("").type, {"cidrIpv6": "::/0"})),
        (
            "another than is named",
            group("0.0.0.0/0"),
            Context(environment="dev", open_to_internet=frozenset({"entry"})),
        ),
    ],
    "load-balancer-is-not-open": [
        ("absent", service()),
        ("everywhere", service(loadBalancerSourceRanges=["0.0.0.0/0"])),
        (
            "an ingress",
            resource(
                "kubernetes:networking.k8s.io/v1:Ingress",
                {"metadata": {"annotations": {"alb.ingress.kubernetes.io/scheme": "internet-facing"}}},
            ),
        ),
        (
            "a class of ingresses",
            resource("kubernetes:eks.amazonaws.com/v1:IngressClassParams", {"spec": {"scheme": "internet-facing"}}),
        ),
    ],
    "iam-actions-are-named": [
        ("all", policy({**READ, "Action": "*"})),
        ("a service's", policy({**READ, "Action": ["s3:*"]})),
        ("all but", policy({"Effect": "Allow", "NotAction": "iam:*", "Resource": "arn:aws:s3:::models"})),
        (
            "as text, in a role",
            resource(
                "aws:iam/role:Role",
                {"inlinePolicies": [{"policy": '{"Statement": {"Effect": "Allow", "Action": "s3:Put*"}}'}]},
            ),
        ),
    ],
    "iam-resources-are-named": [
        ("a write", policy({"Effect": "Allow", "Action": "s3:PutObject", "Resource": "*"})),
        (
            "everything of a service",
            policy({"Effect": "Allow", "Action": "s3:PutObject", "Resource": "arn:aws:s3:::*"}),
        ),
        ("all but", policy({"Effect": "Allow", "Action": "s3:PutObject", "NotResource": "arn:aws:s3:::models"})),
        ("a token", policy({"Effect": "Allow", "Action": "sts:GetFederationToken", "Resource": "*"})),
        ("any tag will do", policy(_made_with({"StringEquals": {"aws:RequestTag/cluster": "*"}}))),
        ("narrowed by what is no tag", policy(_made_with({"StringEquals": {"aws:RequestedRegion": "eu-central-1"}}))),
    ],
    "iam-principals-are-named": [
        ("anyone", bucket_policy({**READ, "Principal": "*"})),
        ("any account", bucket_policy({**READ, "Principal": {"AWS": "*"}})),
        ("all but", bucket_policy({**READ, "NotPrincipal": {"AWS": "arn:aws:iam::111122223333:root"}})),
    ],
    "iam-full-access-is-not-attached": [
        ("everything", attachment("arn:aws:iam::aws:policy/AdministratorAccess")),
        ("a service", attachment("arn:aws:iam::aws:policy/AmazonS3FullAccess")),
        ("a role", resource("aws:iam/role:Role", {"managedPolicyArns": ["arn:aws:iam::aws:policy/PowerUserAccess"]})),
    ],
    "images-are-pinned": [
        ("latest", workload(image="registry.example.com:5000/scoring:latest")),
        ("no tag", workload(image="registry.example.com:5000/scoring")),
        ("absent", workload(image=None)),
        ("before the pod's own", workload(pod={"initContainers": [{"image": "scoring"}]})),
    ],
    "image-tags-are-immutable": [
        ("absent", repository()),
        ("some", repository(imageTagMutability="IMMUTABLE_WITH_EXCLUSION")),
    ],
    "images-are-scanned": [
        ("absent", repository()),
        ("off", repository(imageScanningConfiguration={"scanOnPush": False})),
    ],
    "cluster-logs-are-kept": [("absent", cluster()), ("one missing", cluster(enabledClusterLogTypes=["api", "audit"]))],
    "pods-have-containers": [("none", workload(pod={"containers": []}))],
    "containers-are-bounded": [
        ("absent", workload(resources=None)),
        ("no limit of memory", workload(resources={**CONTAINER["resources"], "limits": {"cpu": "1"}})),
    ],
    "containers-are-probed": [("not live", workload(livenessProbe=None)), ("not ready", workload(readinessProbe=None))],
    "pods-are-restricted": [
        ("absent", workload(securityContext=None)),
        ("root by default", workload(pod={"securityContext": {"seccompProfile": {"type": "RuntimeDefault"}}})),
        ("root by itself", workload(securityContext=security(runAsNonRoot=False))),
        ("root by number", workload(securityContext=security(runAsUser=0))),
        ("no seccomp", workload(securityContext=security(seccompProfile={"type": "Unconfined"}))),
        ("escalates", workload(securityContext=security(allowPrivilegeEscalation=True))),
        ("privileged", workload(securityContext=security(privileged=True))),
        ("writes", workload(securityContext=security(readOnlyRootFilesystem=False))),
        ("keeps capabilities", workload(securityContext=security(capabilities={"drop": ["KILL"]}))),
        ("adds one", workload(securityContext=security(capabilities=KEY))),
        ("one that is named, elsewhere", gpu_exporter(namespace="ml", capabilities=KEY)),
        ("one that is named, as root", gpu_exporter(capabilities=KEY, runAsUser=0)),
        ("the node's network", workload(pod={"hostNetwork": True})),
        ("the node's files", workload(pod={"volumes": [{"hostPath": {"path": "/"}}]})),
    ],
    "namespaces-are-restricted": [
        ("absent", resource(NAMESPACE, {"metadata": {"name": "ml"}})),
        ("another level", namespace("baseline")),
        ("one that nobody named", namespace("privileged")),
    ],
    "prod-cluster-is-kept": [
        ("absent", cluster(), PROD),
        ("one of several", cluster(deletionProtection=False), Context(environment="prod-eu")),
    ],
    "prod-buckets-are-kept": [
        ("neither", bucket(retain=False), PROD),
        ("emptied", bucket(retain=True, properties={"forceDestroy": True}), PROD),
    ],
    "prod-images-are-kept": [("deleted", repository(forceDelete=True), PROD)],
    "aws-resources-are-tagged": [
        ("none", resource(VPC, {})),
        ("one missing", resource(VPC, {"tags": {key: TAGS[key] for key in ("Project", "Environment")}})),
        ("one empty", resource(VPC, {"tags": {**TAGS, "Project": ""}})),
        ("a type that is new here", resource("aws:lambda/function:Function", {})),
    ],
}

_KINDS: Final = {
    "buckets-have-encryption": "BucketServerSideEncryptionConfiguration",
    "buckets-have-public-access-block": "BucketPublicAccessBlock",
    "buckets-have-policy": "BucketPolicy",
}
_REFERS: Final = {"bucket": frozenset({"urn:models"})}

_CLOSED: Final = "namespaces-deny-by-default"
_ML: Final = resource(NAMESPACE, {"metadata": {"name": "ml"}}, urn="urn:ml")


def network_policy(
    namespace: Json = "ml", refers: Mapping[str, frozenset[str]] | None = None, **spec: Json
) -> Resource:
    """A policy that denies everything, with changes."""
    denying = {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    return resource(
        "kubernetes:networking.k8s.io/v1:NetworkPolicy",
        {"metadata": {"namespace": namespace}, "spec": denying | spec},
        refers=refers or {},
    )


STACK_PASSING: Final = {
    _CLOSED: [
        ("by name", [_ML, network_policy()]),
        ("empty lists", [_ML, network_policy(ingress=[], egress=[])]),
        ("beside others", [_ML, network_policy(podSelector={"matchLabels": {"a": "b"}}), network_policy()]),
        ("by where the name comes from", [_ML, network_policy(UNKNOWN, {"metadata": frozenset({"urn:ml"})})]),
        ("in a cluster that is yet to be made", [resource(NAMESPACE, {}, urn="urn:ml")]),
    ]
} | {
    rule: [
        ("by name", [bucket(), companion(kind)]),
        ("by where the name comes from", [bucket(), companion(kind, bucket=UNKNOWN, refers=_REFERS)]),
    ]
    for rule, kind in _KINDS.items()
}
STACK_VIOLATING: Final = {
    _CLOSED: [
        ("absent", [_ML]),
        ("another namespace's", [_ML, network_policy("monitoring")]),
        ("another's, unknown", [_ML, network_policy(UNKNOWN, {"spec": frozenset({"urn:ml"})})]),
        ("some pods", [_ML, network_policy(podSelector={"matchLabels": {"a": "b"}})]),
        ("some pods, by expression", [_ML, network_policy(podSelector={"matchExpressions": [{"key": "a"}]})]),
        ("one direction", [_ML, network_policy(policyTypes=["Ingress"])]),
        ("lets something through", [_ML, network_policy(ingress=[{}])]),
        ("lets something out", [_ML, network_policy(egress=[{"to": []}])]),
    ]
} | {
    rule: [
        ("absent", [bucket()]),
        ("another bucket's", [bucket(), companion(kind, bucket="predictions")]),
        (
            "another's, unknown",
            [bucket(), companion(kind, bucket=UNKNOWN, refers={"policy": frozenset({"urn:models"})})],
        ),
    ]
    for rule, kind in _KINDS.items()
}
