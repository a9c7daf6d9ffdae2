"""The model registry: numbered versions that never change, and one pointer to the champion.

    <model>/versions/00000001/model.txt
    <model>/versions/00000001/reference.parquet, evidence.json, model_card.html
    <model>/versions/00000001/manifest.json     written last; a version exists once this does
    <model>/champion.json                       the newest move of the pointer, moved by compare-and-swap
    <model>/history/00000001.json               every move, by its number; the newest may be in champion.json alone

Nothing is ever overwritten or deleted but the pointer, so a writer that dies, or two that run at once, can leave a
number unused but never a version that is half one model and half another.
"""

import io
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal, Self, TypeAlias

import pyarrow as pa  # type: ignore[import-untyped] # pyarrow ships no types
import pyarrow.parquet as pq  # type: ignore[import-untyped] # pyarrow ships no types
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from lifecycle.manifest import MODEL_FILE_NAME, REFERENCE_FILE_NAME, Manifest, ModelFile, ReferenceFile, Version
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
    "schema_incompatible",
    "parity_mismatch",
    "reference_missing",
    "reference_mismatch",
    "history_invalid",
    "rollout_invalid",
    "file_missing",
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

    def __reduce__(self) -> tuple[type[Self], tuple[RefusalCause, str, int | None]]:
        """As it goes from one process to another."""
        return type(self), (self.cause, str(self), self.version)


@dataclass(frozen=True, slots=True)
class Champion:
    """The version that serves, and the tag of the pointer that says so.

    S3 makes the tag from the contents, and no two moves have the same: each has a number of its own.
    """

    version: int
    e_tag: str


class ChampionChangedError(Exception):
    """Somebody else moved the champion pointer meanwhile."""

    def __init__(self, model: str, version: int, *, expected: Champion | None, found: Champion | None) -> None:
        """Args: the model, the version that was to be promoted, the champion that was expected and the one found."""
        was, now = ("none" if champion is None else f"version {champion.version}" for champion in (expected, found))
        super().__init__(f"version {version} of {model} was not promoted: the champion is {now}, expected was {was}")


class NeverChampionError(Exception):
    """A roll-back to a version that never served."""

    def __init__(self, model: str, version: int, former: list[int]) -> None:
        """Args: the model, the version asked for, the versions that served before."""
        known = ", ".join(map(str, former)) or "none"
        super().__init__(f"version {version} of {model} is no former champion; these are: {known}")


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


class Move(BaseModel):
    """One move of the champion pointer: who moved it, when, from what to what, and why."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    sequence: Annotated[int, Field(ge=1, le=_LAST_VERSION)]
    version: Version
    previous: Version | None
    """The champion before; null for the first."""
    moved_at: AwareDatetime
    actor: Annotated[str, Field(min_length=1, max_length=200)]
    reason: Annotated[str, Field(min_length=1, max_length=1000)]

    @classmethod
    def after(cls, last: Self | None, version: int, actor: str, reason: str) -> Self:
        """The move to `version` that follows `last`."""
        return cls(
            sequence=1 if last is None else last.sequence + 1,
            version=version,
            previous=None if last is None else last.version,
            moved_at=datetime.now(UTC),
            actor=actor,
            reason=reason,
        )

    def to_json(self) -> bytes:
        """The move as it is stored, in the pointer and in the history."""
        return self.model_dump_json().encode()


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
        found = self._pointer()
        return None if found is None else Champion(found[0].version, found[1])

    def history(self) -> list[Move]:
        """Every move of the pointer, oldest first.

        Raises:
            ModelRefusedError: an entry is missing or cannot be read.
        """
        # The pointer first: what is older than it is in the history already.
        found = self._pointer()
        if found is None:
            return []
        newest = found[0]
        moves = [self._move(sequence) for sequence in range(1, newest.sequence)]
        return [*moves, newest]

    def has_moved(self, champion: Champion) -> bool:
        """Whether the pointer is another one than when this champion was read."""
        return self._store.changed(self._champion_key, champion.e_tag)

    def versions(self) -> list[int]:
        """The versions that exist, oldest first."""
        return [version for version in self._numbers() if self._store.exists(self._manifest_key(version))]

    def publish(
        self,
        text: bytes,
        describe: Callable[[int, ModelFile], Manifest],
        beside: Callable[[int], Mapping[str, bytes]] | None = None,
    ) -> Published:
        """Adds a version, unless the newest one is this very model.

        Safe at any interruption and beside other publishers. A number whose files lie there without a manifest is
        taken over when model and reference are the same, and left unused when they differ: its writer may still be at
        work. Of other files the first that was written stays.

        Args:
            text: the model file.
            describe: makes the manifest for a version number and the facts of the file.
            beside: the other files of a version number by name, such as its reference and its evidence.

        Raises:
            RegistryFullError: no number is left.
        """
        file = ModelFile.of(text)
        newest = next((v for v in reversed(self._numbers()) if self._store.exists(self._manifest_key(v))), 0)
        if newest and self._holds(newest, file):
            return Published(newest, created=False)
        for version in range(newest + 1, _LAST_VERSION + 1):
            if not self._claim(self._key(version, MODEL_FILE_NAME), text):
                continue
            files = dict(beside(version)) if beside else {}
            reference = files.pop(REFERENCE_FILE_NAME, None)
            if reference is not None and not self._claim(self._key(version, REFERENCE_FILE_NAME), reference):
                continue
            for name, data in files.items():
                self._store.create(self._key(version, name), data)
            manifest = describe(version, file)
            if reference is not None:
                rows = pq.read_metadata(io.BytesIO(reference)).num_rows
                manifest = manifest.model_copy(update={"reference": ReferenceFile.of(reference, rows)})
            if self._store.create(self._manifest_key(version), manifest.to_json()):
                return Published(version, created=True)
            if self._holds(version, file):
                return Published(version, created=False)
        raise RegistryFullError(self.model)

    def promote(
        self,
        version: int,
        *,
        replacing: Champion | None,
        actor: str = "unknown",
        reason: str = "none given",
    ) -> None:
        """Makes a version the champion if the champion is still the one that was seen.

        Safe at any interruption: the pointer holds its own entry of the history, and nobody moves it on before that
        entry is written out.

        Args:
            version: the version that is to serve.
            replacing: what `champion()` gave when the decision was made.
            actor: who moves it.
            reason: why.

        Raises:
            ChampionChangedError: it is another one by now; decide again.
            ModelRefusedError: the pointer cannot be read.
        """
        found = self._pointer()
        last = None if found is None else found[0]
        seen = None if found is None else Champion(found[0].version, found[1])
        if last is not None:
            self._record(last)
        if seen == replacing:
            move = Move.after(last, version, actor, reason)
            if replacing is None:
                moved = self._store.create(self._champion_key, move.to_json())
            else:
                moved = self._store.replace(self._champion_key, move.to_json(), replacing.e_tag)
            if moved:
                self._record(move)
                return
        current = self.champion()
        # A write whose answer was lost is retried and then meets its own result: that is a success.
        if current is None or current.version != version:
            raise ChampionChangedError(self.model, version, expected=replacing, found=current)

    def roll_back(self, version: int, *, actor: str, reason: str) -> None:
        """Makes a former champion the champion again.

        Raises:
            NeverChampionError: this version never was.
            ChampionChangedError: somebody else moved the pointer meanwhile.
            ModelRefusedError: the version is not whole, or the pointer or the history cannot be read.
        """
        champion = self.champion()
        former = sorted({move.version for move in self.history()} - {champion.version if champion else 0})
        if version not in former:
            raise NeverChampionError(self.model, version, former)
        self.load(version)
        self.promote(version, replacing=champion, actor=actor, reason=reason)

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
            key = self._key(version, MODEL_FILE_NAME)
            message = f"{key} has SHA-256 {found.sha256}, its manifest says {manifest.file.sha256}"
            raise ModelRefusedError("sha256_mismatch", message, version)
        try:
            return StoredModel(manifest, blob.data.decode())
        except UnicodeDecodeError:
            message = f"{self._key(version, MODEL_FILE_NAME)} is not UTF-8 text"
            raise ModelRefusedError("model_unreadable", message, version) from None

    def file(self, version: int, name: str, limit_bytes: int) -> bytes:
        """A file that lies beside a version's model, such as its evidence; no manifest answers for its bytes.

        Raises:
            ModelRefusedError: there is none, or it is larger than `limit_bytes`.
        """
        key = self._key(version, name)
        try:
            blob = self._store.get(key, limit_bytes=limit_bytes)
        except ObjectTooLargeError as error:
            raise ModelRefusedError("file_missing", str(error), version) from None
        if blob is None:
            raise ModelRefusedError("file_missing", f"{key} does not exist", version)
        return blob.data

    def reference(self, version: int) -> Any:  # noqa: ANN401 - a pyarrow table
        """The reference of a version, a pyarrow Table, checked against the manifest.

        Raises:
            ModelRefusedError: the version has none, or not the one that its manifest names.
        """
        facts, key = self.manifest(version).reference, self._key(version, REFERENCE_FILE_NAME)
        if facts is None:
            raise ModelRefusedError("reference_missing", f"version {version} was published without reference", version)
        try:
            blob = self._store.get(key, limit_bytes=facts.size_bytes)
            if blob is None:
                raise ModelRefusedError("reference_missing", f"{key} does not exist", version)
            found = ReferenceFile.of(blob.data, facts.rows)
            if found == facts:
                return pq.read_table(io.BytesIO(blob.data))
        except (ObjectTooLargeError, pa.ArrowException) as error:
            raise ModelRefusedError("reference_mismatch", f"{key}: {error}", version) from None
        message = f"{key} has SHA-256 {found.sha256}, its manifest says {facts.sha256}"
        raise ModelRefusedError("reference_mismatch", message, version)

    def _pointer(self) -> tuple[Move, str] | None:
        """The newest move, and the tag of the object that holds it."""
        try:
            blob = self._store.get(self._champion_key, limit_bytes=_POINTER_LIMIT_BYTES)
            return None if blob is None else (Move.model_validate_json(blob.data), blob.e_tag)
        except (ValidationError, ObjectTooLargeError):
            message = f"{self._champion_key} must be a move, with version, sequence, actor and reason, and is not"
            raise ModelRefusedError("champion_invalid", message) from None

    def _record(self, move: Move) -> None:
        """Writes a move into the history; whoever comes second finds the same bytes."""
        self._store.create(self._history_key(move.sequence), move.to_json())

    def _move(self, sequence: int) -> Move:
        key = self._history_key(sequence)
        try:
            blob = self._store.get(key, limit_bytes=_POINTER_LIMIT_BYTES)
            if blob is None:
                raise ModelRefusedError("history_invalid", f"{key} does not exist")
            return Move.model_validate_json(blob.data)
        except (ValidationError, ObjectTooLargeError):
            raise ModelRefusedError("history_invalid", f"{key} is not a move") from None

    def _model_file(self, version: int, file: ModelFile) -> Blob:
        key = self._key(version, MODEL_FILE_NAME)
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

    def _claim(self, key: str, data: bytes) -> bool:
        """Whether the object is now, or was already, exactly this one."""
        if self._store.create(key, data):
            return True
        try:
            there = self._store.get(key, limit_bytes=len(data))
        except ObjectTooLargeError:
            return False
        return there is not None and there.data == data

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

    def _history_key(self, sequence: int) -> str:
        return f"{self.model}/history/{sequence:08d}.json"

    def _key(self, version: int, name: str) -> str:
        return f"{self.model}/versions/{version:08d}/{name}"

    def _manifest_key(self, version: int) -> str:
        return self._key(version, "manifest.json")
