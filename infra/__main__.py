"""The stack, in the order in which it is deployed: configuration, platform, monitoring, workloads."""

import pulumi

from infra import config
from infra.monitoring import Monitoring, MonitoringArgs
from infra.namespaces import WORKLOADS, restricted_namespace
from infra.outputs import StackOutputs
from infra.platforms import create_platform
from infra.workloads.bootstrap import BootstrapJob, BootstrapJobArgs
from infra.workloads.scoring import Scoring, ScoringArgs

stack = config.read()

platform = create_platform(stack)
in_cluster = pulumi.ResourceOptions(providers=[platform.kubernetes])

namespace = restricted_namespace(WORKLOADS, pulumi.ResourceOptions(provider=platform.kubernetes))

monitoring = Monitoring(
    "monitoring", MonitoringArgs(platform=platform, watched=[namespace], config=stack.monitoring), in_cluster
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

StackOutputs(
    scoring_urls={name: service.url for name, service in scoring.items()},
    prometheus_url=monitoring.prometheus.url,
    platform=platform.outputs,
).export()
