"""What a stack tells the world: its outputs, typed and documented."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import pulumi


@dataclass(frozen=True, kw_only=True)
class StackOutputs:
    """The outputs of every stack.

    Attributes:
        scoring_urls: model name to where it is asked for predictions, with `POST <url>/v1/predict`.
        prometheus_url: Prometheus' API and pages, for those who run the stack.
        platform: outputs that only the platform at hand has; see its class.
    """

    scoring_urls: Mapping[str, pulumi.Output[str]]
    prometheus_url: pulumi.Output[str]
    platform: Mapping[str, pulumi.Input[object]] = field(default_factory=dict)

    @property
    def scoring_url(self) -> pulumi.Output[str]:
        """Where the first model of the configuration is asked: the whole answer where a stack serves one model."""
        return next(iter(self.scoring_urls.values()))

    def export(self) -> None:
        """Makes them outputs of the stack that is running."""
        pulumi.export("scoring_url", self.scoring_url)
        pulumi.export("scoring_urls", self.scoring_urls)
        pulumi.export("prometheus_url", self.prometheus_url)
        for name, value in self.platform.items():
            pulumi.export(name, value)
