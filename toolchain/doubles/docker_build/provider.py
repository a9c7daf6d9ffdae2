"""The stand-in's answers to the engine; what it promises is in the package's documentation."""

import hashlib
import json
import os

from toolchain.doubles.changes import compare
from toolchain.doubles.docker_build.buildah import Buildah
from toolchain.doubles.docker_build.image import CONTEXT_HASH, parse, with_hash
from toolchain.doubles.docker_build.registry import is_in_registry
from toolchain.doubles.engine import EngineLog, Severity
from toolchain.doubles.errors import InvalidInputsError, RefusedError
from toolchain.doubles.properties import UNKNOWN, Properties, contains_unknown
from toolchain.doubles.provider import Difference, Live, Naming, Operation, Provider, Resource

RECORD_VARIABLE = "DOCKER_BUILD_DOUBLE_RECORD"
_IMAGE = "docker-build:index:Image"
_INDEX = "docker-build:index:Index"


class DockerBuildProvider(Provider):
    """Images, built here and kept in a registry."""

    plugin = "pulumi-resource-docker-build"
    version = "0.0.22"

    def __init__(self, log: EngineLog) -> None:
        """Needs nothing until an image is built."""
        super().__init__(log)
        self._buildah = Buildah()
        self._records = os.environ.get(RECORD_VARIABLE) == "true"

    def check_config(self, inputs: Properties) -> Properties:
        """See `Provider`."""
        if inputs.get("host"):
            raise InvalidInputsError({"host": "names a Docker daemon; the stand-in builds without one: leave it out"})
        return inputs

    def configure(self, inputs: Properties) -> None:  # noqa: ARG002 - it takes no settings
        """See `Provider`."""
        if self._records:
            message = (
                f"no image is built or pushed: only a digest is recorded for each (asked for by {RECORD_VARIABLE})"
            )
            self.log.log(Severity.INFO, message)

    def check(self, resource: Resource, old: Properties, new: Properties, names: Naming) -> Properties:  # noqa: ARG002
        """See `Provider`."""
        if resource.token == _INDEX:
            return new
        if resource.token != _IMAGE:
            raise InvalidInputsError(
                {"": f"{resource.token} is not offered by the stand-in; only {_IMAGE} and {_INDEX} are"}
            )
        return with_hash(new, any_platforms=self._records)

    def diff(
        self,
        resource: Resource,  # noqa: ARG002 - images differ by their inputs alone
        old_inputs: Properties,
        old_outputs: Properties,  # noqa: ARG002 - as above
        new: Properties,
    ) -> Difference:
        """See `Provider`."""
        return Difference(compare(old_inputs, new))

    def create(self, resource: Resource, inputs: Properties, operation: Operation) -> tuple[str, Properties]:
        """See `Provider`."""
        if resource.token == _INDEX:
            return resource.name, {**inputs, "ref": self._copied(inputs, operation)}
        if operation.preview and (contains_unknown(inputs) or not parse(inputs).build_on_preview):
            return resource.name, {**inputs, "digest": UNKNOWN, "ref": UNKNOWN}
        image = parse(inputs)
        push = image.push and not operation.preview
        if self._records:
            digest = _recorded_digest(inputs)
        else:
            digest = self._buildah.build(image, lambda line: self.log.status(line, resource.urn), push=push)
        reference = f"{image.tags[0]}@{digest}" if image.tags else digest
        return resource.name, {**inputs, "digest": digest, "ref": reference}

    def update(
        self,
        resource: Resource,
        identifier: str,  # noqa: ARG002 - an update is a build like the first
        outputs: Properties,  # noqa: ARG002 - as above
        inputs: Properties,
        operation: Operation,
    ) -> Properties:
        """See `Provider`."""
        return self.create(resource, inputs, operation)[1]

    def read(self, resource: Resource, identifier: str, inputs: Properties, outputs: Properties) -> Live:
        """See `Provider`; an image that was never pushed counts as there."""
        if not inputs:
            message = (
                f"{resource.name}: images cannot be imported, for a registry does not know what they were made from"
            )
            raise RefusedError(message)
        if resource.token == _INDEX:
            return Live(identifier, inputs, outputs)
        if inputs.get("push") and not self._records and not is_in_registry(str(outputs["ref"])):
            return Live()
        # The hash stays as recorded: what became of the files since is for the next preview to say.
        return Live(identifier, {**inputs, CONTEXT_HASH: outputs.get(CONTEXT_HASH)}, outputs)

    def delete(self, resource: Resource, identifier: str, outputs: Properties, operation: Operation) -> None:
        """See `Provider`; the registry keeps what it has, for others may run it."""

    def _copied(self, inputs: Properties, operation: Operation) -> object:
        if operation.preview:
            return UNKNOWN
        if not self._records:
            message = (
                f"{inputs['sources']}: the stand-in copies no images between registries: install the official plugin"
            )
            raise RefusedError(message)
        return f"{inputs['tag']}@{_recorded_digest({'sources': inputs['sources']})}"

    def cancel(self) -> None:
        """See `Provider`."""
        self._buildah.cancel()


def _recorded_digest(inputs: Properties) -> str:
    """A digest that is another whenever the image would be."""
    return f"sha256:{hashlib.sha256(json.dumps(inputs, sort_keys=True, default=str).encode()).hexdigest()}"
