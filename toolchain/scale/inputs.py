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

DRIFT_ROWS_PER_SECOND: Final = 20_000.0
"""An evaluation of 60,000 rows of four features and the output in chunks of 5,000 took 1.65 s of processor time; with
seven features it is 2.6 s."""

RECORD_BYTES: Final = 100.0
"""71 measured with four features, random and so without anything to compress; seven have three numbers more."""

REQUEST_BYTES: Final = 800.0
"""Of a car loan: 230 of the row with its names, 200 of the answer, and the headers of both."""

APART_US: Final = 121.0
"""Processor time of a request that comes by itself, 1,000 of them a second on one pod: each wakes the process, while
under full load many are read at once."""

_BENCHMARK: Final = REPOSITORY / "benchmarks" / "serving"
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
        pod_per_second=float(_benchmark("results.json")["scoring_log_async"]["requests_per_second"]),
        target=scoring.target_cpu_percent / 100,
        pod_cores=scoring.resources.cpu_request_millicores / 1000,
        min_replicas=scoring.min_replicas,
        max_replicas=scoring.max_replicas,
        pool_cores=stack.aws.node_pools.cpu.cpu_limit,
        zones=zones,
        drift_rows_per_second=DRIFT_ROWS_PER_SECOND,
        drift_memory_mib=stack.drift.resources.memory_limit_mib,
        request_bytes=REQUEST_BYTES,
        record_bytes=RECORD_BYTES,
        core_usd_hour=core_usd_hour(FAMILY),
        standing_usd_month=_standing(prices, nat),
        balancer_usd_gb=prices.usage["load_balancer_gb"],
        stored_usd_gib_month=prices.usage["object_store_gib_month"],
    )


def batch_per_second() -> float:
    """Rows a second of such a pod when they come by many in a body."""
    return float(_benchmark("details.json")["batch"]["scoring_log_async"]["requests_per_second"]) * BATCH_ROWS


def _benchmark(name: str) -> Mapping[str, Any]:
    """What the serving benchmark found, as it is shipped."""
    found: Mapping[str, Any] = json.loads((_BENCHMARK / name).read_text(encoding="utf-8"))
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
