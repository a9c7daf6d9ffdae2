"""The services' images, built from this checkout."""

import shutil
import subprocess
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


_PLUGIN: Final = "pulumi-resource-docker-build"
_DOCKER_SECONDS: Final = 20


def require_builder() -> None:
    """Makes sure that images can be built, before anything else is made.

    A plugin on PATH brings what it builds with; Pulumi's own asks Docker.

    Raises:
        pulumi.RunError: there is no Docker, or it does not answer.
    """
    if shutil.which(_PLUGIN) is not None:
        return
    try:
        subprocess.run(["docker", "info"], check=True, capture_output=True, timeout=_DOCKER_SECONDS)  # noqa: S607
    except (OSError, subprocess.SubprocessError) as error:
        message = f"images cannot be built, nothing was changed: Docker does not answer ({error}); install or start it"
        raise pulumi.RunError(message) from None


@dataclass(frozen=True, kw_only=True)
class ServiceImageArgs:
    """What to build and where to push it.

    Attributes:
        service: whose Dockerfile it is.
        repository: registry and path, without a tag.
        tag: a handle for people; pods name the digest.
        platforms: what to build for, such as `linux/arm64`; none is whatever builds.
        build_args: values of the Dockerfile's ARGs.
        source: repository and tag of the image where it was built and tried before: it is copied from there, not built.
    """

    service: Service
    repository: pulumi.Input[str]
    tag: str
    platforms: Sequence[docker_build.Platform] = ()
    build_args: Mapping[str, str] = field(default_factory=dict)
    source: str | None = None


class ServiceImage(pulumi.ComponentResource):
    """A service's image in a registry."""

    reference: pulumi.Output[str]
    """Repository and digest: what a pod runs does not change when a tag is moved."""

    def __init__(self, name: str, args: ServiceImageArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Builds the image, or finds it where it was built, and pushes it."""
        super().__init__("realtime-ml:images:ServiceImage", name, None, opts)
        self.reference = self._build(name, args) if args.source is None else self._copy(name, args, args.source)
        self.register_outputs({"reference": self.reference})

    def _build(self, name: str, args: ServiceImageArgs) -> pulumi.Output[str]:
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
        return pulumi.Output.concat(args.repository, "@", image.digest)

    def _copy(self, name: str, args: ServiceImageArgs, source: str) -> pulumi.Output[str]:
        """Docker copies an index byte for byte, so that its digest stays the one that was tried."""
        index = docker_build.Index(
            name,
            sources=[source],
            tag=pulumi.Output.concat(args.repository, ":", args.tag),
            push=True,
            opts=pulumi.ResourceOptions(parent=self),
        )
        return index.ref
