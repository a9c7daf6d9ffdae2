"""The stacks on AWS: what they ask for, in which order, with which rights."""

import json
from ipaddress import IPv4Network
from itertools import combinations
from pathlib import Path

import pytest

from infra.aws.identity import ROLE_NAME_LIMIT
from infra.config.reading import ConfigError, parse
from infra.naming import PROJECT
from tests.infra.harness import (
    ENVIRONMENTS,
    Environments,
    Rendered,
    Resource,
    Secret,
    environment_configuration,
    render,
)

DEV = json.loads(environment_configuration("dev")[f"{PROJECT}:aws"])["name"]
CERTIFICATE = "arn:aws:acm:eu-central-1:111122223333:certificate/01234567-89ab-cdef-0123-456789abcdef"
PUBLIC = {
    "public": True,
    "certificate_arn": CERTIFICATE,
    "domain": "ml.example.com",
    "allowed_cidrs": ["198.51.100.0/24"],
}

OIDC = {
    "issuer": "https://login.example.com/",
    "authorization_endpoint": "https://login.example.com/authorize",
    "token_endpoint": "https://login.example.com/token",
    "user_info_endpoint": "https://login.example.com/userinfo",
    "client_id": "ml",
    "client_secret": "not-a-secret",
}


@pytest.fixture(scope="module")
def public() -> Rendered:
    """The `dev` stack with scoring on the internet."""
    return render(environment_configuration("dev", exposure=PUBLIC), stack="dev")


@pytest.fixture(scope="module")
def logged_in() -> Rendered:
    """The same, and people log in."""
    settings = environment_configuration("dev", exposure=PUBLIC) | {f"{PROJECT}:oidc": json.dumps(OIDC)}
    return render(settings, stack="dev")


def actual(rendered: Rendered, *types: str) -> list[Resource]:
    """The resources of these types that a provider makes."""
    return [resource for resource in rendered.of_type(*types) if resource.custom]


def test_every_resource_names_its_provider(aws: Rendered) -> None:
    """Without a name a resource goes to whatever account or cluster the machine points at."""
    providers = {r.urn: r.type.rsplit(":", 1)[-1] for r in aws.resources if "pulumi:providers:" in r.type}
    for resource in aws.resources:
        if resource.custom and resource.urn not in providers:
            assert providers.get(resource.provider) == resource.type.split(":")[0], resource


def test_credentials_of_another_account_are_refused(aws: Rendered) -> None:
    """By the provider, before it reads or changes anything."""
    (provider,) = (resource for resource in aws.resources if resource.type == "pulumi:providers:aws")
    (account,) = json.loads(provider.inputs["allowedAccountIds"])
    assert len(account) == 12
    assert json.loads(provider.inputs["defaultTags"])["tags"].keys() == {"Project", "Environment", "ManagedBy"}


def test_auto_modes_three_flags_are_on_together(aws: Rendered) -> None:
    """The API refuses one without the others."""
    (cluster,) = actual(aws, "Cluster")
    assert cluster.inputs["computeConfig"] == {"enabled": True, "nodePools": []}
    assert cluster.inputs["kubernetesNetworkConfig"]["elasticLoadBalancing"] == {"enabled": True}
    assert cluster.inputs["storageConfig"] == {"blockStorage": {"enabled": True}}
    assert cluster.inputs["bootstrapSelfManagedAddons"] is False


def test_who_administers_is_in_the_configuration_alone(aws: Rendered) -> None:
    """Not whoever ran the first `up`."""
    (cluster,) = actual(aws, "Cluster")
    assert cluster.inputs["accessConfig"] == {
        "authenticationMode": "API",
        "bootstrapClusterCreatorAdminPermissions": False,
    }


@pytest.mark.parametrize(("name", "cidrs"), [("dev", ["203.0.113.0/24"]), ("staging", None), ("prod", None)])
def test_the_api_is_on_the_internet_only_for_the_networks_that_are_named(
    name: str, cidrs: list[str] | None, environment: Environments
) -> None:
    """None given: private."""
    (cluster,) = actual(environment(name), "Cluster")
    vpc = cluster.inputs["vpcConfig"]
    assert vpc["endpointPrivateAccess"] is True
    assert vpc["endpointPublicAccess"] is (cidrs is not None)
    assert vpc.get("publicAccessCidrs") == cidrs


def test_nodes_of_our_class_are_let_in(aws: Rendered) -> None:
    """EKS lets in those of its own classes by itself, and no others."""
    entry, association = aws.the("AccessEntry", "node"), aws.the("AccessPolicyAssociation", "node")
    assert entry.inputs["type"] == "EC2"
    assert association.inputs["policyArn"].endswith("/AmazonEKSAutoNodePolicy")


def test_everything_in_the_cluster_goes_before_what_its_deletion_needs(aws: Rendered) -> None:
    """A load balancer is deleted by the cluster, a node by its pool: either would outlive what was gone too early."""
    needed = [
        *actual(aws, "Cluster", "NatGateway", "Route", "RouteTableAssociation"),
        *aws.of_type("AccessEntry", "AccessPolicyAssociation", "NodePool", "NodeClass"),
    ]
    by_urn = {resource.urn: resource for resource in aws.resources}
    after_nodes = [r for r in aws.kubernetes if by_urn[r.provider].name == "kubernetes"]
    assert aws.the("Service", "scoring-car-loan") in after_nodes
    for resource in after_nodes:
        provider = by_urn[resource.provider]
        for other in needed:
            assert aws.waits(provider, on=other), (resource, other)


def test_node_pools_go_before_the_access_that_deletes_their_nodes(aws: Rendered) -> None:
    """And the class after the pools that refer to it."""
    (node_class,) = aws.of_type("NodeClass")
    for pool in aws.of_type("NodePool"):
        assert aws.waits(pool, on=node_class)
        provider = next(resource for resource in aws.resources if resource.urn == pool.provider)
        for other in (*aws.of_type("AccessEntry", "AccessPolicyAssociation"), *actual(aws, "Cluster")):
            assert aws.waits(provider, on=other)


def test_the_cluster_goes_before_its_roles_its_logs_and_its_network(aws: Rendered) -> None:
    """Otherwise it could not clean up, or would make its log group anew."""
    (cluster,) = actual(aws, "Cluster")
    for other in (
        *actual(aws, "Vpc", "Subnet", "NatGateway", "RouteTableAssociation", "InternetGateway", "VpcEndpoint"),
        aws.the("LogGroup", "control-plane"),
        aws.the("RolePolicy", "tagging"),
        aws.the("RolePolicyAttachment", "AmazonEKSComputePolicy"),
        aws.the("RolePolicyAttachment", "AmazonEKSLoadBalancingPolicy"),
    ):
        assert aws.waits(cluster, on=other), other


def test_metrics_server_waits_for_nodes(aws: Rendered) -> None:
    """Without one the add-on never becomes healthy."""
    for pool in aws.of_type("NodePool"):
        assert aws.waits(aws.the("Addon", "metrics-server"), on=pool)


def test_the_default_disk_is_encrypted_and_in_its_pods_zone(aws: Rendered) -> None:
    """The default disk is encrypted and in its pod's zone."""
    (disk,) = aws.of_type("StorageClass")
    assert disk.inputs["provisioner"] == "ebs.csi.eks.amazonaws.com"
    assert disk.inputs["parameters"].items() >= {"type": "gp3", "encrypted": "true"}.items()
    assert disk.inputs["volumeBindingMode"] == "WaitForFirstConsumer"
    assert disk.inputs["metadata"]["annotations"] == {"storageclass.kubernetes.io/is-default-class": "true"}


def test_every_bucket_is_versioned_encrypted_private_and_tls_only(aws: Rendered) -> None:
    """Every bucket is versioned, encrypted, private and TLS only, and has a life cycle."""
    for bucket in ("models", "predictions"):
        assert aws.the("BucketVersioning", bucket).inputs["versioningConfiguration"] == {"status": "Enabled"}
        assert aws.the("BucketServerSideEncryptionConfiguration", bucket).inputs["rules"]
        block = aws.the("BucketPublicAccessBlock", bucket).inputs
        assert [value for key, value in block.items() if key != "bucket"] == [True] * 4
        assert "aws:SecureTransport" in aws.the("BucketPolicy", bucket).inputs["policy"]
        assert aws.the("BucketLifecycleConfiguration", bucket).inputs["rules"]


def test_models_never_expire_and_predictions_do(prod: Rendered) -> None:
    """A champion may be older than any prediction."""
    rules = {
        bucket: [rule["expiration"] for rule in prod.the("BucketLifecycleConfiguration", bucket).inputs["rules"][1:]]
        for bucket in ("models", "predictions")
    }
    assert rules == {"models": [], "predictions": [{"days": 365}]}


def test_each_workload_has_a_role_with_what_it_does_and_no_more(aws: Rendered) -> None:
    """Scoring reads models and writes predictions, training writes models."""
    for name, writes in (("scoring-car-loan", "predictions"), ("bootstrap-car-loan", "models")):
        (association,) = (a for a in aws.of_type("PodIdentityAssociation") if a.name == name)
        assert (association.inputs["namespace"], association.inputs["serviceAccount"]) == ("ml", name)
        (policy,) = (p for p in aws.of_type("RolePolicy") if p.name == name)
        statements = json.loads(policy.inputs["policy"])["Statement"]
        written = {str(s["Resource"]) for s in statements if "s3:PutObject" in s["Action"]}
        assert len(written) == 1
        assert all(resource.endswith(f"-{writes}/*']") for resource in written), written


def test_a_pod_starts_after_its_identity_is_there(aws: Rendered) -> None:
    """Credentials are put into a pod when it is made, or never."""
    for workload in (aws.the("Deployment", "scoring-car-loan"), aws.the("Job", "bootstrap-car-loan")):
        assert aws.the("PodIdentityAssociation", workload.name).urn in workload.depends_on
        assert aws.the("BucketPolicy", "models").urn in workload.depends_on
        environment = {item["name"]: item.get("value") for item in workload.containers[0]["env"]}
        assert environment["AWS_REGION"] == "eu-central-1"
        assert not [name for name in environment if "KEY" in name]


def test_names_of_roles_fit_however_long_a_models_name_is() -> None:
    """IAM takes 64 characters."""
    config = environment_configuration("dev", name="n" * 23)
    config[f"{PROJECT}:models"] = json.dumps([{"name": "m" * 40}, {"name": "m" * 39 + "n"}])
    names = [role.inputs["name"] for role in render(config, stack="dev").of_type("Role") if "aws:" in role.type]
    assert len(set(names)) == len(names)
    assert max(map(len, names)) <= ROLE_NAME_LIMIT


def test_scoring_is_inside_the_network_unless_asked_otherwise(aws: Rendered) -> None:
    """No load balancer faces the internet, and its addresses are the network's."""
    assert aws.of_type("Ingress") == []
    service = aws.the("Service", "scoring-car-loan").inputs
    annotations = service["metadata"]["annotations"]
    assert annotations["service.beta.kubernetes.io/aws-load-balancer-scheme"] == "internal"
    assert service["spec"]["loadBalancerClass"] == "eks.amazonaws.com/nlb"
    (sources,) = service["spec"]["loadBalancerSourceRanges"]
    assert IPv4Network(sources).is_private
    assert aws.outputs["scoring_url"] == "http://scoring-car-loan.elb.example:8000"


def test_operators_endpoints_are_never_outside_the_cluster(aws: Rendered, public: Rendered) -> None:
    """Operators' endpoints are never outside the cluster."""
    for rendered in (aws, public):
        assert rendered.the("Service", "prometheus").inputs["spec"]["type"] == "ClusterIP"
    assert [ingress.name for ingress in public.of_type("Ingress")] == ["scoring-car-loan"]


def test_public_scoring_takes_tls_from_the_named_networks_alone(public: Rendered) -> None:
    """Public scoring takes TLS from the named networks alone."""
    ingress = public.the("Ingress", "scoring-car-loan").inputs
    annotations = {key.rpartition("/")[2]: value for key, value in ingress["metadata"]["annotations"].items()}
    assert json.loads(annotations["listen-ports"]) == [{"HTTPS": 443}]
    assert annotations["certificate-arn"] == CERTIFICATE
    assert annotations["inbound-cidrs"] == "198.51.100.0/24"
    (rule,) = ingress["spec"]["rules"]
    # Metrics and health are not for the internet.
    assert [path["path"] for path in rule["http"]["paths"]] == ["/v1"]
    assert public.the("Service", "scoring-car-loan").inputs["spec"]["type"] == "ClusterIP"
    assert public.outputs["scoring_url"] == "https://car-loan.ml.example.com"
    assert public.outputs["load_balancers"] == {"scoring-car-loan": "scoring-car-loan.elb.example"}


def test_people_log_in_at_the_load_balancer_by_a_secret_that_its_controller_may_read(
    public: Rendered, logged_in: Rendered
) -> None:
    """Auto Mode's controllers read no Secret unless they are let; the Ingress waits for both."""
    ingress = logged_in.the("Ingress", "scoring-car-loan")
    annotations = {key.rpartition("/")[2]: value for key, value in ingress.inputs["metadata"]["annotations"].items()}
    provider = json.loads(annotations["auth-idp-oidc"])
    assert annotations["auth-type"] == "oidc"
    assert annotations["auth-on-unauthenticated-request"] == "authenticate"
    assert (provider["issuer"], provider["tokenEndpoint"]) == (OIDC["issuer"], OIDC["token_endpoint"])
    secret = logged_in.the("Secret", "scoring-car-loan-oidc")
    assert provider["secretName"] == secret.inputs["metadata"]["name"]
    assert secret.inputs["metadata"]["namespace"] == ingress.inputs["metadata"]["namespace"]
    assert secret.inputs["stringData"] == Secret({"clientID": "ml", "clientSecret": "not-a-secret"})
    (rule,) = logged_in.the("Role", "scoring-car-loan-oidc").inputs["rules"]
    assert (rule["resources"], rule["resourceNames"], rule["verbs"]) == (["secrets"], [provider["secretName"]], ["get"])
    binding = logged_in.the("RoleBinding", "scoring-car-loan-oidc")
    assert [subject["name"] for subject in binding.inputs["subjects"]] == ["eks:managed"]
    assert {binding.urn, secret.urn} <= set(ingress.depends_on)
    more = {(resource.type, resource.name) for resource in logged_in.resources}
    assert len(more - {(resource.type, resource.name) for resource in public.resources}) == 3


def test_nobody_logs_in_where_there_is_no_public_endpoint() -> None:
    """Or the configuration would promise what no load balancer asks for."""
    settings = environment_configuration("dev") | {f"{PROJECT}:oidc": json.dumps(OIDC)}
    with pytest.raises(ConfigError, match=r"it needs aws\.exposure\.public"):
        parse(settings, [f"{PROJECT}:oidc"])


def test_dev_has_one_way_out_and_prod_one_a_zone(dev: Rendered, prod: Rendered) -> None:
    """A NAT costs by the hour; without one a zone has no way out."""
    assert (len(dev.of_type("NatGateway")), len(prod.of_type("NatGateway"))) == (1, 3)
    ways = [route.inputs["natGatewayId"] for route in prod.of_type("Route") if "natGatewayId" in route.inputs]
    assert len(set(ways)) == 3


def test_subnets_say_which_load_balancers_they_are_for(aws: Rendered) -> None:
    """Subnets say which load balancers they are for."""
    for subnet in aws.of_type("Subnet"):
        role = "elb" if subnet.name.startswith("public") else "internal-elb"
        assert subnet.inputs["tags"][f"kubernetes.io/role/{role}"] == "1"


def test_prod_is_protected_watched_and_keeps_its_data(prod: Rendered) -> None:
    """Prod is protected, watched, and keeps its data."""
    (cluster,) = actual(prod, "Cluster")
    assert cluster.inputs["deletionProtection"] is True
    assert cluster.protected
    assert len(cluster.inputs["enabledClusterLogTypes"]) == 5
    assert len(prod.of_type("FlowLog")) == 1
    for bucket in actual(prod, "Bucket"):
        assert bucket.inputs["forceDestroy"] is False
        assert bucket.protected


def test_prod_leaves_its_buckets_behind_as_they_were_and_nothing_else(prod: Rendered) -> None:
    """A bucket that is kept stays private, encrypted and versioned."""
    retained = {resource.type.split(":")[1].partition("/")[0] for resource in prod.resources if resource.retained}
    assert retained == {"s3"}
    assert all(resource.retained for resource in prod.resources if resource.type.startswith("aws:s3/"))


def test_dev_goes_without_a_trace(dev: Rendered) -> None:
    """Dev goes without a trace."""
    assert not [str(resource) for resource in dev.resources if resource.retained or resource.protected]
    assert all(bucket.inputs["forceDestroy"] for bucket in actual(dev, "Bucket"))
    assert all(repository.inputs["forceDelete"] for repository in actual(dev, "Repository"))


def test_the_networks_of_the_environments_are_apart() -> None:
    """Two that overlap can never be joined."""
    networks = []
    for name in ENVIRONMENTS:
        config = parse(environment_configuration(name)).aws
        assert config is not None
        networks.append(IPv4Network(config.network.cidr))
    assert not any(one.overlaps(other) for one, other in combinations(networks, 2))


def test_a_budget_is_there_when_it_is_asked_for(dev: Rendered) -> None:
    """A budget is there when it is asked for."""
    assert dev.of_type("Budget") == []
    cost = {"budget_usd_per_month": 500, "notify_email": "ml@example.com"}
    (budget,) = render(environment_configuration("dev", cost=cost), stack="dev").of_type("Budget")
    assert budget.inputs["limitAmount"] == "500"
    assert budget.inputs["costFilters"] == [{"name": "TagKeyValue", "values": [f"user:Environment${DEV}"]}]


def test_outputs_say_how_to_reach_everything_and_the_kubeconfig_is_a_secret(dev: Rendered) -> None:
    """Outputs say how to reach everything, and the kubeconfig is a secret."""
    outputs = dict(dev.outputs)
    kubeconfig = outputs.pop("kubeconfig")
    assert isinstance(kubeconfig, Secret)
    user = json.loads(kubeconfig.value)["users"][0]["user"]
    assert user.keys() == {"exec"}
    assert {"--region", "eu-central-1", "--cluster-name", DEV} <= set(user["exec"]["args"])
    assert outputs["cluster_name"] == DEV
    assert outputs["bucket_names"].keys() == {"models", "predictions"}
    assert outputs["repository_urls"].keys() == {"scoring", "retraining", "drift"}


def test_adding_an_environment_is_one_file(tmp_path: Path, dev: Rendered) -> None:
    """A copy of another's with a name and a network of its own: the same resources, and not one name in common."""
    text = Path(__file__).parents[3].joinpath("Pulumi.dev.yaml").read_text(encoding="utf-8")
    file = tmp_path / "Pulumi.qa.yaml"
    file.write_text(text.replace(DEV, "trial-qa").replace("10.10.", "10.40."), encoding="utf-8")
    added = render(environment_configuration("qa", tmp_path), stack="qa")
    assert sorted(map(str, added.resources)) == sorted(map(str, dev.resources))
    assert DEV not in str([resource.inputs for resource in added.resources])


def test_a_stack_is_the_same_each_time_it_is_described(dev: Rendered) -> None:
    """A second `up` has nothing to change."""
    again = render(environment_configuration("dev"), stack="dev")
    assert {r.urn: r for r in again.resources} == {r.urn: r for r in dev.resources}
