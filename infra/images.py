"""The services' images, built from this checkout."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import pulumi
import pulumi_docker_build as docker_build

from infra.platform import Service

BUILD_CONTEXT: Final = ".."
"""The repository's root as seen from infra/, where Pulumi runs the program and its plugins (`main` in Pulumi.yaml).

Relative, so that a checkout elsewhere is no change to the stack.
"""


@dataclass(frozen=True, kw_only=True)
class ServiceImageArgs:
    """What to build and where to push it.

    Attributes:
        service: whose Dockerfile it is.
        repository: registry and path, without a tag.
        tag: a handle for people; pods name the digest.
        platforms: what to build for, such as `linux/arm64`; none is whatever builds.
        build_args: values of the Dockerfile's ARGs.
    """

    service: Service
    repository: pulumi.Input[str]
    tag: str
    platforms: Sequence[docker_build.Platform] = ()
    build_args: Mapping[str, str] = field(default_factory=dict)


class ServiceImage(pulumi.ComponentResource):
    """A service's image in a registry."""

    reference: pulumi.Output[str]
    """Repository and digest: what a pod runs does not change when a tag is moved."""

    def __init__(self, name: str, args: ServiceImageArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Builds the image, and pushes it."""
        super().__init__("realtime-ml:images:ServiceImage", name, None, opts)
        image = docker_build.Image(
            name,
            # A preview needs neither Docker nor a registry.
            build_on_preview=False,
            build_args=args.build_args or None,
            context={"location": BUILD_CONTEXT},
            dockerfile={"location": f"{BUILD_CONTEXT}/services/{args.service}/Dockerfile"},
            platforms=args.platforms or None,
            push=True,
            tags=[pulumi.Output.concat(args.repository, ":", args.tag)],
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.reference = pulumi.Output.concat(args.repository, "@", image.digest)
        self.register_outputs({"reference": self.reference})
