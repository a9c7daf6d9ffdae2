"""The service that watches every model of the stack for drift."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import pulumi
import pulumi_kubernetes as k8s
from pulumi_kubernetes.core.v1 import ContainerArgsDict

from infra.config.drift import DriftConfig
from infra.config.models import ModelConfig
from infra.config.scoring import PredictionLogConfig
from infra.generated import GeneratedSecret, generated_secret
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
    environment,
    http_probe,
    placed,
    resource_requirements,
    rollout_timeouts,
    scraped,
    service_account,
    standard_pod,
)

APP: Final = App(name="drift", instance="drift", component="drift")
PORT: Final = 8000

_TOKEN_KEY: Final = "token"  # noqa: S105 (a name)
_TOKEN_FOLDER: Final = "/etc/drift"  # noqa: S105 (a path)

_RESULTS: Final = "*/drift"
"""The one folder of each model, in the bucket of its predictions, that the service writes into."""

_LEAST_GRACE_SECONDS: Final = 20
_FLUSHES: Final = 4
"""So many times the log's longest delay a chunk waits for rows: a pod that is told to stop and one retry are within."""

_ROLLOUT_SECONDS: Final = 300
"""Without progress for so long a rollout has failed: the image is the largest of the stack, and pulled first."""


@dataclass(frozen=True, kw_only=True)
class DriftArgs:
    """What to watch and where.

    Attributes:
        platform: what it runs on.
        namespace: where it runs.
        models: what it watches.
        config: how it does.
        log: of the predictions, which says how late they come.
        scheduler_url: of the Dask cluster that evaluates; none where one process does.
    """

    platform: Platform
    namespace: pulumi.Input[str]
    models: Sequence[ModelConfig]
    config: DriftConfig
    log: PredictionLogConfig
    scheduler_url: pulumi.Input[str] | None = None


class Drift(pulumi.ComponentResource):
    """One pod for all models, which evaluates them one after another; its state is in the object store."""

    url: pulumi.Output[str]
    """Where operators find reports, at `/report/<model>`."""

    def __init__(self, name: str, args: DriftArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Makes the pod, who it runs as, and its endpoint."""
        super().__init__("realtime-ml:workloads:Drift", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        store = args.platform.object_store_access(
            WorkloadIdentity(
                namespace=args.namespace,
                service_account=name,
                buckets={Bucket.MODELS: Access.READ, Bucket.PREDICTIONS: Access.READ},
                folders={Bucket.PREDICTIONS: _RESULTS},
                app=APP,
            ),
            child,
        )
        token = generated_secret(f"{name}-token", _TOKEN_KEY, args.namespace, APP, child)
        deployment = self._deployment(name, args, store, token)
        self.url = args.platform.expose(
            Endpoint(
                name=name,
                namespace=args.namespace,
                app=APP,
                port=PORT,
                target_port="http",
                audience=Audience.OPERATORS,
            ),
            pulumi.ResourceOptions(parent=self, depends_on=[deployment]),
        )
        self.register_outputs({"url": self.url})

    def _deployment(
        self,
        name: str,
        args: DriftArgs,
        store: ObjectStoreAccess,
        token: GeneratedSecret,
    ) -> k8s.apps.v1.Deployment:
        account = service_account(name, args.namespace, APP, pulumi.ResourceOptions(parent=self))
        return k8s.apps.v1.Deployment(
            name,
            metadata={"name": name, "namespace": args.namespace, "labels": APP.labels},
            spec={
                "replicas": 1,
                "revision_history_limit": 3,
                "progress_deadline_seconds": _ROLLOUT_SECONDS,
                "selector": {"match_labels": APP.selector},
                # Two at once would do no harm, and everything twice. Nobody misses the minute in between.
                "strategy": {"type": "Recreate"},
                "template": {
                    "metadata": scraped(APP, PORT),
                    "spec": placed(
                        standard_pod(
                            {
                                # An evaluation that is killed is finished by the next.
                                "termination_grace_period_seconds": 15,
                                "containers": [self._container(args, store)],
                                "volumes": [SCRATCH_VOLUME, {"name": "token", "secret": {"secret_name": token.name}}],
                            },
                            account.metadata.name,
                        ),
                        args.platform.placement(args.config.node_pool),
                    ),
                },
            },
            opts=pulumi.ResourceOptions(
                parent=self,
                depends_on=list(store.ready),
                custom_timeouts=rollout_timeouts(_ROLLOUT_SECONDS),
            ),
        )

    @staticmethod
    def _container(args: DriftArgs, store: ObjectStoreAccess) -> ContainerArgsDict:
        settings: dict[str, pulumi.Input[str]] = {
            "MODEL_STORE_URL": args.platform.bucket_url(Bucket.MODELS),
            "PREDICTION_STORE_URL": args.platform.bucket_url(Bucket.PREDICTIONS),
            "DRIFT_TOKEN_FILE": f"{_TOKEN_FOLDER}/{_TOKEN_KEY}",
            **settings_of(args.models, args.config, args.log),
        }
        if args.scheduler_url is not None:
            settings["DRIFT_DASK_SCHEDULER"] = args.scheduler_url
        return {
            "name": "drift",
            "image": args.platform.image(Service.DRIFT),
            "image_pull_policy": "IfNotPresent",
            "command": ["python3", "-m", "drift"],
            "env": environment(settings, store),
            "ports": [{"name": "http", "container_port": PORT}],
            "resources": resource_requirements(args.config.resources),
            "security_context": CONTAINER_SECURITY,
            "volume_mounts": [
                SCRATCH_MOUNT,
                {"name": "token", "mount_path": _TOKEN_FOLDER, "read_only": True},
            ],
            # Imports take seconds where several pods share a core.
            "startup_probe": http_probe("/live", "http", period=1, timeout=2, failures=90),
            "readiness_probe": http_probe("/ready", "http", period=5, timeout=2, failures=2),
            # An evaluation gives way to the probe, so half a minute without an answer is a hang.
            "liveness_probe": http_probe("/live", "http", period=10, timeout=5, failures=3),
        }


def settings_of(models: Sequence[ModelConfig], config: DriftConfig, log: PredictionLogConfig) -> dict[str, str]:
    """The service's own settings, from the stack's configuration. Pure."""
    settings = {
        "DRIFT_MODELS": json.dumps([model.name for model in models]),
        "DRIFT_INTERVAL_SECONDS": str(config.interval_seconds),
        "DRIFT_CHUNK_ROWS": str(config.chunk_rows),
        "DRIFT_GRACE_SECONDS": str(max(_LEAST_GRACE_SECONDS, _FLUSHES * log.flush_seconds)),
        "DRIFT_LABEL_HORIZON_DAYS": str(config.label_horizon_days),
        "DRIFT_CONTINUOUS_METHOD": config.continuous_method,
        "DRIFT_CATEGORICAL_METHOD": config.categorical_method,
        "DRIFT_COLUMN_METHODS": json.dumps(config.column_methods, sort_keys=True),
        "DRIFT_ENGINE": config.engine,
        "DRIFT_DOMAIN_CLASSIFIER": json.dumps(config.domain_classifier),
        "DRIFT_THRESHOLDS": json.dumps(
            {name: bounds.model_dump() for name, bounds in sorted(config.thresholds.items())}
        ),
    }
    if config.chunk_hours is not None:
        settings["DRIFT_CHUNK_HOURS"] = str(config.chunk_hours)
    return settings
