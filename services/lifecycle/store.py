"""The object store: opened by URL, with create-only and compare-and-swap writes on every backend."""

import fcntl
import io
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final, Self, TypeVar, cast

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, NotModifiedError, PreconditionError
from obstore.store import LocalStore, from_url
from obstore.store import ObjectStore as Backend
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, stop_after_delay, wait_random_exponential

from lifecycle.settings import ModelsStoreSettings

if TYPE_CHECKING:
    from typing_extensions import Buffer

_T = TypeVar("_T")

# A hung call must fail well inside a pod's grace period; patience belongs to the caller, who can say what it waits for.
_CALL_TIMEOUT: Final = timedelta(seconds=5)
_CONNECT_TIMEOUT: Final = timedelta(seconds=2)
_RETRIES_IN_CALL: Final = 1


class StoreUnavailableError(Exception):
    """The store did not answer, or did not let us in.

    Worth a retry: on AWS a new pod's credentials and a new bucket's policy take effect with a delay.
    """

    def __init__(self, operation: str, key: str, cause: BaseException) -> None:
        """Args: what was tried, on which key, and what the store's client said."""
        # The client's text goes on with a many-line debug dump; its first line says what happened.
        reason = (str(cause).splitlines() or [""])[0].strip() or type(cause).__name__
        super().__init__(f"{operation} {key}: {reason}")
        self.operation: Final = operation
        self.key: Final = key
        self._reason = reason

    def __reduce__(self) -> tuple[type[Self], tuple[str, str, OSError]]:
        """As it goes from one process to another; the client's own error stays behind."""
        return type(self), (self.operation, self.key, OSError(self._reason))


class ObjectTooLargeError(Exception):
    """An object is larger than its reader is ready to hold."""

    def __init__(self, key: str, size_bytes: int, limit_bytes: int) -> None:
        """Args: the key, the size found, the size allowed."""
        super().__init__(f"{key} has {size_bytes} bytes, at most {limit_bytes} were expected")
        self.size_bytes: Final = size_bytes


@dataclass(frozen=True, slots=True)
class Blob:
    """An object's bytes and the tag that names exactly these bytes."""

    data: bytes
    e_tag: str


@dataclass(frozen=True, slots=True)
class StoredObject:
    """What a listing tells of an object."""

    key: str
    size_bytes: int
    modified: datetime


def no_patience() -> Retrying:
    """One try, for callers that wait by themselves."""
    return Retrying(stop=stop_after_attempt(1), reraise=True)


def patience(seconds: float) -> Retrying:
    """Retries a store that is unavailable, with growing pauses of up to 10 s, for `seconds` in all."""
    return Retrying(
        retry=retry_if_exception_type(StoreUnavailableError),
        wait=wait_random_exponential(multiplier=0.5, max=10),
        stop=stop_after_delay(seconds),
        reraise=True,
    )


class ObjectStore:
    """A store of small objects. Every method may raise StoreUnavailableError once its patience is over."""

    def __init__(self, backend: Backend, retrying: Retrying | None = None) -> None:
        """Args: the backend, and how long to bear with it (not at all by default)."""
        self._backend = backend
        self._retrying = retrying or no_patience()

    @classmethod
    def open(
        cls, settings: ModelsStoreSettings, retrying: Retrying | None = None, url: str | None = None
    ) -> "ObjectStore":
        """Opens a store; nothing is sent yet.

        Args:
            settings: the endpoint and the region.
            retrying: how long to bear with it (not at all by default).
            url: of the bucket; that of the models by default.

        Raises:
            ValueError: the URL names no store.
        """
        url = url or settings.model_store_url
        if url.startswith("file://"):
            return cls(from_url(url, mkdir=True), retrying)
        endpoint = settings.aws_endpoint_url
        return cls(
            from_url(
                url,
                config={"endpoint": endpoint} if endpoint else {},
                client_options={
                    "allow_http": bool(endpoint and endpoint.startswith("http://")),
                    "timeout": _CALL_TIMEOUT,
                    "connect_timeout": _CONNECT_TIMEOUT,
                },
                retry_config={"max_retries": _RETRIES_IN_CALL, "retry_timeout": 2 * _CALL_TIMEOUT},
            ),
            retrying,
        )

    def get(self, key: str, *, limit_bytes: int) -> Blob | None:
        """The object, or None where there is none.

        Raises:
            ObjectTooLargeError: it is larger than `limit_bytes`; its bytes were not read.
        """

        def get() -> Blob | None:
            try:
                found = obstore.get(self._backend, key)
            except FileNotFoundError:
                return None
            size_bytes = found.meta["size"]
            if size_bytes > limit_bytes:
                raise ObjectTooLargeError(key, size_bytes, limit_bytes)
            return Blob(bytes(found.bytes()), found.meta["e_tag"] or "")

        return self._call("get", key, get)

    def changed(self, key: str, e_tag: str) -> bool:
        """Whether the object has another tag than this one, or is gone; a conditional GET."""

        def changed() -> bool:
            try:
                obstore.get(self._backend, key, options={"if_none_match": e_tag})
            except NotModifiedError:
                return False
            except FileNotFoundError:
                return True
            return True

        return self._call("get", key, changed)

    def exists(self, key: str) -> bool:
        """Whether there is such an object."""

        def exists() -> bool:
            try:
                obstore.head(self._backend, key)
            except FileNotFoundError:
                return False
            return True

        return self._call("head", key, exists)

    def folders(self, prefix: str) -> list[str]:
        """The names right below `prefix` that have something below them."""

        def folders() -> list[str]:
            listing = obstore.list_with_delimiter(self._backend, prefix)
            return [path.rstrip("/").rsplit("/", 1)[-1] for path in listing["common_prefixes"]]

        return self._call("list", prefix, folders)

    def list(self, prefix: str) -> list[StoredObject]:
        """The objects below `prefix`, in the order of their keys."""

        def listed() -> list[StoredObject]:
            found = [
                StoredObject(entry["path"], entry["size"], entry["last_modified"])
                for batch in obstore.list(self._backend, prefix)
                for entry in batch
            ]
            return sorted(found, key=lambda object_: object_.key)

        return self._call("list", prefix, listed)

    def delete(self, key: str) -> None:
        """Removes an object; one that is gone already is as good."""

        def delete() -> None:
            with suppress(FileNotFoundError):
                obstore.delete(self._backend, key)

        self._call("delete", key, delete)

    def open_ranges(self, key: str) -> BinaryIO:
        """An object as a file that fetches only the ranges that are read, for columns of a Parquet file.

        Raises:
            FileNotFoundError: there is no such object.
        """

        def size() -> int:
            return obstore.head(self._backend, key)["size"]

        return cast("BinaryIO", _Ranges(self, key, self._call("head", key, size)))

    def get_range(self, key: str, start: int, length: int) -> bytes:
        """Bytes of an object, from `start` on."""
        return self._call("get", key, lambda: bytes(obstore.get_range(self._backend, key, start=start, length=length)))

    def create(self, key: str, data: bytes) -> bool:
        """Writes a new object; False, and nothing written, where one is there already.

        A retried write may find its own first try: the caller compares what is there with what it wanted.
        """

        def create() -> bool:
            try:
                obstore.put(self._backend, key, data, mode="create")
            except AlreadyExistsError:
                return False
            return True

        return self._call("create", key, create)

    def replace(self, key: str, data: bytes, e_tag: str) -> bool:
        """Writes over the object that has this tag; False, and nothing written, where it has another or is gone."""

        def replace() -> bool:
            if isinstance(self._backend, LocalStore):
                return _replace_in_folder(self._backend, key, data, e_tag)
            try:
                obstore.put(self._backend, key, data, mode={"e_tag": e_tag})
            except (PreconditionError, FileNotFoundError):
                return False
            return True

        return self._call("replace", key, replace)

    def _call(self, operation: str, key: str, do: Callable[[], _T]) -> _T:
        def translated() -> _T:
            try:
                return do()
            except FileNotFoundError:
                raise
            except (BaseError, OSError) as error:
                raise StoreUnavailableError(operation, key, error) from error

        # Tenacity types a call's result as Any.
        result: _T = self._retrying(translated)
        return result


class _Ranges(io.RawIOBase):
    """A file over ranges of an object. obstore's own reader has `closed` as a method, which Python takes for true."""

    def __init__(self, store: ObjectStore, key: str, size_bytes: int) -> None:
        self._store = store
        self._key = key
        self._size_bytes = size_bytes
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._position = offset + (0, self._position, self._size_bytes)[whence]
        return self._position

    def tell(self) -> int:
        return self._position

    def readinto(self, buffer: "Buffer") -> int:
        view = memoryview(buffer)
        length = min(len(view), self._size_bytes - self._position)
        if length <= 0:
            return 0
        view[:length] = self._store.get_range(self._key, self._position, length)
        self._position += length
        return length


def _replace_in_folder(store: LocalStore, key: str, data: bytes, e_tag: str) -> bool:
    """Compare-and-swap on a file store, which has none: every writer that replaces takes the same lock."""
    with _locked(Path(store.prefix or "/")):
        try:
            found = obstore.head(store, key)
        except FileNotFoundError:
            return False
        if found["e_tag"] != e_tag:
            return False
        obstore.put(store, key, data)
        return True


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Holds the folder's own advisory lock, so that no lock file is left in the store."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
