"""The object store: every backend's trouble is one error, and patience is bounded."""

from pathlib import Path

import obstore
import pytest
from lifecycle.settings import StoreSettings
from lifecycle.store import ObjectStore, ObjectTooLargeError, StoreUnavailableError
from obstore.exceptions import GenericError, PermissionDeniedError
from obstore.store import MemoryStore
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt

from lifecycle import store as store_module


def _impatient(attempts: int) -> Retrying:
    return Retrying(
        retry=retry_if_exception_type(StoreUnavailableError), stop=stop_after_attempt(attempts), reraise=True
    )


def test_patience_retries_the_store_and_only_the_store() -> None:
    """What the services use gives up on time, and lets other errors through at once."""
    retrying = store_module.patience(seconds=0)
    calls = []

    def refuse(error: Exception) -> None:
        calls.append(error)
        raise error

    with pytest.raises(StoreUnavailableError):
        retrying(refuse, StoreUnavailableError("get", "key", ValueError("away")))
    with pytest.raises(ZeroDivisionError):
        store_module.patience(seconds=60)(refuse, ZeroDivisionError())
    assert len(calls) == 2


def test_a_store_that_comes_back_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials that take effect late look like a refusal at first."""
    errors = [PermissionDeniedError("not yet"), GenericError("still not"), OSError("gone")]
    real = obstore.get

    def flaky(backend: MemoryStore, key: str) -> object:
        if errors:
            raise errors.pop()
        return real(backend, key)

    backend = MemoryStore()
    obstore.put(backend, "key", b"data")
    monkeypatch.setattr(obstore, "get", flaky)
    blob = ObjectStore(backend, _impatient(4)).get("key", limit_bytes=10)
    assert blob is not None
    assert blob.data == b"data"


def test_a_store_that_stays_away_is_an_error_of_one_line_that_names_the_call() -> None:
    """The client's own text has many lines."""
    settings = StoreSettings(
        model_store_url="s3://models/some/prefix",
        model_name="car-loan",
        aws_endpoint_url="http://127.0.0.1:9",
        aws_region="us-east-1",
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", "key")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        with pytest.raises(StoreUnavailableError, match=r"^get car-loan/champion.json: ") as caught:
            ObjectStore.open(settings).get("car-loan/champion.json", limit_bytes=10)
    assert "\n" not in str(caught.value)
    assert "127.0.0.1:9" in str(caught.value)


def test_an_object_larger_than_expected_is_not_read(store: ObjectStore) -> None:
    """A swapped file cannot fill the memory of its reader."""
    store.create("key", b"12345")
    with pytest.raises(ObjectTooLargeError, match="key has 5 bytes, at most 4"):
        store.get("key", limit_bytes=4)


def test_create_never_writes_over(store: ObjectStore) -> None:
    """The first one stays."""
    assert store.create("key", b"first")
    assert not store.create("key", b"second")
    blob = store.get("key", limit_bytes=10)
    assert blob is not None
    assert blob.data == b"first"


def test_replace_writes_over_exactly_what_was_seen(store: ObjectStore) -> None:
    """Not another object, and not one that is gone."""
    store.create("key", b"first")
    seen = store.get("key", limit_bytes=10)
    assert seen is not None
    assert store.replace("key", b"second", seen.e_tag)
    assert not store.replace("key", b"third", seen.e_tag)
    assert not store.replace("absent", b"third", seen.e_tag)
    found = store.get("key", limit_bytes=10)
    assert found is not None
    assert found.data == b"second"


def test_a_file_url_opens_a_folder(tmp_path: Path) -> None:
    """The folder is made when it is not there."""
    folder = tmp_path / "deep/registry"
    store = ObjectStore.open(StoreSettings(model_store_url=f"file://{folder}", model_name="car-loan"))
    assert store.create("a/b.txt", b"data")
    assert (folder / "a/b.txt").read_bytes() == b"data"


def test_what_is_not_there_is_none_and_no_error(store: ObjectStore) -> None:
    """Absence is an answer."""
    assert store.get("absent", limit_bytes=10) is None
    assert not store.exists("absent")
    assert store.folders("absent") == []
