"""The Dask cluster that evaluates drift, and trains, where one process is not enough."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import pulumi
import pulumi_kubernetes as k8s
from pulumi_kubernetes.core.v1 import ContainerArgsDict, ContainerPortArgsDict

from infra.config.dask import DaskConfig
from infra.config.resources import Resources
from infra.naming import App
from infra.platform import (
    Access,
    Audience,
    Bucket,
    Endpoint,
    ObjectStoreAccess,
    Platform,
    Service,
    WorkloadIdentity,
)
from infra.pods import (
    CONTAINER_SECURITY,
    SCRATCH_MOUNT,
    SCRATCH_VOLUME,
    cores,
    environment,
    http_probe,
    placed,
    resource_requirements,
    rollout_timeouts,
    service_account,
    standard_pod,
)

if TYPE_CHECKING:
    from pulumi_kubernetes.apps.v1 import DeploymentSpecArgsDict

_SCHEDULER: Final = App(name="dask-scheduler", instance="dask", component="scheduler")
_WORKER: Final = App(name="dask-worker", instance="dask", component="worker")
_SCHEDULER_PORT: Final = 8786
_WORKER_PORT: Final = 8788
_HTTP_PORT: Final = 8787
TRAINING_PORTS: Final = range(12400, 12416)
"""At one of them LightGBM on one worker listens to LightGBM on the others, and cannot use it again for a minute. A run
trains twice, and small ones follow each other."""

_ROLLOUT_SECONDS: Final = 300
"""Without progress for so long a rollout has failed: the image is the largest of the stack, and pulled first."""

_SCALE_DOWN_SECONDS: Final = 300
"""A worker that goes loses what it holds, which others make again: not between two models, which take minutes."""

_ORPHAN_SECONDS: Final = 60
"""A worker without its scheduler for so long ends, and is started anew to look for it again."""

_WORKER_SETTINGS: Final[Mapping[str, pulumi.Input[str]]] = {
    # Nothing is spilled to disk: a partition is small, and a pod may write less than it may hold.
    "DASK_DISTRIBUTED__WORKER__MEMORY__TARGET": "False",
    "DASK_DISTRIBUTED__WORKER__MEMORY__SPILL": "False",
}


@dataclass(frozen=True, kw_only=True)
class DaskClusterArgs:
    """Where a cluster runs, and how large it is.

    Attributes:
        platform: what it runs on.
        namespace: where it runs.
        config: how many workers, what each gets, and on which nodes.
        trains: whether its workers train, too.
    """

    platform: Platform
    namespace: pulumi.Input[str]
    config: DaskConfig
    trains: bool


class DaskCluster(pulumi.ComponentResource):
    """A scheduler, and workers that an autoscaler adds while they are busy. Nothing is kept in it.

    Whoever reaches the scheduler may run code on the workers: `infra/connections/table.py` lets in whose engine it is
    and nobody else. Workers have the image of drift, which has LightGBM, too.
    """

    scheduler_url: pulumi.Output[str]
    """Where evaluations and trainings ask."""
    dashboard_url: pulumi.Output[str]
    """Where operators look."""
    min_workers: int
    """How many are always there."""

    def __init__(self, name: str, args: DaskClusterArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Makes scheduler, workers and autoscaler."""
        super().__init__("realtime-ml:workloads:DaskCluster", name, None, opts)
        self._child = pulumi.ResourceOptions(parent=self)
        self._args = args
        self.min_workers = args.config.min_workers
        scheduler, worker = f"{name}-scheduler", f"{name}-worker"
        self.scheduler_url = self._scheduler_service(scheduler)
        deployment = self._scheduler(scheduler)
        self._autoscaler(worker, self._workers(worker))
        self.dashboard_url = args.platform.expose(
            Endpoint(
                name=f"{name}-dashboard",
                namespace=args.namespace,
                app=_SCHEDULER,
                port=_HTTP_PORT,
                target_port="http",
                audience=Audience.OPERATORS,
            ),
            pulumi.ResourceOptions(parent=self, depends_on=[deployment]),
        )
        self.register_outputs({"scheduler_url": self.scheduler_url, "dashboard_url": self.dashboard_url})

    def _scheduler_service(self, name: str) -> pulumi.Output[str]:
        k8s.core.v1.Service(
            name,
            metadata={
                **self._metadata(name, _SCHEDULER),
                # Workers start beside the scheduler and look for it until it is there: nothing has to wait.
                "annotations": {"pulumi.com/skipAwait": "true"},
            },
            spec={
                "type": "ClusterIP",
                "selector": _SCHEDULER.selector,
                "ports": [{"name": "scheduler", "port": _SCHEDULER_PORT, "target_port": "scheduler"}],
            },
            opts=self._child,
        )
        return pulumi.Output.format("tcp://{0}.{1}.svc.cluster.local:{2}", name, self._args.namespace, _SCHEDULER_PORT)

    def _scheduler(self, name: str) -> k8s.apps.v1.Deployment:
        command = ["dask", "scheduler", "--port", str(_SCHEDULER_PORT), "--dashboard-address", f":{_HTTP_PORT}"]
        container = self._container(
            command, [("scheduler", _SCHEDULER_PORT), ("http", _HTTP_PORT)], self._args.config.scheduler
        )
        return self._deployment(name, _SCHEDULER, container, replicas=1)

    def _workers(self, name: str) -> k8s.apps.v1.Deployment:
        args, resources = self._args, self._args.config.worker
        store = args.platform.object_store_access(
            WorkloadIdentity(
                namespace=args.namespace,
                service_account=name,
                buckets={Bucket.MODELS: Access.READ, Bucket.PREDICTIONS: Access.READ},
                app=_WORKER,
            ),
            self._child,
        )
        command: list[pulumi.Input[str]] = [
            "dask", "worker", self.scheduler_url,
            "--nthreads", "1", "--no-nanny", "--death-timeout", str(_ORPHAN_SECONDS),
            "--worker-port", str(_WORKER_PORT), "--dashboard-address", f":{_HTTP_PORT}",
            "--memory-limit", f"{resources.memory_limit_mib}MiB", "--local-directory", SCRATCH_MOUNT["mount_path"],
        ]  # fmt: skip
        ports = [("worker", _WORKER_PORT), ("http", _HTTP_PORT)]
        if args.trains:
            ports += [(f"training-{port}", port) for port in TRAINING_PORTS]
        container = self._container(command, ports, resources)
        settings: dict[str, pulumi.Input[str]] = {
            "MODEL_STORE_URL": args.platform.bucket_url(Bucket.MODELS),
            "PREDICTION_STORE_URL": args.platform.bucket_url(Bucket.PREDICTIONS),
            **_WORKER_SETTINGS,
        }
        container["env"] = environment(settings, store)
        return self._deployment(name, _WORKER, container, store=store)

    def _container(
        self, command: Sequence[pulumi.Input[str]], ports: Sequence[tuple[str, int]], resources: Resources
    ) -> ContainerArgsDict:
        named: list[ContainerPortArgsDict] = [{"name": name, "container_port": port} for name, port in ports]
        return {
            "name": "dask",
            "image": self._args.platform.image(Service.DRIFT),
            "image_pull_policy": "IfNotPresent",
            "command": command,
            "ports": named,
            "resources": resource_requirements(resources),
            "security_context": CONTAINER_SECURITY,
            "volume_mounts": [SCRATCH_MOUNT],
            # Imports take seconds where several pods share a core.
            "startup_probe": http_probe("/health", "http", period=1, timeout=2, failures=90),
            "readiness_probe": http_probe("/health", "http", period=5, timeout=2, failures=2),
            # A calculation may hold the interpreter for seconds; a minute without an answer is a hang.
            "liveness_probe": http_probe("/health", "http", period=20, timeout=10, failures=3),
        }

    def _deployment(
        self,
        name: str,
        app: App,
        container: ContainerArgsDict,
        *,
        replicas: int | None = None,
        store: ObjectStoreAccess | None = None,
    ) -> k8s.apps.v1.Deployment:
        """Without a number of replicas that is the autoscaler's: an `up` that states one would undo what load made."""
        args = self._args
        account = service_account(name, args.namespace, app, self._child)
        spec: DeploymentSpecArgsDict = {
            "revision_history_limit": 3,
            "progress_deadline_seconds": _ROLLOUT_SECONDS,
            "selector": {"match_labels": app.selector},
            # Old workers with a new scheduler, or two schedulers, are no cluster. What was asked of it begins anew.
            "strategy": {"type": "Recreate"},
            "template": {
                "metadata": {"labels": app.labels},
                "spec": placed(
                    standard_pod(
                        {
                            "termination_grace_period_seconds": 15,
                            "containers": [container],
                            "volumes": [SCRATCH_VOLUME],
                        },
                        account.metadata.name,
                    ),
                    args.platform.placement(args.config.node_pool),
                ),
            },
        }
        if replicas is not None:
            spec["replicas"] = replicas
        return k8s.apps.v1.Deployment(
            name,
            metadata=self._metadata(name, app),
            spec=spec,
            opts=pulumi.ResourceOptions(
                parent=self,
                depends_on=list(store.ready) if store else [],
                custom_timeouts=rollout_timeouts(_ROLLOUT_SECONDS),
            ),
        )

    def _autoscaler(self, name: str, workers: k8s.apps.v1.Deployment) -> k8s.autoscaling.v2.HorizontalPodAutoscaler:
        config = self._args.config
        target = config.worker.cpu_limit_millicores * config.target_cpu_percent // 100
        return k8s.autoscaling.v2.HorizontalPodAutoscaler(
            name,
            metadata=self._metadata(name, _WORKER),
            spec={
                "scale_target_ref": {"api_version": "apps/v1", "kind": "Deployment", "name": workers.metadata.name},
                "min_replicas": config.min_workers,
                "max_replicas": config.max_workers,
                "metrics": [
                    {
                        "type": "Resource",
                        "resource": {
                            "name": "cpu",
                            "target": {"type": "AverageValue", "average_value": cores(target)},
                        },
                    }
                ],
                "behavior": {
                    # Twice as many at a time: what is asked ahead grows with the workers that are there.
                    "scale_up": {
                        "stabilization_window_seconds": 0,
                        "policies": [{"type": "Percent", "value": 100, "period_seconds": 15}],
                    },
                    "scale_down": {"stabilization_window_seconds": _SCALE_DOWN_SECONDS},
                },
            },
            opts=self._child,
        )

    def _metadata(self, name: str, app: App) -> k8s.meta.v1.ObjectMetaArgsDict:
        return {"name": name, "namespace": self._args.namespace, "labels": app.labels}
