"""The service that answers requests for predictions, one Deployment a model."""

from dataclasses import dataclass
from typing import Final

import pulumi
import pulumi_kubernetes as k8s
from pulumi_kubernetes.core.v1 import ContainerArgsDict

from infra.config import ModelConfig, ScoringConfig
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
    POD_SECURITY,
    SCRATCH_MOUNT,
    SCRATCH_VOLUME,
    environment,
    http_probe,
    resource_requirements,
    spread,
)

_PORT: Final = 8000
_DRAIN_SECONDS: Final = 8
"""How long a pod that is to stop still serves: a node has taken it from its Service within a second or two, and a
client's next request on a kept connection brings it the word to connect anew."""

_GRACE_SECONDS: Final = 30
"""Draining, then the requests still under way; several times what both take, so that a kill means a hang."""

_ROLLOUT_SECONDS: Final = 300
"""Without progress for so long a rollout has failed: pulling an image and loading a model take a fraction of it."""


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
            WorkloadIdentity(
                namespace=args.namespace, service_account=name, buckets={Bucket.MODELS: Access.READ}, app=app
            ),
            pulumi.ResourceOptions(parent=self),
        )
        deployment = self._deployment(name, args, app, store)
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
            pulumi.ResourceOptions(parent=self, depends_on=[deployment]),
        )
        self.register_outputs({"url": self.url})

    def _deployment(self, name: str, args: ScoringArgs, app: App, store: ObjectStoreAccess) -> k8s.apps.v1.Deployment:
        service_account = k8s.core.v1.ServiceAccount(
            name,
            metadata={"name": name, "namespace": args.namespace, "labels": app.labels},
            automount_service_account_token=False,
            opts=pulumi.ResourceOptions(parent=self),
        )
        return k8s.apps.v1.Deployment(
            name,
            metadata={"name": name, "namespace": args.namespace, "labels": app.labels},
            spec={
                "replicas": args.config.replicas,
                "revision_history_limit": 3,
                "progress_deadline_seconds": _ROLLOUT_SECONDS,
                "selector": {"match_labels": app.selector},
                # A new pod is ready before an old one goes: at no time are there fewer than asked for.
                "strategy": {"type": "RollingUpdate", "rolling_update": {"max_surge": 1, "max_unavailable": 0}},
                "template": {
                    "metadata": {
                        "labels": app.labels,
                        "annotations": {"prometheus.io/scrape": "true", "prometheus.io/port": str(_PORT)},
                    },
                    "spec": {
                        "service_account_name": service_account.metadata.name,
                        "automount_service_account_token": False,
                        # Otherwise a Service named scoring-... would put SCORING_... variables among the settings.
                        "enable_service_links": False,
                        "security_context": POD_SECURITY,
                        "termination_grace_period_seconds": _GRACE_SECONDS,
                        "topology_spread_constraints": spread(app),
                        "containers": [self._container(args, store)],
                        "volumes": [SCRATCH_VOLUME],
                    },
                },
            },
            opts=pulumi.ResourceOptions(
                parent=self,
                depends_on=[args.champion, *store.ready],
                custom_timeouts=pulumi.CustomTimeouts(
                    create=f"{_ROLLOUT_SECONDS + 60}s", update=f"{_ROLLOUT_SECONDS + 60}s"
                ),
            ),
        )

    @staticmethod
    def _container(args: ScoringArgs, store: ObjectStoreAccess) -> ContainerArgsDict:
        settings: dict[str, pulumi.Input[str]] = {
            "MODEL_STORE_URL": args.platform.bucket_url(Bucket.MODELS),
            "MODEL_NAME": args.model.name,
            "SCORING_DRAIN_SECONDS": str(_DRAIN_SECONDS),
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
            "volume_mounts": [SCRATCH_MOUNT],
            # Imports take seconds where several pods share a core. Asks whether the process is alive, not whether it
            # is ready: a pod whose model is refused stays, and says so, instead of starting over and over.
            "startup_probe": http_probe("/live", "http", period=1, timeout=2, failures=90),
            # Out of the Service within four seconds, in half of the time that a draining pod still serves.
            "readiness_probe": http_probe("/ready", "http", period=2, timeout=2, failures=2),
            # A restart loses requests under way: half a minute without an answer is a hang, a busy core is not.
            "liveness_probe": http_probe("/live", "http", period=10, timeout=5, failures=3),
        }

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
