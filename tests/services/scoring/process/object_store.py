"""The object store of the local stack, as a process that can be stopped and started again."""

import os
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Final

from lifecycle.manifest import Manifest, ModelFile
from lifecycle.registry import ModelRegistry
from lifecycle.store import ObjectStore
from obstore.store import S3Store
from retraining.training import Trained

_KEY: Final = {"AWS_ACCESS_KEY_ID": "tests", "AWS_SECRET_ACCESS_KEY": "tests-secret"}
_REGION: Final = "us-east-1"
_HEALTH: Final = "/_/health"


class ObjectStoreServer:
    """An S3 server with the buckets `models` and `predictions`."""

    def __init__(self, program: Path, folder: Path) -> None:
        """Args: versitygw, and where the objects go."""
        self._program = program
        self._folder = folder
        for bucket in ("models", "predictions"):
            (folder / bucket).mkdir(parents=True)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._address = f"127.0.0.1:{probe.getsockname()[1]}"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def environment(self) -> dict[str, str]:
        """What a service has to be told."""
        return {
            **_KEY,
            "AWS_ENDPOINT_URL": f"http://{self._address}",
            "AWS_REGION": _REGION,
            "MODEL_STORE_URL": "s3://models",
            "MODEL_NAME": "car-loan",
            "PREDICTION_STORE_URL": "s3://predictions",
        }

    def bucket(self, name: str) -> ObjectStore:
        """A bucket as the services see it."""
        backend = S3Store(
            name,
            endpoint=f"http://{self._address}",
            region=_REGION,
            access_key_id=_KEY["AWS_ACCESS_KEY_ID"],
            secret_access_key=_KEY["AWS_SECRET_ACCESS_KEY"],
            client_options={"allow_http": True},
        )
        return ObjectStore(backend)

    def start(self) -> None:
        """Returns once it answers."""
        options = ["--port", self._address, "--region", _REGION, "--health", _HEALTH, "--quiet"]
        self._process = subprocess.Popen(
            [str(self._program), *options, "posix", str(self._folder)],
            env={
                "ROOT_ACCESS_KEY_ID": _KEY["AWS_ACCESS_KEY_ID"],
                "ROOT_SECRET_ACCESS_KEY": _KEY["AWS_SECRET_ACCESS_KEY"],
            }
            | {"PATH": os.environ["PATH"]},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 30
        while True:
            try:
                urllib.request.urlopen(f"http://{self._address}{_HEALTH}", timeout=2).close()
            except OSError:
                assert time.monotonic() < deadline, "the object store did not start"
                time.sleep(0.02)
            else:
                return

    def stop(self) -> None:
        """Ends it at once; the objects stay."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


def with_champion(
    store: ObjectStore, trained: Trained, describe: Callable[[int, ModelFile], Manifest]
) -> ModelRegistry:
    """A registry in an empty store, whose champion is this model."""
    registry = ModelRegistry(store, "car-loan")
    registry.promote(registry.publish(trained.text.encode(), describe).version, replacing=None)
    return registry
