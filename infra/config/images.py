"""Where third-party images are had."""

from typing import Annotated

from pydantic import Field

from infra.config.fields import ImageReference
from infra.section import Section
from infra.versions import THIRD_PARTY_IMAGES, ThirdPartyImage


class ThirdPartyImages(Section):
    """Other places to have the third-party images from, such as a mirror."""

    alertmanager: ImageReference = THIRD_PARTY_IMAGES[ThirdPartyImage.ALERTMANAGER]
    dcgm_exporter: ImageReference = THIRD_PARTY_IMAGES[ThirdPartyImage.DCGM_EXPORTER]
    grafana: Annotated[
        ImageReference | None,
        Field(description="unset: none, because the embedded node has no way to get it; Grafana is left out"),
    ] = None
    prometheus: ImageReference = THIRD_PARTY_IMAGES[ThirdPartyImage.PROMETHEUS]
    versitygw: ImageReference = THIRD_PARTY_IMAGES[ThirdPartyImage.VERSITYGW]

    def reference(self, image: ThirdPartyImage) -> str:
        """Where an image is had."""
        return getattr(self, image) or THIRD_PARTY_IMAGES[image]
