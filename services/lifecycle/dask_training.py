"""Training on a Dask cluster: LightGBM on each worker, on the rows that it holds, with their sums added up.

`fit` runs on a worker. Workers have LightGBM's Dask interface and what that loads, pandas and scikit-learn; the Job
that asks for it has not: they would take each training 130 MiB and three seconds, whether it uses a cluster or not.
"""

import contextlib
import functools
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from lightgbm.callback import CallbackEnv

Floats: TypeAlias = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Share:
    """The rows of one worker."""

    matrix: Floats
    labels: Floats
    list_sizes: npt.NDArray[np.int64] | None
    """Ranking: of each list its rows, which follow each other."""


@dataclass(frozen=True, slots=True)
class Fitting:
    """What to train of them."""

    parameters: dict[str, Any]
    """By LightGBM's own names: an alias would stand beside what scikit-learn's interface fills in."""
    rounds: int
    feature_names: tuple[str, ...]
    categorical_indices: tuple[int, ...]
    ranking: bool
    topic: str
    """Of the events that tell the rounds that are done."""


def fit(keys: Sequence[str], fitting: Fitting) -> str:
    """The text of a model that the workers train together.

    Args:
        keys: under which the cluster holds the shares, each on a worker of its own.
        fitting: what to train.
    """
    import dask.array as da  # noqa: PLC0415 - workers have it
    from dask import delayed  # noqa: PLC0415
    from distributed import Future, worker_client  # noqa: PLC0415
    from lightgbm.dask import DaskLGBMRanker, DaskLGBMRegressor  # noqa: PLC0415

    # The regressor is told the objective. The classifier would number the classes anew on each worker, and a worker
    # that holds one class only would call it 0.
    kind = DaskLGBMRanker if fitting.ranking else DaskLGBMRegressor
    with worker_client() as client:
        shares = [Future(key, client) for key in keys]

        def array(of: str, *width: int) -> Any:  # noqa: ANN401 - Dask has no types
            parts = [delayed(getattr)(share, of) for share in shares]
            return da.concatenate([da.from_delayed(part, (np.nan, *width), float) for part in parts])

        lists = {"group": array("list_sizes")} if fitting.ranking else {}
        model = kind(client=client, n_estimators=fitting.rounds, **fitting.parameters).fit(
            array("matrix", len(fitting.feature_names)),
            array("labels"),
            feature_name=list(fitting.feature_names),
            categorical_feature=list(fitting.categorical_indices),
            callbacks=[functools.partial(_tell, fitting.topic)],
            **lists,
        )
        text: str = model.booster_.model_to_string()
        return text


def free_ports(ports: Sequence[int]) -> list[int]:
    """Those of these ports that LightGBM can listen to on this worker.

    Not one that it has listened to within a minute: it does not ask to be let in while the system still waits for
    packets of the connections that it closed (TIME_WAIT).
    """
    found = []
    for port in ports:
        with socket.socket() as one, contextlib.suppress(OSError):
            one.bind(("", port))
            found.append(port)
    return found


def _tell(topic: str, environment: "CallbackEnv") -> None:
    from distributed import get_worker  # noqa: PLC0415

    get_worker().log_event(topic, environment.iteration + 1)
