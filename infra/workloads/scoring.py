"""The service that answers requests for predictions, one Deployment a model."""

from dataclasses import dataclass
from typing import Final

import pulumi
import pulumi_kubernetes as k8s
from pulumi_kubernetes.core.v1 import ContainerArgsDict, VolumeArgsDict

from infra.config.models import ModelConfig
from infra.config.scoring import ScoringConfig
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
    mebibytes,
    placed,
    resource_requirements,
    rollout_timeouts,
    scraped,
    service_account,
    spread,
    standard_pod,
)

_PORT: Final = 8000
_DRAIN_SECONDS: Final = 8
"""How long a pod that is to stop still serves: a node has taken it from its Service within a second or two, and a
client's next request on a kept connection brings it the word to connect anew."""

_CLOSE_SECONDS: Final = 10
"""How long a pod that stops goes on handing its last predictions to the object store."""

_GRACE_SECONDS: Final = 45
"""Draining, 10 s for requests under way, then the log: more than all three together, so that a kill means a hang."""

_ROLLOUT_SECONDS: Final = 300
"""Without progress for so long a rollout has failed: pulling an image and loading a model take a fraction of it."""

_SCALE_DOWN_SECONDS: Final = 300
"""The most pods that were wanted in so long are kept: longer than a lull between two peaks, and a node's start. In
docs/benchmarks/ramp.md three pods were one again 345 s after the load was back."""


_LOG_FOLDER: Final = "/var/lib/prediction-log"


@dataclass(frozen=True, kw_only=True)
class ScoringArgs:
    """What to serve and where.

    Attributes:
        platform: what it runs on.
        namespace: where it runs.
        model: what it serves.
        config: how it serves.
        champion: depended on, so that no pod starts before there is a model to load.
    """

    platform: Platform
    namespace: pulumi.Input[str]
    model: ModelConfig
    config: ScoringConfig
    champion: pulumi.Resource


class Scoring(pulumi.ComponentResource):
    """A model behind an HTTP endpoint that a rollout, a restart or a node's drain never takes away."""

    url: pulumi.Output[str]
    """Where clients send their requests; predictions are at `/v1/predict`."""

    def __init__(self, name: str, args: ScoringArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Makes the pods, who they run as, their endpoint and their disruption budget."""
        super().__init__("realtime-ml:workloads:Scoring", name, None, opts)
        app = App(name="scoring", instance=args.model.name, component="inference")
        store = args.platform.object_store_access(
            WorkloadIdentity(namespace=args.namespace, service_account=name, buckets=_buckets(args.config), app=app),
            pulumi.ResourceOptions(parent=self),
        )
        deployment = self._deployment(name, args, app, store)
        autoscaler = self._autoscaler(name, args, app, deployment)
        self._disruption_budget(name, args, app)
        self.url = args.platform.expose(
            Endpoint(
                name=name,
                namespace=args.namespace,
                app=app,
                port=_PORT,
                target_port="http",
                audience=Audience.CLIENTS,
            ),
            # After the pods: Pulumi waits until a Service has some, which an earlier failure would make a long wait.
            pulumi.ResourceOptions(parent=self, depends_on=[deployment, autoscaler]),
        )
        self.register_outputs({"url": self.url})

    def _deployment(self, name: str, args: ScoringArgs, app: App, store: ObjectStoreAccess) -> k8s.apps.v1.Deployment:
        account = service_account(name, args.namespace, app, pulumi.ResourceOptions(parent=self))
        placement = args.platform.placement(args.config.node_pool)
        return k8s.apps.v1.Deployment(
            name,
            metadata={"name": name, "namespace": args.namespace, "labels": app.labels},
            spec={
                # No number of replicas: it is the autoscaler's. Of a new Deployment the first pod is waited for, and
                # the autoscaler adds the others; an `up` that states a number would undo what traffic made of it.
                "revision_history_limit": 3,
                "progress_deadline_seconds": _ROLLOUT_SECONDS,
                "selector": {"match_labels": app.selector},
                # A new pod is ready before an old one goes: at no time are there fewer than asked for. A quarter at a
                # time, rounded up, so that a rollout of many takes no longer than one of few.
                "strategy": {"type": "RollingUpdate", "rolling_update": {"max_surge": "25%", "max_unavailable": 0}},
                "template": {
                    "metadata": scraped(app, _PORT),
                    "spec": placed(
                        standard_pod(
                            {
                                "termination_grace_period_seconds": _GRACE_SECONDS,
                                "topology_spread_constraints": spread(app),
                                "containers": [self._container(args, store)],
                                "volumes": [SCRATCH_VOLUME, _log_volume(args.config)],
                            },
                            account.metadata.name,
                        ),
                        placement,
                    ),
                },
            },
            opts=pulumi.ResourceOptions(
                parent=self,
                depends_on=[args.champion, *store.ready],
                custom_timeouts=rollout_timeouts(_ROLLOUT_SECONDS),
            ),
        )

    @staticmethod
    def _container(args: ScoringArgs, store: ObjectStoreAccess) -> ContainerArgsDict:
        log = args.config.prediction_log
        settings: dict[str, pulumi.Input[str]] = {
            "MODEL_STORE_URL": args.platform.bucket_url(Bucket.MODELS),
            "MODEL_NAME": args.model.name,
            "SCORING_DRAIN_SECONDS": str(_DRAIN_SECONDS),
            "SCORING_LOG_MODE": log.durability,
        }
        if args.config.api_keys_sha256:
            # By value: pods go through no change when a client's entry is only renamed.
            settings["SCORING_API_KEYS_SHA256"] = ",".join(sorted(set(args.config.api_keys_sha256.values())))
        if log.durability != "off":
            settings |= {
                "PREDICTION_STORE_URL": args.platform.bucket_url(Bucket.PREDICTIONS),
                "SCORING_LOG_FOLDER": _LOG_FOLDER,
                "SCORING_LOG_SAMPLE_RATE": str(log.sample_rate),
                "SCORING_LOG_FLUSH_SECONDS": str(log.flush_seconds),
                "SCORING_LOG_MAX_DISK_MIB": str(log.disk_size_mib),
                "SCORING_LOG_CLOSE_SECONDS": str(_CLOSE_SECONDS),
            }
        return {
            "name": "scoring",
            "image": args.platform.image(Service.SCORING),
            "image_pull_policy": "IfNotPresent",
            "command": ["python3", "-m", "scoring"],
            "env": environment(settings, store),
            "ports": [{"name": "http", "container_port": _PORT}],
            "resources": resource_requirements(args.config.resources),
            "security_context": CONTAINER_SECURITY,
            "volume_mounts": [SCRATCH_MOUNT, {"name": "prediction-log", "mount_path": _LOG_FOLDER}],
            # Imports take seconds where several pods share a core. Asks whether the process is alive, not whether it
            # is ready: a pod whose model is refused stays, and says so, instead of starting over and over.
            "startup_probe": http_probe("/live", "http", period=1, timeout=2, failures=90),
            # Out of the Service within four seconds, in half of the time that a draining pod still serves.
            "readiness_probe": http_probe("/ready", "http", period=2, timeout=2, failures=2),
            # A restart loses requests under way: half a minute without an answer is a hang, a busy core is not.
            "liveness_probe": http_probe("/live", "http", period=10, timeout=5, failures=3),
        }

    def _autoscaler(
        self, name: str, args: ScoringArgs, app: App, deployment: k8s.apps.v1.Deployment
    ) -> k8s.autoscaling.v2.HorizontalPodAutoscaler:
        config = args.config
        return k8s.autoscaling.v2.HorizontalPodAutoscaler(
            name,
            metadata={"name": name, "namespace": args.namespace, "labels": app.labels},
            spec={
                "scale_target_ref": {
                    "api_version": "apps/v1",
                    "kind": "Deployment",
                    "name": deployment.metadata.name,
                },
                "min_replicas": config.min_replicas,
                "max_replicas": config.max_replicas,
                "metrics": [
                    {
                        "type": "Resource",
                        "resource": {
                            "name": "cpu",
                            # Of the limit, where latency suffers; a share of the request would say how well it is set.
                            "target": {"type": "AverageValue", "average_value": cores(target_millicores(config))},
                        },
                    }
                ],
                "behavior": {
                    # Up at once and to twice as many: a peak does not wait, and a pod too many costs minutes. Where
                    # load grew tenfold in 100 s pods were ready 26 and 41 s after it asked for them, and no second had
                    # a p99 beyond the objective (docs/benchmarks/ramp.md).
                    "scale_up": {
                        "stabilization_window_seconds": 0,
                        "select_policy": "Max",
                        "policies": [
                            {"type": "Percent", "value": 100, "period_seconds": 15},
                            {"type": "Pods", "value": 4, "period_seconds": 15},
                        ],
                    },
                    # Down by a fifth a minute, and not before the peak is over: load that swings moves no pod.
                    "scale_down": {
                        "stabilization_window_seconds": _SCALE_DOWN_SECONDS,
                        "select_policy": "Max",
                        "policies": [{"type": "Percent", "value": 20, "period_seconds": 60}],
                    },
                },
            },
            opts=pulumi.ResourceOptions(parent=self),
        )

    def _disruption_budget(self, name: str, args: ScoringArgs, app: App) -> k8s.policy.v1.PodDisruptionBudget:
        return k8s.policy.v1.PodDisruptionBudget(
            name,
            metadata={"name": name, "namespace": args.namespace, "labels": app.labels},
            spec={
                # Of any number of replicas: a minimum to keep would forbid ever draining the node of an only one.
                "max_unavailable": 1,
                "selector": {"match_labels": app.selector},
                # A pod that was never ready protects nobody and must not hold a node.
                "unhealthy_pod_eviction_policy": "AlwaysAllow",
            },
            opts=pulumi.ResourceOptions(parent=self),
        )


def target_millicores(config: ScoringConfig) -> int:
    """What a pod may use, on average over all of them, before there is another."""
    return config.resources.cpu_limit_millicores * config.target_cpu_percent // 100


def _buckets(config: ScoringConfig) -> dict[Bucket, Access]:
    if config.prediction_log.durability == "off":
        return {Bucket.MODELS: Access.READ}
    return {Bucket.MODELS: Access.READ, Bucket.PREDICTIONS: Access.WRITE}


def _log_volume(config: ScoringConfig) -> VolumeArgsDict:
    """Where predictions wait for the object store: it outlives the container, not the pod, which empties it first."""
    # A tenth more than the log may fill: a pod that passes its volume's limit is evicted.
    size_mib = config.prediction_log.disk_size_mib * 11 // 10
    return {"name": "prediction-log", "empty_dir": {"size_limit": mebibytes(size_mib)}}
