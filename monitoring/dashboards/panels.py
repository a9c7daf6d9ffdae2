"""What each dashboard shows: a row a panel."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

ENVIRONMENT: Final = "${environment}"
"""The data source that the reader chooses: each environment has one."""


@dataclass(frozen=True)
class Panel:
    """One query over time.

    Attributes:
        title: what it shows, in words.
        unit: as Grafana names it.
        query: PromQL; `$model` is the chosen models.
        legend: of each series.
        source: the data source that is asked.
    """

    title: str
    unit: str
    query: str
    legend: str = "{{model}}"
    source: str = ENVIRONMENT


@dataclass(frozen=True)
class Annotation:
    """Moments that every panel of a dashboard marks.

    Attributes:
        title: what happened then.
        query: PromQL that has a series only then; `$model` is the chosen models.
        legend: of each mark.
        source: the data source that is asked.
    """

    title: str
    query: str
    legend: str
    source: str = ENVIRONMENT


@dataclass(frozen=True)
class Dashboard:
    """A page of panels.

    Attributes:
        uid: its name in links.
        title: its name for people.
        panels: from the top.
        needs: exporters without which it would be empty.
        annotations: what its panels mark.
    """

    uid: str
    title: str
    panels: Sequence[Panel]
    needs: frozenset[str] = frozenset()
    annotations: Sequence[Annotation] = ()

    @property
    def shown(self) -> list[Panel | Annotation]:
        """Everything on it that asks a data source."""
        return [*self.panels, *self.annotations]


_M: Final = 'model=~"$model"'
_GPU: Final = "{{node}} {{gpu}}"
_PREDICT: Final = f'{_M}, route=~"/v1/(predict|rank)"'

DASHBOARDS: Final = (
    Dashboard(
        "fleet",
        "Fleet overview",
        [
            Panel("Requests for predictions", "reqps", f"model:scoring_requests:rate5m{{{_M}}}"),
            Panel("Requests that end in an error", "percentunit", f"model:scoring_errors:ratio_rate5m{{{_M}}}"),
            Panel("Latency, 99th percentile", "s", f"model:scoring_latency_seconds:p99_5m{{{_M}}}"),
            Panel("Replicas that serve", "short", f"count by (model) (scoring_model_info{{{_M}}})"),
            Panel("Columns that drift", "percentunit", f"model:drifted_columns:ratio{{{_M}}}"),
            Panel(
                "Alerts that fire",
                "short",
                'sum by (alertname) (ALERTS{alertstate="firing", severity=~"critical|warning"})',
                "{{alertname}}",
            ),
        ],
    ),
    Dashboard(
        "scoring",
        "Scoring",
        [
            Panel(
                "Requests by status",
                "reqps",
                f"sum by (model, status) (rate(scoring_request_duration_seconds_count{{{_PREDICT}}}[5m]))",
                "{{model}} {{status}}",
            ),
            Panel(
                "Latency, median",
                "s",
                "histogram_quantile(0.5, sum by (model, le) "
                f"(rate(scoring_request_duration_seconds_bucket{{{_PREDICT}}}[5m])))",
            ),
            Panel("Answers slower than 100 ms", "percentunit", f"model:scoring_slow:ratio_rate5m{{{_M}}}"),
            Panel(
                "Time in the model, 99th percentile",
                "s",
                "histogram_quantile(0.99, sum by (model, le) "
                f"(rate(scoring_predictor_duration_seconds_bucket{{{_M}}}[5m])))",
            ),
            Panel("Requests in flight", "short", f"sum by (model) (scoring_requests_in_flight{{{_M}}})"),
            Panel(
                "Rows predicted",
                "rowsps",
                f"sum by (model, version) (rate(scoring_predictions_total{{{_M}}}[5m]))",
                "{{model}} {{version}}",
            ),
            Panel("Age of the oldest unstored record", "s", f"model:scoring_log_lag_seconds:max{{{_M}}}"),
            Panel(
                "Records of the prediction log",
                "cps",
                f"sum by (model, outcome) (rate(scoring_log_records_total{{{_M}}}[5m]))",
                "{{model}} {{outcome}}",
            ),
        ],
    ),
    Dashboard(
        "model-quality",
        "Model quality",
        [
            Panel(
                "Performance, estimated and realized",
                "none",
                "max by (model, family, method) "
                f'(drift_value{{{_M}, family=~"estimated_performance|realized_performance"}})',
                "{{model}} {{method}} {{family}}",
            ),
            Panel(
                "Drift by column",
                "none",
                f'max by (model, column, method) (drift_value{{{_M}, family="univariate"}})',
                "{{model}} {{column}} {{method}}",
            ),
            Panel(
                "Drift of all columns together",
                "none",
                f'max by (model, method) (drift_value{{{_M}, family="multivariate"}})',
                "{{model}} {{method}}",
            ),
            Panel(
                "Predictions without an outcome", "percentunit", f"max by (model) (drift_targets_missing_ratio{{{_M}}})"
            ),
            Panel(
                "Time since the last evaluation",
                "s",
                f"time() - max by (model) (drift_last_evaluation_timestamp_seconds{{{_M}}})",
            ),
        ],
        annotations=[
            Annotation(
                "A version begins to serve",
                # Not known for ten minutes before: a missed scrape or a pod that starts anew is no new version.
                f"count by (model, version) (scoring_model_info{{{_M}}})"
                f" unless count by (model, version) (last_over_time(scoring_model_info{{{_M}}}[10m] offset 1m))",
                "{{model}}: version {{version}}",
            )
        ],
    ),
    Dashboard(
        "retraining",
        "Retraining",
        [
            Panel(
                "Runs by outcome, within a day",
                "short",
                f"sum by (model, outcome) (increase(retraining_runs_total{{{_M}}}[1d]))",
                "{{model}} {{outcome}}",
            ),
            Panel(
                "Decisions, within a day",
                "short",
                f"sum by (model, trigger, decision) (increase(retraining_decisions_total{{{_M}}}[1d]))",
                "{{model}} {{trigger}} {{decision}}",
            ),
            Panel(
                "Age of the champion",
                "s",
                f"time() - max by (model) (retraining_champion_created_timestamp_seconds{{{_M}}})",
            ),
            Panel("Runs under way", "short", f"max by (model) (retraining_run_active{{{_M}}})"),
            Panel(
                "Share of the requests on trial",
                "percentunit",
                f"max by (model, version, mode) (retraining_rollout_share{{{_M}}})",
                "{{model}} {{version}} {{mode}}",
            ),
            Panel(
                "Scored on trial, by version",
                "reqps",
                f"sum by (model, version, role, outcome) (rate(scoring_trial_requests_total{{{_M}}}[5m]))",
                "{{model}} {{version}} {{role}} {{outcome}}",
            ),
        ],
    ),
    Dashboard(
        "nodes",
        "Nodes",
        [
            Panel(
                "Processors in use",
                "percentunit",
                '1 - avg by (instance) (rate(node_cpu_seconds_total{mode="idle"}[5m]))',
                "{{instance}}",
            ),
            Panel(
                "Memory in use",
                "percentunit",
                "1 - min by (instance) (node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes)",
                "{{instance}}",
            ),
            Panel(
                "Pods without a node", "short", "sum by (namespace) (kube_pod_status_unschedulable)", "{{namespace}}"
            ),
            Panel(
                "Of the nodes' cores and memory, asked for by pods",
                "percentunit",
                'sum by (resource) (kube_pod_container_resource_requests{resource=~"cpu|memory"})'
                ' / sum by (resource) (kube_node_status_allocatable{resource=~"cpu|memory"})',
                "{{resource}}",
            ),
            Panel("Nodes by type", "short", "count by (product_name) (node_dmi_info)", "{{product_name}}"),
            Panel(
                "Cost of nodes an hour, on demand",
                "currencyUSD",
                "sum by (family) (instance:cost_usd:per_hour)",
                "{{family}}",
            ),
            Panel(
                "Cost of nodes for a million predictions",
                "currencyUSD",
                "sum(instance:cost_usd:per_hour) / 3600 * 1e6 / (sum(rate(scoring_predictions_total[1h])) > 0)",
                "all models",
            ),
            Panel(
                "Nodes without a price, which no cost counts",
                "short",
                "count by (product_name) (node_dmi_info unless on (instance) instance:cost_usd:per_hour)",
                "{{product_name}}",
            ),
        ],
        frozenset({"kube-state-metrics", "node-exporter"}),
    ),
    Dashboard(
        "gpu",
        "GPUs",
        [
            Panel("GPUs in use", "percent", "max by (node, gpu) (DCGM_FI_DEV_GPU_UTIL)", _GPU),
            Panel(
                "Memory of GPUs in use",
                "percentunit",
                "max by (node, gpu) (DCGM_FI_DEV_FB_USED / (DCGM_FI_DEV_FB_FREE + DCGM_FI_DEV_FB_USED))",
                _GPU,
            ),
            Panel("Temperature", "celsius", "max by (node, gpu) (DCGM_FI_DEV_GPU_TEMP)", _GPU),
            Panel("Power", "watt", "max by (node, gpu) (DCGM_FI_DEV_POWER_USAGE)", _GPU),
            Panel(
                "Time that heat slows them",
                "percentunit",
                "max by (node, gpu) (rate(DCGM_FI_DEV_THERMAL_VIOLATION[5m])) / 1e9",
                _GPU,
            ),
            Panel(
                "Cost of GPU nodes an hour, on demand",
                "currencyUSD",
                "sum by (product_name) (instance:cost_usd:per_hour and on (instance) instance:gpus:count)",
                "{{product_name}}",
            ),
        ],
        frozenset({"dcgm-exporter", "node-exporter"}),
    ),
)
