"""The stack, in the order in which it is deployed: configuration, platform, monitoring, network policies, workloads."""

import gc

# What imports make, a million objects, is never garbage: looking at it again and again took a fifth of a preview.
gc.disable()

import pulumi

from infra.config import reading
from infra.connections.isolation import Isolation, IsolationArgs
from infra.connections.table import absent, configured, flows
from infra.images import require_builder
from infra.monitoring.monitoring import Monitoring, MonitoringArgs
from infra.namespaces import MONITORING, WORKLOADS, restricted_namespace
from infra.outputs import StackOutputs
from infra.platforms import create_platform
from infra.workloads.bootstrap import BootstrapJob, BootstrapJobArgs
from infra.workloads.dask_cluster import DaskCluster, DaskClusterArgs
from infra.workloads.drift import Drift, DriftArgs
from infra.workloads.retraining import Retraining, RetrainingArgs
from infra.workloads.retraining_job import SETTLE_MARGIN_SECONDS, RetrainingJob, RetrainingJobArgs
from infra.workloads.scoring import Scoring, ScoringArgs

stack = reading.read()
if not pulumi.runtime.is_dry_run():
    require_builder()

platform = create_platform(stack)
# The platform's own imports were the last.
gc.freeze()
gc.enable()
in_cluster = pulumi.ResourceOptions(providers=[platform.kubernetes])

namespace = restricted_namespace(WORKLOADS, pulumi.ResourceOptions(provider=platform.kubernetes))

monitoring = Monitoring(
    "monitoring",
    MonitoringArgs(
        platform=platform,
        watched=[namespace],
        environment=pulumi.get_stack(),
        config=stack.monitoring,
        remote_write=stack.remote_write,
        receivers=stack.alert_receivers,
        retraining_triggers=stack.retraining.alerts,
    ),
    in_cluster,
)

Isolation(
    "isolation",
    IsolationArgs(
        namespaces={WORKLOADS: namespace, MONITORING: monitoring.namespace, **platform.namespaces},
        flows=flows(
            {**platform.surroundings, **configured(stack)}, absent(stack, grafana=monitoring.grafana is not None)
        ),
    ),
    in_cluster,
)

retraining = Retraining(
    "retraining",
    RetrainingArgs(
        platform=platform,
        namespace=namespace.metadata.name,
        config=stack.retraining,
        token=monitoring.retraining_token,
    ),
    in_cluster,
)

dask = None
if stack.on_dask:
    dask = DaskCluster(
        "dask",
        DaskClusterArgs(
            platform=platform,
            namespace=namespace.metadata.name,
            config=stack.dask,
            trains=stack.training_on_dask,
        ),
        in_cluster,
    )

scoring = {}
for model in stack.models:
    first_version = BootstrapJob(
        f"bootstrap-{model.name}",
        BootstrapJobArgs(
            platform=platform,
            namespace=namespace.metadata.name,
            model=model,
            resources=stack.training.resources,
            node_pool=stack.training.node_pool,
        ),
        in_cluster,
    )
    scoring[model.name] = Scoring(
        f"scoring-{model.name}",
        ScoringArgs(
            platform=platform,
            namespace=namespace.metadata.name,
            model=model,
            config=stack.scoring,
            champion=first_version.champion,
        ),
        in_cluster,
    )

    RetrainingJob(
        f"retraining-{model.name}",
        RetrainingJobArgs(
            platform=platform,
            namespace=namespace.metadata.name,
            model=model,
            training=stack.training,
            config=stack.retraining,
            settle_seconds=stack.scoring.prediction_log.flush_seconds + SETTLE_MARGIN_SECONDS,
            receiver=retraining,
            cluster=dask if stack.training_on_dask else None,
        ),
        in_cluster,
    )

drift = None
if stack.drift.enabled:
    drift = Drift(
        "drift",
        DriftArgs(
            platform=platform,
            namespace=namespace.metadata.name,
            models=stack.models,
            config=stack.drift,
            log=stack.scoring.prediction_log,
            scheduler_url=dask.scheduler_url if dask and stack.drift_on_dask else None,
        ),
        in_cluster,
    )

StackOutputs(
    scoring_urls={name: service.url for name, service in scoring.items()},
    retraining_url=retraining.url,
    monitoring_urls=monitoring.urls,
    drift_url=drift.url if drift else None,
    dask_dashboard_url=dask.dashboard_url if dask else None,
    grafana_admin_password=monitoring.grafana.admin_password if monitoring.grafana else None,
    platform=platform.outputs,
).export()
