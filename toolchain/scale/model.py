"""From a rate of requests to pods, nodes and money, and to the part that gives way first. Pure."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

HOURS_A_MONTH: Final = 730
_SECONDS_A_MONTH: Final = HOURS_A_MONTH * 3600
_GIB: Final = 2**30
_GB: Final = 1e9

NODE_CORES: Final = 8
"""m7g.2xlarge: large enough for a dozen pods, small enough that losing one is a fraction of a hundred."""

NODE_CORES_TAKEN: Final = 0.6
"""Of a node's, by what every node runs: kubelet, network, DNS, node-exporter."""

OTHER_CORES: Final = 1.5
"""Requests of everything that is no scoring pod: Prometheus, Alertmanager, Grafana, drift, retraining's receiver."""

DRIFT_LIBRARIES_MIB: Final = 600
"""What NannyML and the service take before the first row."""

DRIFT_ROW_BYTES: Final = 100
"""Of a prediction of seven features in memory. Evaluation reads an hour of them at a time."""


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """What the model starts from: measured, configured, priced.

    Attributes:
        pod_per_second: requests of one row a second that a pod answers with a core to itself, log behind the answer.
        target: share of its core that a pod uses before there is another.
        pod_cores: what a pod asks of its node.
        min_replicas: pods that there always are.
        max_replicas: the most that the autoscaler makes.
        pool_cores: the node pools' limit.
        zones: availability zones, each with a node.
        drift_rows_per_second: predictions a second that one evaluation after the other keeps up with.
        drift_memory_mib: what an evaluation may take.
        request_bytes: of a request of one row and its answer, with their headers.
        record_bytes: of a prediction in the object store.
        core_usd_hour: of a node, with what Auto Mode takes.
        standing_usd_month: of what is there without any load, but for nodes.
        balancer_usd_gb: of the load balancer, for each GB.
        stored_usd_gib_month: of the object store.
    """

    pod_per_second: float
    target: float
    pod_cores: float
    min_replicas: int
    max_replicas: int
    pool_cores: int
    zones: int
    drift_rows_per_second: float
    drift_memory_mib: int
    request_bytes: float
    record_bytes: float
    core_usd_hour: float
    standing_usd_month: float
    balancer_usd_gb: float
    stored_usd_gib_month: float

    @property
    def planned_per_second(self) -> float:
        """What a pod answers at the autoscaler's target."""
        return self.pod_per_second * self.target


@dataclass(frozen=True, kw_only=True)
class Load:
    """How much is asked.

    Attributes:
        name: in words.
        mean_per_second: over a month.
        peak_per_second: what pods and nodes are made for.
    """

    name: str
    mean_per_second: float
    peak_per_second: float


LOADS: Final = (
    Load(name="1,000 a second", mean_per_second=1e3, peak_per_second=1e3),
    # A day has an evening: three times the mean is what services for people see.
    Load(name="1e9 a day, peaks of 3 times the mean", mean_per_second=1e9 / 86_400, peak_per_second=3e9 / 86_400),
    Load(name="100,000 a second", mean_per_second=1e5, peak_per_second=1e5),
    Load(name="1,000,000 a second", mean_per_second=1e6, peak_per_second=1e6),
)


@dataclass(frozen=True, kw_only=True)
class Size:
    """What a load takes.

    Attributes:
        pods: of scoring.
        nodes: of `NODE_CORES` cores, for everything.
        nodes_usd: a month, all of it at the peak: an upper bound.
        balancer_usd: a month.
        stored_usd: for each month of predictions that is kept, a month.
        standing_usd: a month.
    """

    pods: int
    nodes: int
    nodes_usd: float
    balancer_usd: float
    stored_usd: float
    standing_usd: float

    @property
    def usd(self) -> float:
        """All of it, with one month of predictions kept."""
        return self.nodes_usd + self.balancer_usd + self.stored_usd + self.standing_usd


def size(load: Load, inputs: Inputs) -> Size:
    """Pods, nodes and money for a load, whatever the configuration allows."""
    pods = max(inputs.min_replicas, math.ceil(load.peak_per_second / inputs.planned_per_second))
    pods_a_node = math.floor((NODE_CORES - NODE_CORES_TAKEN) / inputs.pod_cores)
    spare = math.ceil(OTHER_CORES / inputs.pod_cores)
    nodes = max(inputs.zones, math.ceil((pods + spare) / pods_a_node))
    requests = load.mean_per_second * _SECONDS_A_MONTH
    return Size(
        pods=pods,
        nodes=nodes,
        nodes_usd=nodes * NODE_CORES * inputs.core_usd_hour * HOURS_A_MONTH,
        balancer_usd=requests * inputs.request_bytes / _GB * inputs.balancer_usd_gb,
        stored_usd=requests * inputs.record_bytes / _GIB * inputs.stored_usd_gib_month,
        standing_usd=inputs.standing_usd_month,
    )


@dataclass(frozen=True, kw_only=True)
class Part:
    """Something that has a limit.

    Attributes:
        name: in words.
        turn: what to turn when it is reached.
        limit: requests a second that it carries, as configured.
        of_peak: whether the peak counts or the mean: what may wait for the night counts by the mean.
    """

    name: str
    turn: str
    limit: Callable[[Inputs], float]
    of_peak: bool = True


PARTS: Final = (
    Part(
        name="drift evaluation's one process",
        turn="`scoring.prediction_log.sample_rate`: a chunk of thousands of rows says the same of a share of them",
        limit=lambda inputs: inputs.drift_rows_per_second,
        of_peak=False,
    ),
    Part(
        name="drift evaluation's memory, for an hour's rows",
        turn="`drift.resources.memory_limit_mib`, or the sample rate again",
        limit=lambda inputs: (inputs.drift_memory_mib - DRIFT_LIBRARIES_MIB) * 2**20 / DRIFT_ROW_BYTES / 3600,
    ),
    Part(
        name="the autoscaler's most pods",
        turn="`scoring.max_replicas`",
        limit=lambda inputs: inputs.max_replicas * inputs.planned_per_second,
    ),
    Part(
        name="the node pools' limit",
        turn="`aws.node_pools.cpu.cpu_limit`, and the account's quota of cores",
        limit=lambda inputs: (
            (inputs.pool_cores * (1 - NODE_CORES_TAKEN / NODE_CORES) - OTHER_CORES)
            / inputs.pod_cores
            * inputs.planned_per_second
        ),
    ),
)


def gives_way(load: Load, inputs: Inputs) -> list[Part]:
    """The parts that a load is too much for as configured, the first to give way first; none where all hold."""
    ordered = sorted(PARTS, key=lambda part: part.limit(inputs) / _asked(part, load))
    return [part for part in ordered if part.limit(inputs) < _asked(part, load)]


def next_to_give_way(load: Load, inputs: Inputs) -> tuple[Part, float]:
    """The part that this load fills the most, and how many times the load it carries."""
    part = min(PARTS, key=lambda part: part.limit(inputs) / _asked(part, load))
    return part, part.limit(inputs) / _asked(part, load)


def largest_cost(found: Size) -> str:
    """What most of the money goes to, in words."""
    costs: Sequence[tuple[float, str]] = (
        (found.nodes_usd, "nodes"),
        (found.balancer_usd, "the load balancer"),
        (found.stored_usd, "the prediction log"),
        (found.standing_usd, "what stands still"),
    )
    return max(costs)[1]


def _asked(part: Part, load: Load) -> float:
    return load.peak_per_second if part.of_peak else load.mean_per_second
