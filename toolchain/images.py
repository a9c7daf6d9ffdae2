"""Images for the embedded node, built from tools and Debian packages because no image registry need be reachable.

Each stands in for an image of the same content elsewhere; on any other cluster the stack uses the official ones.
"""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx

from toolchain.install import install, sha256
from toolchain.paths import cache_dir
from toolchain.process import run
from toolchain.progress import step

_DEBIAN_RELEASE = "bookworm"
# What `python:3.11-slim-bookworm` has that the services' Dockerfiles rely on.
_BASE_PACKAGES = ("ca-certificates", "libgomp1", "python3", "python3-venv")
_CERTIFICATES = "etc/ssl/certs/ca-certificates.crt"


@dataclass(frozen=True)
class Image:
    """An image of the embedded node.

    Attributes:
        name: its name in the registry.
        recipe: Dockerfile; `BASE` stands for the base image.
        files: by name in the build context, the file or folder that is copied there.
        expected_seconds: how long it builds.
    """

    name: str
    recipe: str
    files: Mapping[str, Path]
    expected_seconds: float = 10


def system_images(tools: Mapping[str, Path]) -> tuple[Image, ...]:
    """The images that a node needs before any stack: each a static program and nothing else."""
    names = {
        "pause": "65535:65535",
        "coredns": "65532:65532",
        "metrics-server": "65532:65532",
        "local-path-provisioner": "0:0",
    }
    return tuple(
        Image(name, f'FROM scratch\nCOPY {name} /{name}\nUSER {user}\nENTRYPOINT ["/{name}"]\n', {name: tools[name]})
        for name, user in names.items()
    )


def stack_images(tools: Mapping[str, Path]) -> tuple[Image, ...]:
    """The third-party images of the stack, with entry points, users and paths as the official ones have them."""
    return (
        Image(
            "versitygw",
            'FROM BASE\nCOPY versitygw /usr/local/bin/versitygw\nENTRYPOINT ["/usr/local/bin/versitygw"]\n',
            {"versitygw": tools["versitygw"]},
        ),
        Image(
            "alertmanager",
            "FROM scratch\nCOPY alertmanager /bin/alertmanager\nUSER 65534:65534\n"
            'WORKDIR /alertmanager\nENTRYPOINT ["/bin/alertmanager"]\n',
            {"alertmanager": tools["alertmanager"]},
        ),
        Image(
            "prometheus",
            "FROM scratch\nCOPY prometheus /bin/prometheus\nUSER 65534:65534\n"
            'WORKDIR /prometheus\nENTRYPOINT ["/bin/prometheus"]\n',
            {"prometheus": tools["prometheus"]},
        ),
    )


def provide(registry: str, images: tuple[Image, ...], base: str = "") -> dict[str, str]:
    """Build whichever of these images the registry lacks, push them, and return the reference of each.

    Args:
        registry: the registry's address.
        images: what to provide.
        base: reference of the base image, for recipes that start from it.
    """
    references = {image.name: reference(registry, image, base) for image in images}
    for image in images:
        if not _is_in_registry(references[image.name]):
            with (
                step(f"image {image.name}", image.expected_seconds),
                tempfile.TemporaryDirectory(prefix="image-") as context,
            ):
                for name, source in image.files.items():
                    _place(source, Path(context, name))
                Path(context, "Dockerfile").write_text(_recipe(image, base), encoding="utf-8")
                _build(image.name, references[image.name], Path(context))
    return references


def reference(registry: str, image: Image, base: str = "") -> str:
    """The reference of an image in a registry; its tag changes when the image does."""
    digest = hashlib.sha256(_recipe(image, base).encode())
    for name, source in sorted(image.files.items()):
        # A folder comes from a package, whose own folder is named after what it holds.
        digest.update(f"{name} {sha256(source) if source.is_file() else source}".encode())
    return f"{registry}/{image.name}:{digest.hexdigest()[:12]}"


def provide_base(registry: str) -> str:
    """Make the base image that stands in for `python:3.11-slim-bookworm`, and return its reference."""
    archive = base_file_system()
    recipe = f"FROM scratch\nADD {archive.name} /\n" + "".join(
        f"ENV {variable}=/{_CERTIFICATES}\n" for variable in ("PIP_CERT", "SSL_CERT_FILE")
    )
    image = Image("python", recipe, {archive.name: archive}, 40)
    return provide(registry, (image,))["python"]


def base_file_system() -> Path:
    """The base image's files as an archive, made when the cache has none."""
    archive = _base_archive()
    if not archive.exists():
        archive.parent.mkdir(parents=True, exist_ok=True)
        title, log = "file system of the base image", cache_dir() / "logs" / "debootstrap.log"
        with step(title, 60), tempfile.TemporaryDirectory(dir=archive.parent, prefix=".new-") as scratch:
            tree = Path(scratch, "tree")
            program = install(["debootstrap"])["debootstrap"]
            run(
                title,
                [program, "--variant=minbase", f"--include={','.join(_BASE_PACKAGES)}", _DEBIAN_RELEASE, tree],
                log,
            )
            # Behind a proxy with an authority of its own, pip in the image must trust what the machine trusts.
            shutil.copyfile(f"/{_CERTIFICATES}", tree / _CERTIFICATES)
            for waste in ("var/cache/apt", "var/lib/apt/lists", "usr/share/doc", "usr/share/locale", "usr/share/man"):
                shutil.rmtree(tree / waste, ignore_errors=True)
            packed = Path(scratch, archive.name)
            run(
                title,
                [
                    "tar",
                    "--create",
                    "--numeric-owner",
                    "--sort=name",
                    "--file",
                    packed,
                    "--directory",
                    tree,
                    "--exclude=./dev/*",
                    ".",
                ],
                log,
            )
            packed.rename(archive)
    return archive


def cached_base_file_system() -> Path | None:
    """The base image's files, where they were made before."""
    archive = _base_archive()
    return archive if archive.exists() else None


def _base_archive() -> Path:
    key = hashlib.sha256(f"{_DEBIAN_RELEASE} {_BASE_PACKAGES}".encode()).hexdigest()[:16]
    return cache_dir() / "images" / f"base-{key}.tar"


def builder() -> Path:
    """The buildah that keeps to our cache and leaves the machine's own containers and settings alone."""
    folder = cache_dir() / "containers"
    settings = folder / "settings"
    _keep(
        settings / "storage.conf",
        f'[storage]\ndriver = "overlay"\ngraphroot = "{folder / "storage"}"\nrunroot = "{folder / "run"}"\n',
    )
    _keep(settings / "registries.conf", 'unqualified-search-registries = ["docker.io"]\n')
    # Images are pinned and come from registries that the recipes name; nobody here signs them.
    _keep(
        settings / ".config" / "containers" / "policy.json",
        json.dumps({"default": [{"type": "insecureAcceptAnything"}]}),
    )
    program = settings / "buildah"
    _keep(
        program,
        f"""#!/bin/sh
export HOME="{settings}"
export CONTAINERS_STORAGE_CONF="$HOME/storage.conf" CONTAINERS_REGISTRIES_CONF="$HOME/registries.conf"
export BUILDAH_ISOLATION=chroot
exec "{install(["buildah"])["buildah"]}" "$@"
""",
    )
    program.chmod(0o755)
    return program


def _build(name: str, reference: str, context: Path) -> None:
    buildah, log = builder(), cache_dir() / "logs" / "images.log"
    run(f"image {name}", [buildah, "build", "--quiet", "--layers", "--network=host", "--tag", reference, context], log)
    run(f"image {name}", [buildah, "push", "--quiet", "--tls-verify=false", reference], log)


def _recipe(image: Image, base: str) -> str:
    return image.recipe.replace("BASE", base)


def _is_in_registry(reference: str) -> bool:
    registry, _, rest = reference.partition("/")
    name, _, tag = rest.rpartition(":")
    accept = "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json"
    return httpx.head(f"http://{registry}/v2/{name}/manifests/{tag}", headers={"Accept": accept}, timeout=10).is_success


def _place(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, symlinks=True, ignore_dangling_symlinks=True)
    else:
        try:
            os.link(source, target)
        except OSError:  # another file system
            shutil.copy2(source, target)


def _keep(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")
