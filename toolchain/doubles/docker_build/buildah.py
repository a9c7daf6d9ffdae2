"""Runs buildah."""

import base64
import json
import os
import shutil
import subprocess
import tempfile
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from toolchain.doubles.docker_build.image import Credentials, Image, is_local
from toolchain.doubles.errors import RefusedError

_LINES_OF_A_FAILURE = 15
_REGISTRIES_VARIABLE, _REGISTRIES_DEFAULT = "CONTAINERS_REGISTRIES_CONF", "/etc/containers/registries.conf"


@dataclass(slots=True)
class Buildah:
    """Builds and pushes; several builds may run at once."""

    _running: set[subprocess.Popen[str]] = field(default_factory=set)

    def build(self, image: Image, tell: Callable[[str], None], *, push: bool) -> str:
        """Builds an image and pushes it under its tags; gives the digest of its manifest.

        Args:
            image: what to build.
            tell: shows a line of output.
            push: whether it is pushed.

        Raises:
            RefusedError: buildah is missing or failed; its last lines are in the message.
        """
        program = os.environ.get("TOOLCHAIN_BUILDAH") or shutil.which("buildah")
        if program is None:
            message = "buildah is not on PATH, and TOOLCHAIN_BUILDAH does not name it: run `make tools`, or install it"
            raise RefusedError(message)
        with tempfile.TemporaryDirectory(prefix="docker-build-") as folder:
            scratch = Path(folder)
            environment = _environment(image, scratch / "registries.conf")
            self._run([program, *build_arguments(image, scratch / "id")], tell, environment)
            identifier = (scratch / "id").read_text().strip()
            if not push:
                inspected = self._run(
                    [program, "inspect", "--type=image", "--format={{.FromImageDigest}}", identifier], tell
                )
                return inspected[-1] if inspected else identifier
            if image.credentials:
                _write_credentials(scratch / "auth.json", image.credentials)
            for tag in image.tags:
                self._run([program, *push_arguments(image, identifier, tag, scratch)], tell)
            return (scratch / "digest").read_text().strip()

    def cancel(self) -> None:
        """Ends the builds that run."""
        for process in list(self._running):
            process.terminate()

    def _run(
        self, command: Sequence[str], tell: Callable[[str], None], environment: Mapping[str, str] = os.environ
    ) -> list[str]:
        last: deque[str] = deque(maxlen=_LINES_OF_A_FAILURE)
        with subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
        ) as process:
            self._running.add(process)
            try:
                for line in process.stdout or ():
                    if text := line.rstrip():
                        last.append(text)
                        tell(text)
            finally:
                self._running.discard(process)
        if process.returncode != 0:
            output = "\n  ".join(last) or "(it printed nothing)"
            message = f"`buildah {command[1]}` exited with {process.returncode}; it printed last:\n  {output}"
            raise RefusedError(message)
        return list(last)


def build_arguments(image: Image, id_file: Path) -> list[str]:
    """The arguments that build an image (pure, but for a look for .dockerignore).

    Isolation by chroot and the machine's network, for this also runs where containers cannot be nested.
    """
    rules = image.context.ignore_file
    return [
        "build",
        "--isolation=chroot",
        "--network=host",
        "--layers",
        # Otherwise a build that fails leaves a container behind, and its mount.
        "--force-rm",
        f"--file={image.context.dockerfile}",
        f"--iidfile={id_file}",
        *(["--ignorefile", str(rules)] if rules else []),
        *(["--target", image.target] if image.target else []),
        *(["--platform", image.platform] if image.platform else []),
        *(["--no-cache"] if image.no_cache else []),
        *(["--pull-always"] if image.pull else []),
        *(f"--build-arg={key}={value}" for key, value in sorted(image.build_args.items())),
        *(f"--label={key}={value}" for key, value in sorted(image.labels.items())),
        *(f"--tag={tag}" for tag in image.tags),
        str(image.context.folder),
    ]


def push_arguments(image: Image, identifier: str, tag: str, scratch: Path) -> list[str]:
    """The arguments that push an image under one of its tags (pure)."""
    return [
        "push",
        f"--digestfile={scratch / 'digest'}",
        *(["--tls-verify=false"] if is_local(tag) else []),
        *([f"--authfile={scratch / 'auth.json'}"] if image.credentials else []),
        identifier,
        f"docker://{tag}",
    ]


def plain_http(settings: str, images: Iterable[str]) -> str:
    """The content of a registries.conf that lets bases come from registries on this machine over plain HTTP (pure).

    Args:
        settings: the content that held so far; what it says of a registry stays.
        images: what may name a base.
    """
    registries = dict.fromkeys(image.partition("/")[0] for image in images if is_local(image))
    unknown = [registry for registry in registries if f'location = "{registry}"' not in settings]
    return settings + "".join(f'\n[[registry]]\nlocation = "{name}"\ninsecure = true\n' for name in unknown)


def _environment(image: Image, path: Path) -> dict[str, str]:
    """The environment of a build; the flag that switches TLS off would do so for every registry."""
    current = Path(os.environ.get(_REGISTRIES_VARIABLE) or _REGISTRIES_DEFAULT)
    path.write_text(plain_http(current.read_text() if current.exists() else "", image.build_args.values()))
    return {**os.environ, _REGISTRIES_VARIABLE: str(path)}


def _write_credentials(path: Path, credentials: Sequence[Credentials]) -> None:
    """A file, not arguments, which every process of the machine could read."""
    tokens = {
        entry.registry: {"auth": base64.b64encode(f"{entry.username}:{entry.password}".encode()).decode()}
        for entry in credentials
    }
    path.touch(mode=0o600)
    path.write_text(json.dumps({"auths": tokens}))
