"""Training on the stack's Dask cluster: the rows are shared out among its workers, which boost together."""

import os
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any, Final
from uuid import uuid4

import structlog
from distributed import Client, Future, Lock
from distributed.client import FutureCancelledError, FuturesCancelledError
from distributed.comm import CommClosedError
from distributed.scheduler import KilledWorker
from lifecycle.dask_training import Fitting, Share, fit, free_ports
from lightgbm.basic import LightGBMError

from retraining.progress import OnRound
from retraining.settings import RetrainingSettings
from retraining.training import ClusterUnavailableError

_CONNECT_SECONDS: Final = 30
_WORKERS_SECONDS: Final = 300
"""They may have to wait for nodes."""
_LOOK_SECONDS: Final = 2
"""How often it is looked whether all workers are still there."""
_LOCK: Final = "training"


class Spread:
    """Has models trained by the workers that were there when it began; see `retraining.training.Cluster`."""

    def __init__(self, client: Client, workers: Sequence[str], ports: Sequence[int]) -> None:
        """Args: the cluster, its workers' addresses, the ports that LightGBM may listen to on each; none: any."""
        self._client = client
        self._workers = workers
        self._ports = ports

    @property
    def workers(self) -> int:
        """How many share the rows."""
        return len(self._workers)

    def fit(self, shares: Iterable[Share], fitting: Fitting, on_round: OnRound | None) -> str:
        """See Cluster."""
        topic = f"training-{uuid4().hex}"
        asked = replace(fitting, topic=topic, parameters=fitting.parameters | self.listening())
        held = [self._hold(share, worker) for share, worker in zip(shares, self._workers, strict=True)]
        if on_round:
            self._client.subscribe_topic(topic, _Rounds(on_round, fitting.rounds))
        try:
            # Not pure: a key made from the arguments would give an earlier attempt's answer.
            future = self._client.submit(fit, [share.key for share in held], asked, pure=False)
            return self._waited(future, held)
        finally:
            if on_round:
                self._client.unsubscribe_topic(topic)

    def listening(self) -> dict[str, int]:
        """What LightGBM is told of its port, the same on each worker: a training leaves it unusable for a minute.

        Raises:
            ClusterUnavailableError: none is free on all of them.
        """
        if not self._ports:
            return {}
        try:
            found = self._client.run(free_ports, list(self._ports), workers=list(self._workers))
        except OSError as error:
            raise ClusterUnavailableError(str(error)) from error
        port = next((port for port in self._ports if all(port in free for free in found.values())), None)
        if port is None:
            message = f"no port of {self._ports[0]} to {self._ports[-1]} is free on all of {self.workers} workers"
            raise ClusterUnavailableError(message)
        return {"local_listen_port": port}

    def _hold(self, share: Share, worker: str) -> Future:
        """Straight to the worker: the scheduler has no memory for rows."""
        (held,) = self._client.scatter([share], workers=[worker], direct=True, hash=False)
        return held

    def _waited(self, future: Future, held: Sequence[Future]) -> str:
        """What the workers made, or why they could not.

        LightGBM waits for ever for a worker that is gone, and the worker that waits can do nothing else: it is ended,
        for Kubernetes to start it anew.
        """
        while True:
            try:
                text: str = future.result(timeout=_LOOK_SECONDS)
            except TimeoutError:
                self._expect_all(held)
            except (LightGBMError, KilledWorker, CommClosedError, FutureCancelledError, FuturesCancelledError) as error:
                # A connection breaks before the scheduler notices why.
                time.sleep(_LOOK_SECONDS)
                self._expect_all(held)
                if isinstance(error, LightGBMError):
                    raise
                raise ClusterUnavailableError(str(error)) from error
            else:
                return text

    def _expect_all(self, held: Sequence[Future]) -> None:
        """Refuses to go on without a worker; one that was started anew has its address again, but not its share."""
        try:
            there = self._client.nthreads().keys()
            whole = [share.status == "finished" for share in held]
            if all(whole) and there >= set(self._workers):
                return
            self._client.run(os._exit, 1, workers=[one for one in self._workers if one in there], on_error="ignore")
        except OSError as error:
            raise ClusterUnavailableError(str(error)) from error
        message = f"a worker of {len(self._workers)} was lost during the training"
        raise ClusterUnavailableError(message)


class _Rounds:
    """Tells each round once: every worker has news of it."""

    def __init__(self, on_round: OnRound, rounds: int) -> None:
        self._on_round = on_round
        self._rounds = rounds
        self._done = 0

    def __call__(self, event: tuple[float, Any]) -> None:
        _, done = event
        if done > self._done:
            self._done = done
            self._on_round(done, self._rounds)


@contextmanager
def connected(settings: RetrainingSettings) -> Iterator[Spread]:
    """The cluster of the settings, for one training at a time.

    Two at once would wait for each other: each would have some of the workers.

    Raises:
        ClusterUnavailableError: it does not answer, or lacks workers.
    """
    log = structlog.stdlib.get_logger()
    with ExitStack() as stack:
        try:
            client = stack.enter_context(
                Client(settings.dask_scheduler, timeout=_CONNECT_SECONDS, set_as_default=False, direct_to_workers=True)
            )
            log.info("waiting_for_cluster", scheduler=settings.dask_scheduler, workers=settings.dask_workers)
            stack.enter_context(Lock(_LOCK, scheduler_rpc=client.scheduler, loop=client.loop))
            client.wait_for_workers(settings.dask_workers, timeout=_WORKERS_SECONDS)
        except OSError as error:  # those of time and of a broken connection are among them
            raise ClusterUnavailableError(str(error)) from error
        workers = sorted(client.nthreads())
        log.info("cluster_found", workers=len(workers))
        yield Spread(client, workers, settings.training_ports)
