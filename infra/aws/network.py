"""The VPC: public subnets for load balancers and NAT, private ones for nodes and pods."""

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Final

import pulumi
from pulumi_aws import cloudwatch, ec2, iam

from infra.aws.policies import flow_log_delivery, text, trust
from infra.aws.subnets import ZoneSubnets, zone_subnets
from infra.config.aws import AwsConfig

_EVERYWHERE: Final = "0.0.0.0/0"
_FLOW_LOG_DAYS: Final = 30


@dataclass(frozen=True)
class _Zone:
    name: str
    public: ec2.Subnet
    private: ec2.Subnet


class Network(pulumi.ComponentResource):
    """A VPC over two or three zones; nodes reach the internet through NAT, S3 and images past it."""

    vpc_id: pulumi.Output[str]
    private_subnet_ids: Sequence[pulumi.Output[str]]

    ready: Sequence[pulumi.Resource]
    """Depend on them: a node then reaches what it pulls from, and until it is gone they stay.

    A cluster's destroy deletes load balancers through the cluster, so its nodes need the way out to the very end.
    """

    def __init__(self, name: str, config: AwsConfig, opts: pulumi.ResourceOptions | None = None) -> None:
        """Makes the VPC, its subnets, the ways out of it, and its record of connections."""
        super().__init__("realtime-ml:aws:Network", name, None, opts)
        self._name, self._config = config.name, config
        self._child = pulumi.ResourceOptions(parent=self)
        vpc = ec2.Vpc(
            name,
            cidr_block=config.network.cidr,
            # Private endpoints answer under the public names of what they stand for.
            enable_dns_hostnames=True,
            enable_dns_support=True,
            tags={"Name": config.name},
            opts=self._child,
        )
        self.vpc_id = vpc.id
        # The one that AWS makes lets its members talk: whoever forgets to choose a group is in it.
        ec2.DefaultSecurityGroup(name, vpc_id=vpc.id, ingress=[], egress=[], opts=self._child)
        subnets = zone_subnets(IPv4Network(config.network.cidr), config.network.zones)
        zones = [self._zone(vpc, zone) for zone in subnets]
        outwards = self._public_routes(vpc, zones)
        private_tables, routes = self._private_routes(vpc, zones, outwards)
        endpoints = self._endpoints(vpc, zones, private_tables)
        if config.network.flow_logs:
            self._flow_logs(vpc)
        self.private_subnet_ids = [zone.private.id for zone in zones]
        self.ready = [*outwards, *routes, *endpoints]
        self.register_outputs({"vpc_id": self.vpc_id})

    def _zone(self, vpc: ec2.Vpc, zone: ZoneSubnets) -> _Zone:
        return _Zone(
            zone.zone,
            public=self._subnet(vpc, f"public-{zone.zone}", zone.zone, zone.public, "elb"),
            private=self._subnet(vpc, f"private-{zone.zone}", zone.zone, zone.private, "internal-elb"),
        )

    def _subnet(self, vpc: ec2.Vpc, name: str, zone: str, cidr: IPv4Network, role: str) -> ec2.Subnet:
        return ec2.Subnet(
            name,
            vpc_id=vpc.id,
            availability_zone=zone,
            cidr_block=str(cidr),
            map_public_ip_on_launch=False,
            # How load balancers find their subnets.
            tags={"Name": f"{self._name}-{name}", f"kubernetes.io/role/{role}": "1"},
            opts=self._child,
        )

    def _public_routes(self, vpc: ec2.Vpc, zones: Sequence[_Zone]) -> list[pulumi.Resource]:
        gateway = ec2.InternetGateway("internet", vpc_id=vpc.id, tags={"Name": self._name}, opts=self._child)
        table = ec2.RouteTable("public", vpc_id=vpc.id, tags={"Name": f"{self._name}-public"}, opts=self._child)
        route = ec2.Route(
            "public",
            route_table_id=table.id,
            destination_cidr_block=_EVERYWHERE,
            gateway_id=gateway.id,
            opts=self._child,
        )
        associations = [
            ec2.RouteTableAssociation(
                f"public-{zone.name}", route_table_id=table.id, subnet_id=zone.public.id, opts=self._child
            )
            for zone in zones
        ]
        return [route, *associations]

    def _private_routes(
        self, vpc: ec2.Vpc, zones: Sequence[_Zone], outwards: Sequence[pulumi.Resource]
    ) -> tuple[list[ec2.RouteTable], list[pulumi.Resource]]:
        """A table a zone, whatever the number of NATs: a change of that number moves no subnet to another table."""
        with_nat = zones[:1] if self._config.network.nat == "one" else zones
        nats = [self._nat(zone, outwards) for zone in with_nat]
        tables: list[ec2.RouteTable] = []
        ready: list[pulumi.Resource] = []
        for index, zone in enumerate(zones):
            name = f"private-{zone.name}"
            table = ec2.RouteTable(name, vpc_id=vpc.id, tags={"Name": f"{self._name}-{name}"}, opts=self._child)
            tables.append(table)
            ready.append(
                ec2.Route(
                    name,
                    route_table_id=table.id,
                    destination_cidr_block=_EVERYWHERE,
                    nat_gateway_id=nats[index % len(nats)].id,
                    opts=self._child,
                )
            )
            ready.append(
                ec2.RouteTableAssociation(name, route_table_id=table.id, subnet_id=zone.private.id, opts=self._child)
            )
        return tables, ready

    def _nat(self, zone: _Zone, outwards: Sequence[pulumi.Resource]) -> ec2.NatGateway:
        tags = {"Name": f"{self._name}-{zone.name}"}
        # An address cannot leave the gateway while it is in use: both go before the route to the internet does.
        after = pulumi.ResourceOptions(parent=self, depends_on=outwards)
        address = ec2.Eip(zone.name, domain="vpc", tags=tags, opts=after)
        return ec2.NatGateway(zone.name, allocation_id=address.id, subnet_id=zone.public.id, tags=tags, opts=after)

    def _endpoints(
        self, vpc: ec2.Vpc, zones: Sequence[_Zone], tables: Sequence[ec2.RouteTable]
    ) -> list[pulumi.Resource]:
        region = self._config.region
        # Free of charge, and image layers come from S3 too.
        endpoints: list[pulumi.Resource] = [
            ec2.VpcEndpoint(
                "s3",
                vpc_id=vpc.id,
                service_name=f"com.amazonaws.{region}.s3",
                vpc_endpoint_type="Gateway",
                route_table_ids=[table.id for table in tables],
                tags={"Name": f"{self._name}-s3"},
                opts=self._child,
            )
        ]
        if not self._config.network.ecr_endpoints:
            return endpoints
        group = ec2.SecurityGroup(
            "endpoints",
            vpc_id=vpc.id,
            description="HTTPS from inside the VPC to its endpoints",
            ingress=[
                {
                    "protocol": "tcp",
                    "from_port": 443,
                    "to_port": 443,
                    "cidr_blocks": [self._config.network.cidr],
                    "description": "HTTPS from the VPC",
                }
            ],
            egress=[],
            tags={"Name": f"{self._name}-endpoints"},
            opts=self._child,
        )
        endpoints += [
            ec2.VpcEndpoint(
                f"ecr-{part}",
                vpc_id=vpc.id,
                service_name=f"com.amazonaws.{region}.ecr.{part}",
                vpc_endpoint_type="Interface",
                private_dns_enabled=True,
                subnet_ids=[zone.private.id for zone in zones],
                security_group_ids=[group.id],
                tags={"Name": f"{self._name}-ecr-{part}"},
                opts=self._child,
            )
            for part in ("api", "dkr")
        ]
        return endpoints

    def _flow_logs(self, vpc: ec2.Vpc) -> None:
        logs = cloudwatch.LogGroup(
            "flow-logs", name=f"/{self._name}/flow-logs", retention_in_days=_FLOW_LOG_DAYS, opts=self._child
        )
        role = iam.Role(
            "flow-logs",
            name=f"{self._name}-flow-logs",
            assume_role_policy=text(trust("vpc-flow-logs.amazonaws.com", account_id=self._config.account_id)),
            opts=self._child,
        )
        delivery = iam.RolePolicy(
            "flow-logs",
            role=role.name,
            policy=logs.arn.apply(lambda arn: text(flow_log_delivery(arn))),
            opts=self._child,
        )
        ec2.FlowLog(
            "flow-logs",
            vpc_id=vpc.id,
            traffic_type="ALL",
            log_destination=logs.arn,
            iam_role_arn=role.arn,
            tags={"Name": self._name},
            opts=pulumi.ResourceOptions(parent=self, depends_on=[delivery]),
        )
