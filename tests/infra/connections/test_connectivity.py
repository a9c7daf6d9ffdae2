"""Who reaches whom in every environment, by the network policies as rendered: all that is wanted and nothing else.

The embedded node's CNI enforces none of them, and a cloud is not at hand: this is the proof that they say what they
are there to say.
"""

from collections.abc import Iterator
from typing import Final

import pytest

from infra.connections.table import CONNECTIONS
from tests.infra.connections.connectivity import Cluster, Endpoint, pods
from tests.infra.harness import (
    ENVIRONMENTS,
    REGION,
    Environments,
    Rendered,
    configuration,
    environment_configuration,
    render,
)

INTERNET: Final = Endpoint(name="internet", address="203.0.113.7")
IDENTITY: Final = Endpoint(name="pod identity agent", address="169.254.170.23")
INSTANCE: Final = Endpoint(name="instance metadata", address="169.254.169.254")

LOCAL_PODS: Final = "10.244.0.0/24"

EVERYTHING: Final = "everything"
"""What no environment's file turns on: GPUs, a public endpoint, a calendar, rollouts, receivers, remote write."""

_WANTED: Final = (
    ("prometheus", "scoring-car-loan", 8000),
    ("prometheus", "retraining", 8000),
    ("prometheus", "drift", 8000),
    ("prometheus", "alertmanager", 9093),
    ("alertmanager", "retraining", 8000),
)
"""Between pods of every environment."""

WANTED_LOCAL: Final = (
    *_WANTED,
    *((caller, "object-store", 7070) for caller in (
        "scoring-car-loan", "bootstrap-car-loan", "retraining-car-loan", "retraining", "drift",
    )),
)  # fmt: skip
WANTED_AWS: Final = (*_WANTED, ("grafana", "prometheus", 9090))
WANTED_EVERYTHING: Final = (
    *WANTED_AWS,
    ("calendar-car-loan", "retraining", 8000),
    ("retraining", "prometheus", 9090),
    ("drift", "dask-scheduler", 8786),
    ("dask-worker", "dask-scheduler", 8786),
    ("dask-scheduler", "dask-worker", 8788),
    ("dask-worker", "dask-worker", 8788),
    *(("bootstrap-car-loan", *callee) for callee in (("dask-scheduler", 8786), ("dask-worker", 8788))),
    *(("retraining-car-loan", *callee) for callee in (("dask-scheduler", 8786), ("dask-worker", 8788))),
    *(("dask-worker", "dask-worker", port) for port in range(12400, 12416)),
    ("prometheus", "dcgm-exporter", 9400),
)

UNWANTED: Final = (
    ("scoring-car-loan", "prometheus", 9090),
    ("scoring-car-loan", "retraining", 8000),
    ("scoring-car-loan", "drift", 8000),
    ("scoring-car-loan", "scoring-car-loan", 8000),
    ("drift", "scoring-car-loan", 8000),
    ("drift", "retraining", 8000),
    ("retraining", "scoring-car-loan", 8000),
    ("retraining-car-loan", "retraining", 8000),
    ("retraining-car-loan", "scoring-car-loan", 8000),
    ("bootstrap-car-loan", "alertmanager", 9093),
    ("alertmanager", "scoring-car-loan", 8000),
    ("alertmanager", "prometheus", 9090),
    ("prometheus", "retraining-car-loan", 8000),
    # Ports that nobody declares are open to nobody.
    ("prometheus", "scoring-car-loan", 22),
    ("prometheus", "alertmanager", 9094),
    ("alertmanager", "retraining", 443),
)
"""Between pods of every environment: what somebody who took one of them over would try."""

ASKS_API_SERVER: Final = {"prometheus", "retraining"}
USES_OBJECT_STORE: Final = {"scoring-car-loan", "bootstrap-car-loan", "retraining-car-loan", "retraining", "drift"}
CALLED_ONLY: Final = {"object-store", "dcgm-exporter"}
TELLS_PEOPLE: Final = {"alertmanager"}
"""Where receivers are configured: a webhook may be anywhere, inside the network too."""


@pytest.fixture(scope="module")
def everything() -> Rendered:
    """A stack with all there is."""
    settings = environment_configuration(
        "prod",
        exposure={
            "public": True,
            "certificate_arn": f"arn:aws:acm:{REGION}:111122223333:certificate/01234567-89ab-cdef-0123-456789abcdef",
            "domain": "ml.example.com",
            "allowed_cidrs": ["198.51.100.0/24"],
        },
        node_pools={"gpu": {"enabled": True, "gpu_limit": 2}},
    )
    more = configuration(
        drift={"engine": "dask"},
        training={"engine": "dask"},
        retraining={"schedule": "0 3 * * 1", "rollout": {"mode": "canary"}},
        remote_write={"url": "https://metrics.example.com:8443/write", "username": "ml", "password": "not-a-password"},
        alert_receivers={
            "pagerduty": {"routing_key": "not-a-key"},
            "mail": {
                "to": "a@example.com",
                "sender": "b@example.com",
                "smarthost": "mail.example.com:587",
                "username": "ml",
                "password": "not-a-password",
            },
        },
    )
    wanted = {"drift", "training", "retraining", "remote_write", "alert_receivers"}
    return render(settings | {key: value for key, value in more.items() if key.partition(":")[2] in wanted})


def aws_pods(rendered: Rendered) -> dict[str, Endpoint]:
    """In the subnets of the nodes, as EKS places them."""
    return pods(rendered, _subnet(rendered, "private"))


def _subnet(rendered: Rendered, role: str) -> str:
    cidrs = [subnet.inputs["cidrBlock"] for subnet in rendered.of_type("Subnet") if role in subnet.name]
    assert cidrs
    return str(cidrs[0])


def _at(network: str, last: int, name: str) -> Endpoint:
    """The address of a network with this last number."""
    return Endpoint(name=name, address=".".join([*network.split("/", maxsplit=1)[0].split(".")[:3], str(last)]))


def _reached(cluster: Cluster, found: dict[str, Endpoint]) -> Iterator[tuple[str, str, int]]:
    """Every pod to every declared port of every pod, its like too, as far as policies let it."""
    for source in found.values():
        for destination in found.values():
            for port in destination.ports:
                if cluster.allows(source, destination, port):
                    yield source.name, destination.name, port


@pytest.fixture
def stacks(local: Rendered, environment: Environments, everything: Rendered) -> dict[str, Rendered]:
    """Every environment, and the one with all there is."""
    return {"local": local, **{name: environment(name) for name in ENVIRONMENTS}, EVERYTHING: everything}


def _pods(name: str, rendered: Rendered) -> dict[str, Endpoint]:
    return pods(rendered, LOCAL_PODS) if name == "local" else aws_pods(rendered)


every_stack = pytest.mark.parametrize("name", ["local", *ENVIRONMENTS, EVERYTHING])
every_aws_stack = pytest.mark.parametrize("name", [*ENVIRONMENTS, EVERYTHING])


@every_stack
def test_pods_reach_the_ports_of_others_that_the_table_says_and_no_others(
    name: str, stacks: dict[str, Rendered]
) -> None:
    """Every pair, in both directions and on every declared port."""
    found = _pods(name, stacks[name])
    wanted = {"local": WANTED_LOCAL, EVERYTHING: WANTED_EVERYTHING}.get(name, WANTED_AWS)
    assert sorted(_reached(Cluster(stacks[name]), found)) == sorted(wanted)


@every_stack
@pytest.mark.parametrize(("source", "destination", "port"), UNWANTED)
def test_what_a_pod_that_was_taken_over_would_try_is_stopped(
    name: str, source: str, destination: str, port: int, stacks: dict[str, Rendered]
) -> None:
    """Named one by one, so that an entry too many shows as what it opens."""
    found = _pods(name, stacks[name])
    assert not Cluster(stacks[name]).allows(found[source], found[destination], port)


@every_stack
def test_a_workload_that_stands_in_no_row_reaches_nobody_and_is_reached_by_nobody(
    name: str, stacks: dict[str, Rendered]
) -> None:
    """In any namespace of the stack: neither names, nor the internet, nor another pod."""
    cluster, found = Cluster(stacks[name]), _pods(name, stacks[name])
    namespaces = {namespace.inputs["metadata"]["name"] for namespace in stacks[name].of_type("Namespace")}
    assert namespaces >= {"ml", "monitoring"}
    for namespace in namespaces:
        new = Endpoint(name="new", address="10.244.9.9", namespace=namespace, labels={"app.kubernetes.io/name": "new"})
        for other in found.values():
            assert not any(cluster.allows(new, other, port) for port in (*other.ports, 53, 443)), other
            assert not any(cluster.allows(other, new, port) for port in (53, 80, 443, 8000, 9090)), other
        assert not any(cluster.allows(new, INTERNET, port) for port in (53, 80, 443))
        assert not cluster.allows(INTERNET, new, 8000)
        dns = Endpoint(name="dns", address="10.244.0.250", namespace="kube-system", labels={"k8s-app": "kube-dns"})
        assert not cluster.allows(new, dns, 53, "UDP")


@every_stack
def test_everybody_who_calls_anybody_may_ask_for_names(name: str, stacks: dict[str, Rendered]) -> None:
    """Of a pod where DNS is one, of the node and its Service where it is not; who is only called may not."""
    cluster, found = Cluster(stacks[name]), _pods(name, stacks[name])
    if name == "local":
        dns = Endpoint(name="dns", address="10.244.0.250", namespace="kube-system", labels={"k8s-app": "kube-dns"})
        servers = [(dns, 53), (dns, 1053), (Endpoint(name="cache", address="169.254.20.10"), 53)]
    else:
        node = _at(_subnet(stacks[name], "private"), 200, "node")
        servers = [(node, 53), (Endpoint(name="Service", address="172.20.0.10"), 53)]
    for pod in found.values():
        for server, port in servers:
            for protocol in ("UDP", "TCP"):
                assert cluster.allows(pod, server, port, protocol) is (pod.name not in CALLED_ONLY), (pod, server)


@every_aws_stack
def test_only_who_asks_the_api_server_reaches_it(name: str, stacks: dict[str, Rendered]) -> None:
    """At its Service, and at its interfaces in the subnets of the cluster."""
    cluster, found = Cluster(stacks[name]), aws_pods(stacks[name])
    interface = _at(_subnet(stacks[name], "private"), 201, "API server")
    told = TELLS_PEOPLE if name == EVERYTHING else set()
    for server in (interface, Endpoint(name="Service", address="172.20.0.1")):
        assert {pod.name for pod in found.values() if cluster.allows(pod, server, 443)} == ASKS_API_SERVER | told


def test_only_who_asks_the_api_server_reaches_it_in_any_cluster(local: Rendered) -> None:
    """Wherever it is: nobody else may open a connection to an address outside the cluster."""
    cluster, found = Cluster(local), pods(local, LOCAL_PODS)
    server = Endpoint(name="API server", address="192.0.2.10")
    for port in (443, 6443):
        assert {pod.name for pod in found.values() if cluster.allows(pod, server, port)} == ASKS_API_SERVER
    assert not [pod for pod in found.values() if cluster.allows(pod, INTERNET, 80)]


@every_aws_stack
def test_only_who_uses_the_buckets_reaches_s3_and_what_gives_it_credentials(
    name: str, stacks: dict[str, Rendered]
) -> None:
    """S3's addresses are the internet's, so that port 443 of the internet is open to those; no pod sees its node's."""
    cluster, found = Cluster(stacks[name]), aws_pods(stacks[name])
    told, more = (TELLS_PEOPLE, {"dask-worker"}) if name == EVERYTHING else (set(), set())
    users = USES_OBJECT_STORE | more
    assert {pod.name for pod in found.values() if cluster.allows(pod, INTERNET, 443)} == users | told
    assert {pod.name for pod in found.values() if cluster.allows(pod, IDENTITY, 80)} == users
    assert not [pod for pod in found.values() if cluster.allows(pod, INSTANCE, 80)]
    assert not [pod for pod in found.values() if cluster.allows(pod, INTERNET, 80)]


@every_aws_stack
def test_who_uses_the_buckets_reaches_nothing_else_in_the_network(name: str, stacks: dict[str, Rendered]) -> None:
    """An endpoint, a database or another cluster in the VPC is none of its business."""
    cluster, found = Cluster(stacks[name]), aws_pods(stacks[name])
    for role in ("public", "private"):
        host = _at(_subnet(stacks[name], role), 202, "host")
        allowed = {pod.name for pod in found.values() if cluster.allows(pod, host, 443)}
        assert allowed <= ASKS_API_SERVER | (TELLS_PEOPLE if name == EVERYTHING else set())


@every_aws_stack
def test_scoring_is_asked_by_the_load_balancers_of_its_exposure(name: str, stacks: dict[str, Rendered]) -> None:
    """They lie in the public subnets where it is public, in the private ones where it is not; nothing else is open."""
    cluster, found = Cluster(stacks[name]), aws_pods(stacks[name])
    own, other = ("public", "private") if name == EVERYTHING else ("private", "public")
    balancer, stranger = (_at(_subnet(stacks[name], role), 203, role) for role in (own, other))
    assert cluster.allows(balancer, found["scoring-car-loan"], 8000)
    assert not cluster.allows(stranger, found["scoring-car-loan"], 8000)
    assert not cluster.allows(INTERNET, found["scoring-car-loan"], 8000)
    for pod in found.values():
        for outside in (balancer, stranger, INTERNET):
            reached = [port for port in pod.ports if cluster.allows(outside, pod, port)]
            assert not reached or pod.name == "scoring-car-loan", (pod, outside)


def test_scoring_is_asked_by_anybody_who_finds_it_in_a_local_cluster(local: Rendered) -> None:
    """Through a port of the node or from any pod; the other services have no such way in."""
    cluster, found = Cluster(local), pods(local, LOCAL_PODS)
    client = Endpoint(name="client", address="10.244.9.9", namespace="default", labels={})
    for outside in (client, INTERNET):
        assert [
            pod.name for pod in found.values() if any(cluster.allows(outside, pod, port) for port in pod.ports)
        ] == ["scoring-car-loan"]


@every_aws_stack
def test_prometheus_reaches_what_exports_the_clusters_own_metrics(name: str, stacks: dict[str, Rendered]) -> None:
    """The node exporter is no pod to a policy: it has the node's network."""
    cluster, found = Cluster(stacks[name]), aws_pods(stacks[name])
    state = Endpoint(name="state", address="10.244.9.8", namespace="kube-state-metrics", labels={"a": "b"})
    node = _at(_subnet(stacks[name], "private"), 204, "node")
    assert [pod.name for pod in found.values() if cluster.allows(pod, state, 8080)] == ["prometheus"]
    assert [pod.name for pod in found.values() if cluster.allows(pod, node, 9100)] == ["prometheus"]


def test_what_the_configuration_sends_outside_gets_there_and_nothing_without_it(
    everything: Rendered, prod: Rendered
) -> None:
    """On the ports that its addresses name: 8443 for metrics, 443 and 587 for alerts."""
    for rendered, sent in ((everything, True), (prod, False)):
        cluster, found = Cluster(rendered), aws_pods(rendered)
        assert cluster.allows(found["prometheus"], INTERNET, 8443) is sent
        assert cluster.allows(found["alertmanager"], INTERNET, 443) is sent
        assert cluster.allows(found["alertmanager"], INTERNET, 587) is sent
        assert not cluster.allows(found["prometheus"], INTERNET, 443)
        assert not cluster.allows(found["grafana"], INTERNET, 443)


@every_stack
def test_every_namespace_is_denied_everything_by_default_and_last(name: str, stacks: dict[str, Rendered]) -> None:
    """After what lets traffic through: an `up` that adds it, and a destroy, cut off nobody in between."""
    rendered = stacks[name]
    for namespace in rendered.of_type("Namespace"):
        inside = [
            policy
            for policy in rendered.of_type("NetworkPolicy")
            if policy.inputs["metadata"]["namespace"] == namespace.inputs["metadata"]["name"]
        ]
        (deny,) = [policy for policy in inside if not policy.inputs["spec"]["podSelector"]]
        assert deny.inputs["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
        for policy in inside:
            assert sorted(policy.inputs["spec"]["policyTypes"]) == ["Egress", "Ingress"]
            assert policy is deny or rendered.waits(deny, on=policy)


@every_stack
def test_every_policy_chooses_pods_that_there_are(name: str, stacks: dict[str, Rendered]) -> None:
    """A label that is misspelt would let through nothing; a port that is, as much."""
    found = _pods(name, stacks[name]).values()
    for policy in stacks[name].of_type("NetworkPolicy"):
        metadata, spec = policy.inputs["metadata"], policy.inputs["spec"]
        wanted = spec["podSelector"].get("matchLabels", {}).items()
        chosen = [pod for pod in found if pod.namespace == metadata["namespace"] and wanted <= pod.labels.items()]
        assert chosen, policy
        opened = {port["port"] for rule in spec.get("ingress", []) for port in rule["ports"]}
        assert opened <= {port for pod in chosen for port in pod.ports}, policy


def test_every_row_of_the_table_is_a_policy_somewhere(stacks: dict[str, Rendered]) -> None:
    """A row that no environment has is not tested by any of the above."""
    ends = {end for row in CONNECTIONS for end in (row.caller, row.callee)}
    names = {end.name for end in ends if not isinstance(end, str)}
    assert names <= {policy.name for policy in stacks[EVERYTHING].of_type("NetworkPolicy")}


def test_auto_mode_is_told_to_keep_to_policies(aws: Rendered) -> None:
    """Without the ConfigMap, by this name in this namespace, it accepts them and stops nothing."""
    told = aws.the("ConfigMap", "network-policy-controller").inputs
    assert (told["metadata"]["namespace"], told["metadata"]["name"]) == ("kube-system", "amazon-vpc-cni")
    assert told["data"] == {"enable-network-policy-controller": "true"}
    (node_class,) = aws.of_type("NodeClass")
    assert node_class.inputs["spec"]["networkPolicy"] == "DefaultAllow"
    assert node_class.inputs["spec"]["networkPolicyEventLogs"] == "Enabled"


def test_the_analysis_tells_open_from_closed(local: Rendered) -> None:
    """Without a policy everything passes; one that is taken away opens what it closed."""
    found = pods(local, LOCAL_PODS)
    assert Cluster(Rendered()).allows(found["drift"], found["prometheus"], 9090)
    closed = Cluster(local)
    assert not closed.allows(found["drift"], found["prometheus"], 9090)
    without = Rendered(resources=[resource for resource in local.resources if resource.name not in {
        "prometheus", "drift", "deny-by-default-ml", "deny-by-default-monitoring"}])  # fmt: skip
    assert Cluster(without).allows(found["drift"], found["prometheus"], 9090)
