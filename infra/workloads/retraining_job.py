"""A model's retraining: the Job that the receiver makes copies of, and the calendar that asks for one."""

from dataclasses import dataclass
from typing import Final

import pulumi
import pulumi_kubernetes as k8s
from pulumi_kubernetes.core.v1 import EnvVarArgsDict

from infra.config.models import ModelConfig
from infra.config.resources import Resources
from infra.config.retraining import RetrainingConfig
from infra.config.training import TrainingConfig
from infra.naming import App
from infra.platform import Access, Bucket, Platform, Service, WorkloadIdentity
from infra.pods import (
    CONTAINER_SECURITY,
    SCRATCH_MOUNT,
    SCRATCH_VOLUME,
    environment,
    resource_requirements,
    service_account,
    standard_pod,
)
from infra.workloads.dask_cluster import TRAINING_PORTS, DaskCluster
from infra.workloads.retraining import CALENDAR, TOKEN_FOLDER, TOKEN_KEY, Retraining
from infra.workloads.training import TrainingPod, training_job

SETTLE_MARGIN_SECONDS: Final = 15
"""From the moment when scoring hands predictions over to their being in the object store, with a second try."""

_NEVER: Final = "0 0 1 1 *"
"""A CronJob must have a schedule; a suspended one does not follow it."""

_KEPT_SECONDS: Final = 7 * 24 * 3600
"""A Job and its log are kept for a week: longer than a weekend, and the outcome is in the object store for good."""

_START_WITHIN_SECONDS: Final = 3600
"""What the calendar missed while the cluster was down is made up for within an hour, and left out after that."""

_ASK_DEADLINE_SECONDS: Final = 300

_ASK_RESOURCES: Final = Resources(
    cpu_request_millicores=20, cpu_limit_millicores=500, memory_request_mib=64, memory_limit_mib=128
)


@dataclass(frozen=True, kw_only=True)
class RetrainingJobArgs:
    """What is trained, where, and when.

    Attributes:
        platform: what it runs on.
        namespace: where it runs.
        model: whose challenger it is.
        training: where it is trained, and with what.
        config: what it learns from, and when.
        settle_seconds: after which scoring has handed a prediction over.
        receiver: whom the calendar asks.
        cluster: what trains it; none where the Job does itself.
    """

    platform: Platform
    namespace: pulumi.Input[str]
    model: ModelConfig
    training: TrainingConfig
    config: RetrainingConfig
    settle_seconds: int
    receiver: Retraining
    cluster: DaskCluster | None = None


class RetrainingJob(pulumi.ComponentResource):
    """A suspended CronJob that holds the Job, checked by the API server like any other, and the calendar's CronJob.

    The calendar does not train by itself: whether a run may start is decided in one place.
    """

    def __init__(self, name: str, args: RetrainingJobArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Makes both, and who they run as."""
        super().__init__("realtime-ml:workloads:RetrainingJob", name, None, opts)
        self._child = pulumi.ResourceOptions(parent=self)
        self._template(name, args)
        if args.config.schedule != "off":
            self._calendar(f"{CALENDAR}-{args.model.name}", args)
        self.register_outputs({})

    def _template(self, name: str, args: RetrainingJobArgs) -> None:
        app = App(name="retraining", instance=args.model.name, component="training")
        account = service_account(name, args.namespace, app, self._child)
        store = args.platform.object_store_access(
            WorkloadIdentity(
                namespace=args.namespace,
                service_account=name,
                buckets={Bucket.MODELS: Access.WRITE, Bucket.PREDICTIONS: Access.READ},
                app=app,
            ),
            self._child,
        )
        settings: dict[str, pulumi.Input[str]] = {
            "MODEL_STORE_URL": args.platform.bucket_url(Bucket.MODELS),
            "PREDICTION_STORE_URL": args.platform.bucket_url(Bucket.PREDICTIONS),
            "MODEL_NAME": args.model.name,
            "RETRAINING_DEVICE_TYPE": args.training.device_type,
            "RETRAINING_MODE": args.config.mode,
            "RETRAINING_ROLLOUT": args.config.rollout.mode,
            "RETRAINING_NUM_THREADS": str(max(1, args.training.resources.cpu_limit_millicores // 1000)),
            "RETRAINING_WINDOW_DAYS": str(args.config.window_days),
            "RETRAINING_SETTLE_SECONDS": str(args.settle_seconds),
        }
        if args.cluster is not None:
            settings["RETRAINING_ENGINE"] = "dask"
            settings["RETRAINING_DASK_SCHEDULER"] = args.cluster.scheduler_url
            settings["RETRAINING_DASK_WORKERS"] = str(args.cluster.min_workers)
            settings["RETRAINING_DASK_PORTS"] = f"{TRAINING_PORTS[0]}-{TRAINING_PORTS[-1]}"
        pod = TrainingPod(
            app=app,
            service_account=account.metadata.name,
            image=args.platform.image(Service.RETRAINING),
            command=["python3", "-m", "retraining", "retrain"],
            env=[*environment(settings, store), *_OWN_NAMES],
            resources=args.training.resources,
            placement=args.platform.placement(args.training.node_pool),
            deadline_seconds=args.config.deadline_minutes * 60,
            gpu=args.training.device_type != "cpu",
        )
        k8s.batch.v1.CronJob(
            name,
            metadata={"name": name, "namespace": args.namespace, "labels": app.labels},
            spec={
                "schedule": _NEVER,
                "suspend": True,
                "concurrency_policy": "Forbid",
                "job_template": {
                    "metadata": {"labels": app.labels},
                    "spec": {**training_job(pod), "ttl_seconds_after_finished": _KEPT_SECONDS},
                },
            },
            opts=pulumi.ResourceOptions(parent=self, depends_on=store.ready),
        )

    def _calendar(self, name: str, args: RetrainingJobArgs) -> None:
        app = App(name="retraining", instance=args.model.name, component=CALENDAR)
        account = service_account(name, args.namespace, app, self._child)
        settings: dict[str, pulumi.Input[str]] = {
            "ASK_URL": args.receiver.cluster_url,
            "ASK_MODEL": args.model.name,
            "ASK_TOKEN_FILE": f"{TOKEN_FOLDER}/{TOKEN_KEY}",
        }
        k8s.batch.v1.CronJob(
            name,
            metadata={"name": name, "namespace": args.namespace, "labels": app.labels},
            spec={
                "schedule": args.config.schedule,
                "time_zone": "Etc/UTC",
                "concurrency_policy": "Forbid",
                "starting_deadline_seconds": _START_WITHIN_SECONDS,
                "successful_jobs_history_limit": 1,
                "failed_jobs_history_limit": 1,
                "job_template": {
                    "metadata": {"labels": app.labels},
                    "spec": {
                        "active_deadline_seconds": _ASK_DEADLINE_SECONDS,
                        "template": {
                            "metadata": {"labels": app.labels},
                            "spec": standard_pod(
                                {
                                    "restart_policy": "Never",
                                    "containers": [
                                        {
                                            "name": "ask",
                                            "image": args.platform.image(Service.RETRAINING),
                                            "image_pull_policy": "IfNotPresent",
                                            "command": ["python3", "-m", "retraining.receiver.ask"],
                                            "env": [{"name": key, "value": value} for key, value in settings.items()],
                                            "resources": resource_requirements(_ASK_RESOURCES),
                                            "security_context": CONTAINER_SECURITY,
                                            "volume_mounts": [
                                                SCRATCH_MOUNT,
                                                {"name": "token", "mount_path": TOKEN_FOLDER, "read_only": True},
                                            ],
                                        }
                                    ],
                                    "volumes": [
                                        SCRATCH_VOLUME,
                                        {"name": "token", "secret": {"secret_name": args.receiver.token_secret}},
                                    ],
                                },
                                account.metadata.name,
                            ),
                        },
                    },
                },
            },
            opts=self._child,
        )


def _own_label(variable: str, label: str) -> EnvVarArgsDict:
    path = f"metadata.labels['batch.kubernetes.io/{label}']"
    return {"name": variable, "value_from": {"field_ref": {"api_version": "v1", "field_path": path}}}


_OWN_NAMES: Final = (_own_label("RETRAINING_RUN", "controller-uid"), _own_label("RETRAINING_JOB", "job-name"))
"""Every attempt of a Job is the same run; the uid names it for good, the Job's name comes again after a week."""
