"""The job that gives a model its first version."""

from dataclasses import dataclass
from typing import Final

import pulumi
import pulumi_kubernetes as k8s

from infra.config.models import ModelConfig
from infra.config.resources import Resources
from infra.naming import AUTO_NAME_SUFFIX, NAME_LIMIT, App, dns_label
from infra.platform import Access, Bucket, Platform, Service, WorkloadIdentity
from infra.pods import (
    environment,
    service_account,
)
from infra.workloads.training import TrainingPod, training_job

_DEADLINE_SECONDS: Final = 600
"""For all attempts; one takes half a minute on one core, and an image may have to be pulled first."""


@dataclass(frozen=True, kw_only=True)
class BootstrapJobArgs:
    """What to train and where.

    Attributes:
        platform: what the job runs on.
        namespace: where it runs.
        model: whose first version it is.
        resources: of its pod.
        node_pool: whose nodes it runs on; none are the usual ones.
    """

    platform: Platform
    namespace: pulumi.Input[str]
    model: ModelConfig
    resources: Resources
    node_pool: str | None = None


class BootstrapJob(pulumi.ComponentResource):
    """Trains a model on its reference data and makes it champion, unless the registry has a champion.

    Pulumi waits until the job has succeeded: what depends on it finds a model.
    """

    champion: pulumi.Resource
    """Depend on it, and the registry has a champion."""

    def __init__(self, name: str, args: BootstrapJobArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Makes the job, and who it runs as."""
        super().__init__("realtime-ml:workloads:BootstrapJob", name, None, opts)
        app = App(name="retraining", instance=args.model.name, component="training")
        account = service_account(name, args.namespace, app, pulumi.ResourceOptions(parent=self))
        store = args.platform.object_store_access(
            WorkloadIdentity(
                namespace=args.namespace, service_account=name, buckets={Bucket.MODELS: Access.WRITE}, app=app
            ),
            pulumi.ResourceOptions(parent=self),
        )
        settings: dict[str, pulumi.Input[str]] = {
            "MODEL_STORE_URL": args.platform.bucket_url(Bucket.MODELS),
            "MODEL_NAME": args.model.name,
        }
        pod = TrainingPod(
            app=app,
            service_account=account.metadata.name,
            image=args.platform.image(Service.RETRAINING),
            command=["python3", "-m", "retraining", "bootstrap"],
            env=environment(settings, store),
            resources=args.resources,
            placement=args.platform.placement(args.node_pool),
            deadline_seconds=_DEADLINE_SECONDS,
        )
        self.champion = k8s.batch.v1.Job(
            # A job cannot be changed, only replaced: Pulumi completes the name, so that the next one runs first.
            dns_label(name, limit=NAME_LIMIT - AUTO_NAME_SUFFIX),
            metadata={"namespace": args.namespace, "labels": app.labels},
            spec=training_job(pod),
            opts=pulumi.ResourceOptions(
                parent=self,
                depends_on=store.ready,
                # The job's own deadline tells more than Pulumi's: it comes first.
                custom_timeouts=pulumi.CustomTimeouts(create=f"{_DEADLINE_SECONDS + 60}s"),
            ),
        )
        self.register_outputs({})
