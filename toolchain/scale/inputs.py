"""What the model starts from, read from where it was measured, configured and priced."""

import json
from collections.abc import Mapping
from typing import Any, Final

from benchmarks.serving.workload import BATCH_ROWS
from infra.config.reading import parse
from infra.config.stack import StackConfig
from monitoring import rules
from toolchain import pulumi_cli
from toolchain.ci.prices import Prices, read_prices
from toolchain.paths import REPOSITORY
from toolchain.scale.model import Inputs

ENVIRONMENT: Final = "prod"
FAMILY: Final = "m7g"

_BENCHMARKS: Final = REPOSITORY / "benchmarks"
_RULES: Final = "cost"


def read() -> Inputs:
    """The model's inputs.

    Raises:
        ToolchainError: there is no such environment.
    """
    stack = _stack()
    assert stack.aws is not None, f"{ENVIRONMENT} is on AWS"  # noqa: S101 - it is this repository's own file
    zones = len(stack.aws.network.zones)
    nat = zones if stack.aws.network.nat == "per_zone" else 1
    prices, scoring = read_prices(), stack.scoring
    return Inputs(
        pod_per_second=measured("serving")["scoring_log_async"]["requests_per_second"],
        target=scoring.target_cpu_percent / 100,
        pod_cores=scoring.resources.cpu_request_millicores / 1000,
        min_replicas=scoring.min_replicas,
        max_replicas=scoring.max_replicas,
        pool_cores=stack.aws.node_pools.cpu.cpu_limit,
        zones=zones,
        drift_rows_per_second=measured("ramp")["summary"]["drift_rows_per_second"],
        drift_memory_mib=stack.drift.resources.memory_limit_mib,
        request_bytes=measured("ramp")["summary"]["request_bytes"],
        record_bytes=measured("ramp")["summary"]["log_record_bytes"],
        core_usd_hour=core_usd_hour(FAMILY),
        standing_usd_month=_standing(prices, nat),
        balancer_usd_gb=prices.usage["load_balancer_gb"],
        stored_usd_gib_month=prices.usage["object_store_gib_month"],
    )


def batch_per_second() -> float:
    """Rows a second of such a pod when they come by many in a body."""
    details = json.loads((_BENCHMARKS / "serving" / "details.json").read_text(encoding="utf-8"))
    requests: float = details["batch"]["scoring_log_async"]["requests_per_second"]
    return requests * BATCH_ROWS


def measured(benchmark: str) -> Mapping[str, Any]:
    """What a benchmark found, as it is shipped."""
    text = (_BENCHMARKS / benchmark / "results.json").read_text(encoding="utf-8")
    found: Mapping[str, Any] = json.loads(text)
    return found


def core_usd_hour(family: str) -> float:
    """A core of a node, with what Auto Mode takes, by the table that Prometheus has."""
    (file,) = rules.read([_RULES])
    price = next(rule.expr for rule in file.rules if rule.labels.get("family") == family)
    fee = next(rule.expr for rule in file.rules if rule.name == "auto_mode:fee:ratio")
    return _constant(price) * (1 + _constant(fee))


def _constant(expr: str) -> float:
    return float(expr.removeprefix("vector(").removesuffix(")"))


def _standing(prices: Prices, nat: int) -> float:
    monthly = prices.monthly
    gateways = nat * (monthly["aws:ec2/natGateway:NatGateway"] + monthly["aws:ec2/eip:Eip"])
    return monthly["aws:eks/cluster:Cluster"] + monthly["aws:lb/loadBalancer:LoadBalancer"] + gateways


def _stack() -> StackConfig:
    config = pulumi_cli.read_config(ENVIRONMENT)["config"]
    return parse({key: value if isinstance(value, str) else json.dumps(value) for key, value in config.items()})
