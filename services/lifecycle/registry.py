"""The model registry: numbered versions that never change, and one pointer to the champion.

    <model>/versions/00000001/model.txt
    <model>/versions/00000001/manifest.json     written last; a version exists once this does
    <model>/champion.json                       {"version": 1}, moved by compare-and-swap

Nothing is ever overwritten or deleted but the pointer, so a writer that dies, or two that run at once, can leave a
number unused but never a version that is half one model and half another.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, ValidationError

from lifecycle.manifest import MODEL_FILE_NAME, Manifest, ModelFile, Version
from lifecycle.store import Blob, ObjectStore, ObjectTooLargeError

RefusalCause: TypeAlias = Literal[
    "champion_invalid",
    "manifest_missing",
    "manifest_invalid",
    "manifest_mismatch",
    "model_missing",
    "size_mismatch",
    "sha256_mismatch",
    "model_unreadable",
    "schema_mismatch",
    "parity_mismatch",
    "internal",
]

_POINTER_LIMIT_BYTES: Final = 4096
_MANIFEST_LIMIT_BYTES: Final = 16 * 1024 * 1024
_LAST_VERSION: Final = 99_999_999
_VERSION_FOLDER: Final = re.compile(r"^\d{8}$")


class ModelRefusedError(Exception):
    """What the registry holds is not the model it says it is."""

    def __init__(self, cause: RefusalCause, message: str, version: int | None = None) -> None:
        """Args: the cause, one of a fixed list; what was found and what was expected; the version, where known."""
        super().__init__(message)
        self.cause: Final = cause
        self.version: Final = version


@dataclass(frozen=True, slots=True)
class Champion:
    """The version that serves, and the tag of the pointer that says so.

    S3 makes the tag from the contents: a pointer that moved away and came back counts as one that never moved.
    """

    version: int
    e_tag: str


class ChampionChangedError(Exception):
    """Somebody else moved the champion pointer meanwhile."""

    def __init__(self, model: str, version: int, *, expected: Champion | None, found: Champion | None) -> None:
        """Args: the model, the version that was to be promoted, the champion that was expected and the one found."""
        was, now = ("none" if champion is None else f"version {champion.version}" for champion in (expected, found))
        super().__init__(f"version {version} of {model} was not promoted: the champion is {now}, expected was {was}")


class RegistryFullError(Exception):
    """Every version number is taken."""

    def __init__(self, model: str) -> None:
        """Args: the model's name."""
        super().__init__(f"{model} has no version number left after {_LAST_VERSION}")


@dataclass(frozen=True, slots=True)
class Published:
    """A version that is in the registry."""

    version: int
    created: bool
    """False when the same model was there already."""


@dataclass(frozen=True, slots=True)
class StoredModel:
    """A version's manifest and the text of its model, whose size and SHA-256 are those of the manifest."""

    manifest: Manifest
    text: str


class _Pointer(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    version: Version


class ModelRegistry:
    """The versions of one model. Every method may raise StoreUnavailableError."""

    def __init__(self, store: ObjectStore, model: str) -> None:
        """Args: the store that holds the registry, and the model's name."""
        self._store = store
        self.model: Final = model

    def champion(self) -> Champion | None:
        """The champion, or None before the first promotion.

        Raises:
            ModelRefusedError: the pointer is there but cannot be read.
        """
        try:
            blob = self._store.get(self._champion_key, limit_bytes=_POINTER_LIMIT_BYTES)
            if blob is None:
                return None
            return Champion(_Pointer.model_validate_json(blob.data).version, blob.e_tag)
        except (ValidationError, ObjectTooLargeError):
            message = f'{self._champion_key} must be {{"version": <number>}} and is not'
            raise ModelRefusedError("champion_invalid", message) from None

    def versions(self) -> list[int]:
        """The versions that exist, oldest first."""
        return [version for version in self._numbers() if self._store.exists(self._manifest_key(version))]

    def publish(self, text: bytes, describe: Callable[[int, ModelFile], Manifest]) -> Published:
        """Adds a version, unless the newest one is this very model.

        Safe at any interruption and beside other publishers. A number whose model file lies there without a manifest
        is taken over when the bytes are the same, and left unused when they differ: its writer may still be at work.

        Args:
            text: the model file.
            describe: makes the manifest for a version number and the facts of the file.

        Raises:
            RegistryFullError: no number is left.
        """
        file = ModelFile.of(text)
        newest = next((v for v in reversed(self._numbers()) if self._store.exists(self._manifest_key(v))), 0)
        if newest and self._holds(newest, file):
            return Published(newest, created=False)
        for version in range(newest + 1, _LAST_VERSION + 1):
            if not self._claim(version, text):
                continue
            if self._store.create(self._manifest_key(version), describe(version, file).to_json()):
                return Published(version, created=True)
            if self._holds(version, file):
                return Published(version, created=False)
        raise RegistryFullError(self.model)

    def promote(self, version: int, *, replacing: Champion | None) -> None:
        """Makes a version the champion if the champion is still the one that was seen.

        Args:
            version: the version that is to serve.
            replacing: what `champion()` gave when the decision was made.

        Raises:
            ChampionChangedError: it is another one by now; decide again.
        """
        pointer = _Pointer(version=version).model_dump_json().encode()
        if replacing is None:
            moved = self._store.create(self._champion_key, pointer)
        else:
            moved = self._store.replace(self._champion_key, pointer, replacing.e_tag)
        if moved:
            return
        current = self.champion()
        # A write whose answer was lost is retried and then meets its own result: that is a success.
        if current is None or current.version != version:
            raise ChampionChangedError(self.model, version, expected=replacing, found=current)

    def manifest(self, version: int) -> Manifest:
        """The manifest of a version.

        Raises:
            ModelRefusedError: it is missing, unreadable, or that of another model or version.
        """
        key = self._manifest_key(version)
        try:
            blob = self._store.get(key, limit_bytes=_MANIFEST_LIMIT_BYTES)
            if blob is None:
                raise ModelRefusedError("manifest_missing", f"{key} does not exist", version)
            manifest = Manifest.from_json(blob.data)
        except (ValueError, ObjectTooLargeError) as error:
            raise ModelRefusedError("manifest_invalid", f"{key}: {error}", version) from None
        if (manifest.model, manifest.version) != (self.model, version):
            found = f"{manifest.model} version {manifest.version}"
            raise ModelRefusedError("manifest_mismatch", f"{key} is that of {found}", version)
        return manifest

    def load(self, version: int) -> StoredModel:
        """A version, after its size and SHA-256 were checked against the manifest.

        Raises:
            ModelRefusedError: anything is missing or not as the manifest says.
        """
        manifest = self.manifest(version)
        blob = self._model_file(version, manifest.file)
        found = ModelFile.of(blob.data)
        if found.sha256 != manifest.file.sha256:
            message = f"{self._model_key(version)} has SHA-256 {found.sha256}, its manifest says {manifest.file.sha256}"
            raise ModelRefusedError("sha256_mismatch", message, version)
        try:
            return StoredModel(manifest, blob.data.decode())
        except UnicodeDecodeError:
            message = f"{self._model_key(version)} is not UTF-8 text"
            raise ModelRefusedError("model_unreadable", message, version) from None

    def _model_file(self, version: int, file: ModelFile) -> Blob:
        key = self._model_key(version)
        try:
            blob = self._store.get(key, limit_bytes=file.size_bytes)
        except ObjectTooLargeError as error:
            size_bytes = error.size_bytes
        else:
            if blob is None:
                raise ModelRefusedError("model_missing", f"{key} does not exist", version)
            if len(blob.data) == file.size_bytes:
                return blob
            size_bytes = len(blob.data)
        message = f"{key} has {size_bytes} bytes, its manifest says {file.size_bytes}"
        raise ModelRefusedError("size_mismatch", message, version)

    def _claim(self, version: int, text: bytes) -> bool:
        """Whether the model file of this number is now, or was already, exactly this one."""
        key = self._model_key(version)
        if self._store.create(key, text):
            return True
        try:
            there = self._store.get(key, limit_bytes=len(text))
        except ObjectTooLargeError:
            return False
        return there is not None and there.data == text

    def _holds(self, version: int, file: ModelFile) -> bool:
        """Whether this version is readable and has this very model file."""
        try:
            return self.manifest(version).file == file
        except ModelRefusedError:
            return False

    def _numbers(self) -> list[int]:
        """The version numbers in use, with a manifest or without, in numeric order."""
        folders = self._store.folders(f"{self.model}/versions")
        return sorted(int(folder) for folder in folders if _VERSION_FOLDER.match(folder))

    @property
    def _champion_key(self) -> str:
        return f"{self.model}/champion.json"

    def _model_key(self, version: int) -> str:
        return f"{self.model}/versions/{version:08d}/{MODEL_FILE_NAME}"

    def _manifest_key(self, version: int) -> str:
        return f"{self.model}/versions/{version:08d}/manifest.json"
