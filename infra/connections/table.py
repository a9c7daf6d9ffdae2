"""The table: who talks to whom. What stands in no row is not let through. Pure.

People are in no row. They come through the API server (`kubectl port-forward`) or a port of the node, and what a node
sends to its own pods, probes too, no policy stops.
"""

from collections.abc import Iterator, Sequence
from typing import Final
from urllib.parse import urlsplit

from infra.config.stack import StackConfig
from infra.connections.parties import (
    ANY_ADDRESS,
    Connection,
    Flow,
    Outside,
    Peer,
    Place,
    Pods,
    Port,
    Surroundings,
)
from infra.namespaces import GPU, MONITORING, WORKLOADS

SCORING: Final = Pods(name="scoring", namespace=WORKLOADS, app="scoring")
TRAINING: Final = Pods(name="training", namespace=WORKLOADS, app="retraining", component="training")
RETRAINING: Final = Pods(name="retraining", namespace=WORKLOADS, app="retraining", component="receiver")
ROLLOUTS: Final = Pods(name="rollouts", namespace=WORKLOADS, app="retraining", component="receiver")
"""The receiver again, where it compares a challenger with the champion."""
CALENDAR: Final = Pods(name="calendar", namespace=WORKLOADS, app="retraining", component="calendar")
DRIFT: Final = Pods(name="drift", namespace=WORKLOADS, app="drift")
DRIFT_ON_DASK: Final = Pods(name="drift-on-dask", namespace=WORKLOADS, app="drift")
"""The service again, where a cluster evaluates."""
TRAINING_ON_DASK: Final = Pods(name="training-on-dask", namespace=WORKLOADS, app="retraining", component="training")
"""The Jobs again, where a cluster trains."""
DASK_SCHEDULER: Final = Pods(name="dask-scheduler", namespace=WORKLOADS, app="dask-scheduler")
DASK_WORKER: Final = Pods(name="dask-worker", namespace=WORKLOADS, app="dask-worker")
DASK_TRAINER: Final = Pods(name="dask-trainer", namespace=WORKLOADS, app="dask-worker")
"""Workers again, where they train together."""
PROMETHEUS: Final = Pods(name="prometheus", namespace=MONITORING, app="prometheus")
ALERTMANAGER: Final = Pods(name="alertmanager", namespace=MONITORING, app="alertmanager")
GRAFANA: Final = Pods(name="grafana", namespace=MONITORING, app="grafana")
GPU_METRICS: Final = Pods(name="dcgm-exporter", namespace=GPU, app="dcgm-exporter")

CONNECTIONS: Final = (
    Connection(Outside.CLIENTS, SCORING, 8000),
    Connection(SCORING, Outside.OBJECT_STORE),
    Connection(TRAINING, Outside.OBJECT_STORE),
    Connection(RETRAINING, Outside.OBJECT_STORE),
    Connection(RETRAINING, Outside.API_SERVER),
    Connection(ROLLOUTS, PROMETHEUS, 9090),
    Connection(CALENDAR, RETRAINING, 8000),
    Connection(DRIFT, Outside.OBJECT_STORE),
    # Whoever reaches the scheduler runs code on the workers.
    Connection(DRIFT_ON_DASK, DASK_SCHEDULER, 8786),
    Connection(TRAINING_ON_DASK, DASK_SCHEDULER, 8786),
    # Rows and models, past the scheduler, which has no memory for them.
    Connection(TRAINING_ON_DASK, DASK_WORKER, 8788),
    Connection(DASK_TRAINER, DASK_TRAINER, range(12400, 12416)),
    Connection(DASK_WORKER, DASK_SCHEDULER, 8786),
    Connection(DASK_SCHEDULER, DASK_WORKER, 8788),
    Connection(DASK_WORKER, DASK_WORKER, 8788),
    Connection(DASK_WORKER, Outside.OBJECT_STORE),
    Connection(PROMETHEUS, SCORING, 8000),
    Connection(PROMETHEUS, RETRAINING, 8000),
    Connection(PROMETHEUS, DRIFT, 8000),
    Connection(PROMETHEUS, ALERTMANAGER, 9093),
    Connection(PROMETHEUS, GPU_METRICS, 9400),
    Connection(PROMETHEUS, Outside.CLUSTER_METRICS),
    Connection(PROMETHEUS, Outside.API_SERVER),
    Connection(PROMETHEUS, Outside.REMOTE_WRITE),
    Connection(ALERTMANAGER, RETRAINING, 8000),
    Connection(ALERTMANAGER, Outside.RECEIVERS),
    Connection(GRAFANA, PROMETHEUS, 9090),
)

_HTTPS: Final = 443


def absent(stack: StackConfig, *, grafana: bool) -> frozenset[Pods]:
    """The parts of the table that a stack with this configuration leaves out."""
    there = {
        DASK_SCHEDULER: stack.on_dask,
        DASK_WORKER: stack.on_dask,
        DASK_TRAINER: stack.training_on_dask,
        DRIFT_ON_DASK: stack.drift_on_dask,
        TRAINING_ON_DASK: stack.training_on_dask,
        CALENDAR: stack.retraining.schedule != "off",
        DRIFT: stack.drift.enabled,
        GPU_METRICS: stack.aws is not None and stack.aws.node_pools.gpu.enabled,
        GRAFANA: grafana,
        ROLLOUTS: stack.retraining.rollout.is_gradual,
    }
    return frozenset(part for part, is_there in there.items() if not is_there)


def configured(stack: StackConfig) -> Surroundings:
    """What the configuration itself says the place of: a host name may lead anywhere, so the port alone is known."""
    places: dict[Outside, list[Place]] = {}
    if stack.remote_write is not None:
        places[Outside.REMOTE_WRITE] = [_anywhere(urlsplit(stack.remote_write.url).port or _HTTPS)]
    if told := stack.alert_receivers:
        # Slack and PagerDuty have addresses that are well known.
        ports = {_HTTPS for receiver in (told.slack, told.pagerduty) if receiver}
        for webhook in (told.webhook, told.watchdog):
            if webhook:
                ports.add(urlsplit(webhook.url.get_secret_value()).port or _HTTPS)
        if told.mail:
            ports.add(int(told.mail.smarthost.rpartition(":")[2]))
        places[Outside.RECEIVERS] = [_anywhere(*sorted(ports))] if ports else []
    return places


def flows(surroundings: Surroundings, without: frozenset[Pods]) -> list[Flow]:
    """The rows of a stack, each with its ends found, and the way to DNS for each part that calls somebody.

    Args:
        surroundings: where what is outside is; rows about what it leaves out go.
        without: the parts that the stack has not.
    """
    rows = [row for row in CONNECTIONS if not {row.caller, row.callee} & without]
    found = [flow for row in rows for flow in _found(row, surroundings)]
    callers = list(dict.fromkeys(flow.source for flow in found if isinstance(flow.source, Pods)))
    asked = [Connection(caller, Outside.NAMES) for caller in callers if caller.namespace is not None]
    return found + [flow for row in asked for flow in _found(row, surroundings)]


def _found(row: Connection, surroundings: Surroundings) -> Iterator[Flow]:
    for source, _ in _ends(row.caller, surroundings):
        for destination, ports in _ends(row.callee, surroundings):
            yield Flow(source=source, destination=destination, ports=ports or _own(row))


def _ends(end: Pods | Outside, surroundings: Surroundings) -> Sequence[tuple[Peer, tuple[Port, ...]]]:
    if isinstance(end, Pods):
        return [(end, ())]
    return [(peer, place.ports) for place in surroundings.get(end, ()) for peer in place.peers]


def _own(row: Connection) -> tuple[Port, ...]:
    if row.port is None:
        return ()
    return (Port(row.port),) if isinstance(row.port, int) else (Port(row.port[0], last=row.port[-1]),)


def _anywhere(*ports: int) -> Place:
    return Place(peers=(ANY_ADDRESS,), ports=tuple(map(Port, ports)))
