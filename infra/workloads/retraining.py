"""The receiver of wishes for a retraining: alerts, the calendar and people ask it, and it makes Jobs."""

from dataclasses import dataclass
from typing import Final

import pulumi
import pulumi_kubernetes as k8s
from pulumi_kubernetes.rbac.v1 import PolicyRuleArgsDict

from infra.config.retraining import RetrainingConfig
from infra.config.rollout import RolloutConfig
from infra.monitoring import prometheus
from infra.namespaces import MONITORING
from infra.naming import App
from infra.platform import Access, Audience, Bucket, Endpoint, ObjectStoreAccess, Platform, Service, WorkloadIdentity
from infra.pods import (
    CONTAINER_SECURITY,
    SCRATCH_MOUNT,
    SCRATCH_VOLUME,
    environment,
    http_probe,
    resource_requirements,
    rollout_timeouts,
    scraped,
    service_account,
    standard_pod,
)

APP: Final = App(name="retraining", instance="retraining", component="receiver")
TOKEN_SECRET: Final = "retraining-webhook"  # noqa: S105 (a name)
TOKEN_KEY: Final = "token"  # noqa: S105 (a name)
TOKEN_FOLDER: Final = "/etc/retraining"  # noqa: S105 (a path)
PORT: Final = 8000

CALENDAR: Final = "calendar"
"""The part that pods play which ask because it is time."""

RULES: Final[list[PolicyRuleArgsDict]] = [
    {"api_groups": ["batch"], "resources": ["jobs"], "verbs": ["create", "get", "list"]},
    # The templates that it makes Jobs from.
    {"api_groups": ["batch"], "resources": ["cronjobs"], "verbs": ["get", "list"]},
]
"""All that the receiver may ask of the API server, in its own namespace."""

_ROLLOUT_SECONDS: Final = 300


@dataclass(frozen=True, kw_only=True)
class RetrainingArgs:
    """Who may ask, and how often a run may start.

    Attributes:
        platform: what it runs on.
        namespace: where it runs, and where it makes Jobs.
        config: which alerts start a run, and how soon after another.
        token: what callers have to show; a secret.
    """

    platform: Platform
    namespace: pulumi.Input[str]
    config: RetrainingConfig
    token: pulumi.Output[str]


class Retraining(pulumi.ComponentResource):
    """One pod for all models. It finds them by their templates, so that another model leaves it as it is."""

    url: pulumi.Output[str]
    """Where runs are listed and asked for."""
    cluster_url: pulumi.Output[str]
    """How pods reach it."""
    token_secret: pulumi.Output[str]
    """The Secret that holds what callers have to show."""

    def __init__(self, name: str, args: RetrainingArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Makes the pod and what it may do."""
        super().__init__("realtime-ml:workloads:Retraining", name, None, opts)
        self._child = pulumi.ResourceOptions(parent=self)
        store = args.platform.object_store_access(
            WorkloadIdentity(
                namespace=args.namespace, service_account=name, buckets={Bucket.MODELS: _access(args.config)}, app=APP
            ),
            self._child,
        )
        secret = self._token(args)
        self.token_secret = secret.metadata.name
        deployment = self._deployment(name, args, store)
        endpoint = Endpoint(
            name=name,
            namespace=args.namespace,
            app=APP,
            port=PORT,
            target_port="http",
            audience=Audience.OPERATORS,
        )
        self.url = args.platform.expose(endpoint, pulumi.ResourceOptions(parent=self, depends_on=[deployment]))
        self.cluster_url = endpoint.cluster_url
        self.register_outputs({"url": self.url})

    def _token(self, args: RetrainingArgs) -> k8s.core.v1.Secret:
        """By a name that people know, and not immutable: the receiver reads it anew for each caller."""
        return k8s.core.v1.Secret(
            TOKEN_SECRET,
            metadata={"name": TOKEN_SECRET, "namespace": args.namespace, "labels": APP.labels},
            string_data={TOKEN_KEY: args.token},
            opts=self._child,
        )

    def _may_make_jobs(self, name: str, args: RetrainingArgs, account: k8s.core.v1.ServiceAccount) -> pulumi.Resource:
        role = k8s.rbac.v1.Role(
            name,
            metadata={"name": name, "namespace": args.namespace, "labels": APP.labels},
            rules=RULES,
            opts=self._child,
        )
        return k8s.rbac.v1.RoleBinding(
            name,
            metadata={"name": name, "namespace": args.namespace, "labels": APP.labels},
            role_ref={"api_group": "rbac.authorization.k8s.io", "kind": "Role", "name": role.metadata.name},
            subjects=[
                {"kind": "ServiceAccount", "name": account.metadata.name, "namespace": account.metadata.namespace}
            ],
            opts=self._child,
        )

    def _deployment(self, name: str, args: RetrainingArgs, store: ObjectStoreAccess) -> k8s.apps.v1.Deployment:
        account = service_account(name, args.namespace, APP, self._child)
        permission = self._may_make_jobs(name, args, account)
        settings: dict[str, pulumi.Input[str]] = {
            "MODEL_STORE_URL": args.platform.bucket_url(Bucket.MODELS),
            "RECEIVER_ALERTS": ",".join(args.config.alerts),
            "RECEIVER_COOL_DOWN_SECONDS": str(args.config.cool_down_minutes * 60),
            "RECEIVER_NAMESPACE": args.namespace,
            "RECEIVER_TOKEN_FILE": f"{TOKEN_FOLDER}/{TOKEN_KEY}",
            **_rollout_settings(args.config.rollout),
        }
        return k8s.apps.v1.Deployment(
            name,
            metadata={"name": name, "namespace": args.namespace, "labels": APP.labels},
            spec={
                "replicas": 1,
                "revision_history_limit": 3,
                "progress_deadline_seconds": _ROLLOUT_SECONDS,
                "selector": {"match_labels": APP.selector},
                # Never two: each would count and list only what was asked of it. Callers try again meanwhile.
                "strategy": {"type": "Recreate"},
                "template": {
                    "metadata": scraped(APP, PORT),
                    "spec": standard_pod(
                        {
                            "containers": [
                                {
                                    "name": "receiver",
                                    "image": args.platform.image(Service.RETRAINING),
                                    "image_pull_policy": "IfNotPresent",
                                    "command": ["python3", "-m", "retraining.receiver"],
                                    "env": environment(settings, store),
                                    "ports": [{"name": "http", "container_port": PORT}],
                                    "resources": resource_requirements(args.config.resources),
                                    "security_context": CONTAINER_SECURITY,
                                    "volume_mounts": [
                                        SCRATCH_MOUNT,
                                        {"name": "token", "mount_path": TOKEN_FOLDER, "read_only": True},
                                    ],
                                    "startup_probe": http_probe("/live", "http", period=1, timeout=2, failures=90),
                                    "readiness_probe": http_probe("/ready", "http", period=5, timeout=3, failures=3),
                                    "liveness_probe": http_probe("/live", "http", period=15, timeout=5, failures=4),
                                },
                            ],
                            "volumes": [
                                SCRATCH_VOLUME,
                                {"name": "token", "secret": {"secret_name": self.token_secret}},
                            ],
                        },
                        account.metadata.name,
                        asks_api_server=True,
                    ),
                },
            },
            opts=pulumi.ResourceOptions(
                parent=self,
                depends_on=[permission, *store.ready],
                custom_timeouts=rollout_timeouts(_ROLLOUT_SECONDS),
            ),
        )


def _access(config: RetrainingConfig) -> Access:
    """It looks at runs and champions; where rollouts are gradual, it moves both pointers."""
    return Access.WRITE if config.rollout.is_gradual else Access.READ


def _rollout_settings(config: RolloutConfig) -> dict[str, str]:
    if not config.is_gradual:
        return {}
    return {
        "ROLLOUT_PROMETHEUS_URL": f"http://prometheus.{MONITORING}.svc.cluster.local:{prometheus.PORT}",
        "ROLLOUT_CANARY_SHARES": ",".join(str(percent / 100) for percent in config.canary_percents),
        "ROLLOUT_SHADOW_SHARE": str(config.shadow_percent / 100),
        "ROLLOUT_STEP_SECONDS": str(config.step_minutes * 60),
        "ROLLOUT_STEP_ROWS": str(config.step_rows),
        "ROLLOUT_STALLED_SECONDS": str(config.stalled_hours * 3600),
        "ROLLOUT_ERROR_RATE_LIMIT": str(config.error_rate_limit),
        "ROLLOUT_LATENCY_RATIO_LIMIT": str(config.latency_ratio_limit),
        "ROLLOUT_LATENCY_FLOOR_SECONDS": str(config.latency_floor_milliseconds / 1000),
        "ROLLOUT_DRIFT_LIMIT": str(config.drift_limit),
    }
