"""Every version that the stack pins, in one place: third-party images and Kubernetes."""

from enum import StrEnum
from typing import Final

KUBERNETES_VERSION: Final = "1.34"
"""Minor version of the clusters the stack is written for; the Pod Security level of every namespace is pinned to it."""


class ThirdPartyImage(StrEnum):
    """An image that the stack runs and does not build; the value is its name in the configuration."""

    ALERTMANAGER = "alertmanager"
    DCGM_EXPORTER = "dcgm_exporter"
    GRAFANA = "grafana"
    PROMETHEUS = "prometheus"
    VERSITYGW = "versitygw"


THIRD_PARTY_IMAGES: Final[dict[ThirdPartyImage, str]] = {
    # The newest whose Go module holds its pages, so that it is the same one on the embedded node.
    ThirdPartyImage.ALERTMANAGER: "quay.io/prometheus/alertmanager:v0.31.1",
    ThirdPartyImage.DCGM_EXPORTER: "nvcr.io/nvidia/k8s/dcgm-exporter:4.6.0-4.8.3-distroless",
    ThirdPartyImage.GRAFANA: "docker.io/grafana/grafana:12.3.1",
    ThirdPartyImage.PROMETHEUS: "quay.io/prometheus/prometheus:v3.16.0",
    ThirdPartyImage.VERSITYGW: "docker.io/versity/versitygw:v1.8.0",
}
"""Where each image is had when the configuration names no other."""
