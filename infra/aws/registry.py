"""Where the services' images are kept: an ECR repository a service."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pulumi
import pulumi_docker_build as docker_build
from pulumi_aws import ecr

from infra.aws.instance_families import Architecture
from infra.aws.policies import keep_images, text
from infra.config.aws import AwsConfig
from infra.images import ServiceImage, ServiceImageArgs
from infra.platform import Service

_ROOT: Final = Path(__file__).parents[2]
_SOURCES: Final = ("services", "models")
"""What `.dockerignore` lets an image's build see."""

_KEPT_IMAGES: Final = 100
"""Two architectures, what joins them and how they were built are five images a push: some twenty deployments."""

_TAG_LENGTH: Final = 16
_PLATFORMS: Final[dict[Architecture, docker_build.Platform]] = {
    "amd64": docker_build.Platform.LINUX_AMD64,
    "arm64": docker_build.Platform.LINUX_ARM64,
}


def content_tag(root: Path, architectures: Sequence[str]) -> str:
    """A tag that is another whenever what is built is: tags of these repositories are never moved."""
    digest = hashlib.sha256(" ".join(sorted(architectures)).encode())
    for folder in _SOURCES:
        for file in sorted((root / folder).rglob("*")):
            if file.is_file() and "__pycache__" not in file.parts and file.suffix != ".pyc":
                content = hashlib.sha256(file.read_bytes()).hexdigest()
                digest.update(f"\n{file.relative_to(root).as_posix()} {content}".encode())
    return digest.hexdigest()[:_TAG_LENGTH]


@dataclass(frozen=True, kw_only=True)
class RepositoryArgs:
    """What is kept where.

    Attributes:
        config: of the environment.
        service: whose images they are.
        architectures: what its pods may run on.
    """

    config: AwsConfig
    service: Service
    architectures: Sequence[Architecture]


class Repository(pulumi.ComponentResource):
    """A service's repository, and the image of this checkout in it.

    Pushing takes the credentials that Docker has for the registry (`docker login`, or AWS's credential helper): a token
    in the program would be a look-up, and a change at every `up`.
    """

    url: pulumi.Output[str]
    reference: pulumi.Output[str]
    """The image by its digest."""

    def __init__(self, name: str, args: RepositoryArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Makes the repository, and pushes to it."""
        super().__init__("realtime-ml:aws:Repository", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        repository = ecr.Repository(
            name,
            name=f"{args.config.name}/{args.service}",
            image_tag_mutability="IMMUTABLE",
            image_scanning_configuration={"scan_on_push": True},
            encryption_configurations=[{"encryption_type": "AES256"}],
            # Images can be built again; a protected environment is taken down by hand and in steps.
            force_delete=not args.config.protect,
            opts=child,
        )
        ecr.LifecyclePolicy(name, repository=repository.name, policy=text(keep_images(_KEPT_IMAGES)), opts=child)
        self.url = repository.repository_url
        tag = content_tag(_ROOT, args.architectures)
        # A tag is its content's and never moves: what the other environment has under it was built from this checkout.
        source = None if args.config.images_from is None else f"{args.config.images_from}/{args.service}:{tag}"
        image = ServiceImage(
            name,
            ServiceImageArgs(
                service=args.service,
                repository=repository.repository_url,
                tag=tag,
                source=source,
                platforms=[_PLATFORMS[architecture] for architecture in args.architectures],
            ),
            child,
        )
        self.reference = image.reference
        self.register_outputs({"url": self.url, "reference": self.reference})
