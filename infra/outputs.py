"""What a stack tells the world: its outputs, typed and documented."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import pulumi

MEANINGS: Final[Mapping[str, tuple[str, str]]] = {
    "scoring_url": ("all", "where the first model of the configuration is asked: `POST <url>/v1/predict`"),
    "scoring_urls": ("all", "the same for every model, by its name"),
    "drift_url": (
        "where drift is watched",
        "`/report/<model>` for people, `/v1/results?model=<model>` as JSON; reached as the others",
    ),
    "dask_dashboard_url": (
        "where there is a Dask cluster",
        "what its workers do, `drift.engine` or `training.engine: dask`; reached as the others",
    ),
    "retraining_url": (
        "all",
        "`GET /v1/runs`, `POST /v1/retrain`, with the token of the Secret `retraining-webhook`; reached as the others",
    ),
    "prometheus_url": (
        "all",
        "metrics and rules; on AWS reached from inside the cluster, as by `kubectl port-forward`",
    ),
    "alertmanager_url": ("all", "alerts that fire, and silences; reached as Prometheus is"),
    "grafana_url": ("where an image is given", "dashboards; reached as Prometheus is"),
    "grafana_admin_password": ("where an image is given", "of its user `admin`, a secret"),
    "object_store_url": ("local", "the S3 server that stands for AWS's"),
    "object_store_access_key_id": ("local", "who may use it"),
    "object_store_secret_access_key": ("local", "what they sign with, a secret"),
    "region": ("aws", "that the stack is in"),
    "cluster_name": ("aws", "of EKS, as `aws eks update-kubeconfig --name` takes it"),
    "kubeconfig": (
        "all",
        "on AWS a secret that asks the AWS CLI for a token; `make outputs` gives a file's path on `local`",
    ),
    "repository_urls": ("aws", "of each service's images"),
    "images": ("aws", "that each service runs, by digest"),
    "bucket_names": ("aws", "of `models` and `predictions`"),
    "load_balancers": ("aws", "where the DNS records of public endpoints must lead"),
}
"""Every output with the platforms that have it and what it says; a test holds stacks against it."""


@dataclass(frozen=True, kw_only=True)
class StackOutputs:
    """The outputs of every stack.

    Attributes:
        scoring_urls: model name to where it is asked for predictions, with `POST <url>/v1/predict`.
        retraining_url: where runs are listed, with `GET <url>/v1/runs`, and asked for, with `POST <url>/v1/retrain`;
            both want the token of the Secret `retraining-webhook`.
        monitoring_urls: `prometheus`, `alertmanager` and, where it runs, `grafana`, for those who run the stack.
        drift_url: what drifted: `/report/<model>` for people, `/v1/results?model=` as JSON; none where it is off.
        dask_dashboard_url: of the Dask cluster; none where nothing asks for one.
        grafana_admin_password: of Grafana's user `admin`, a secret; none where it does not run.
        platform: outputs that only the platform at hand has; see its class.
    """

    scoring_urls: Mapping[str, pulumi.Output[str]]
    retraining_url: pulumi.Output[str]
    monitoring_urls: Mapping[str, pulumi.Output[str]]
    drift_url: pulumi.Output[str] | None = None
    dask_dashboard_url: pulumi.Output[str] | None = None
    grafana_admin_password: pulumi.Output[str] | None = None
    platform: Mapping[str, pulumi.Input[object]] = field(default_factory=dict)

    @property
    def scoring_url(self) -> pulumi.Output[str]:
        """Where the first model of the configuration is asked: the whole answer where a stack serves one model."""
        return next(iter(self.scoring_urls.values()))

    def export(self) -> None:
        """Makes them outputs of the stack that is running."""
        pulumi.export("scoring_url", self.scoring_url)
        pulumi.export("scoring_urls", self.scoring_urls)
        pulumi.export("retraining_url", self.retraining_url)
        for name, url in self.monitoring_urls.items():
            pulumi.export(f"{name}_url", url)
        if self.drift_url is not None:
            pulumi.export("drift_url", self.drift_url)
        if self.dask_dashboard_url is not None:
            pulumi.export("dask_dashboard_url", self.dask_dashboard_url)
        if self.grafana_admin_password is not None:
            pulumi.export("grafana_admin_password", self.grafana_admin_password)
        for name, value in self.platform.items():
            pulumi.export(name, value)
