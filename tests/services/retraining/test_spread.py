"""Training on a Dask cluster makes models as good as training in one process does, and says when it cannot."""

import os
import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from distributed import Client, LocalCluster
from retraining.dataset import Dataset, read_dataset
from retraining.recipe import Recipe, read_recipe
from retraining.settings import RetrainingSettings
from retraining.source import own_dataset
from retraining.training import ClusterUnavailableError, Trained, split, train, train_on_cluster
from tests.services.retraining.conftest import World
from tests.services.workshop import MODELS

from retraining import spread

pytestmark = pytest.mark.engine  # a cluster takes seconds to start

_ROWS = {"car-loan": 12_000, "recommendation": 30_000}
_TOLERANCES = {"auc": 0.005, "log_loss": 0.01, "ndcg": 0.015}
_ROUNDS: dict[str, dict[str, int | None]] = {
    "car-loan": {"rounds": 80, "patience_rounds": 10},
    # A few hundred lists hardly tell one round from the next: which is the last would be chance.
    "recommendation": {"rounds": 60, "patience_rounds": None},
}


@pytest.fixture(scope="module")
def cluster() -> Iterator[LocalCluster]:
    """Two workers, one thread each, as the stack has them."""
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = str(MODELS.parent / "services")
    with LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as found:
        os.environ.pop("PYTHONPATH")
        if before is not None:
            os.environ["PYTHONPATH"] = before
        yield found


def _settings(cluster: LocalCluster, **others: Any) -> RetrainingSettings:  # noqa: ANN401 - of whatever type
    return RetrainingSettings(engine="dask", dask_scheduler=cluster.scheduler_address, **others)


def _data(model: str, reference_csv: Path) -> tuple[Dataset, Recipe]:
    recipe = read_recipe(MODELS, model).model_copy(update=_ROUNDS[model])
    rows = (
        read_dataset(reference_csv, recipe)
        if model == "car-loan"
        else own_dataset(recipe, MODELS, lambda _: reference_csv)
    )
    return rows.slice(0, rows.list_start(_ROWS[model])), recipe


def _spread(rows: Dataset, recipe: Recipe, cluster: LocalCluster, workers: int) -> Trained:
    with Client(cluster.scheduler_address, set_as_default=False, direct_to_workers=True) as client:
        client.wait_for_workers(2)
        found = spread.Spread(client, sorted(client.nthreads())[:workers], range(0))
        return train_on_cluster(*split(rows, recipe.holdout_fraction), recipe, found)


@pytest.mark.parametrize(("model", "workers"), [("car-loan", 1), ("car-loan", 2), ("recommendation", 2)])
def test_a_cluster_trains_as_well_as_one_process(
    model: str, workers: int, cluster: LocalCluster, reference_csv: Path
) -> None:
    """By every metric, within what another order of the rows changes; and nothing of where it ran is in the model."""
    rows, recipe = _data(model, reference_csv)
    alone = train(rows, recipe, num_threads=1)
    together = _spread(rows, recipe, cluster, workers)
    for name in _TOLERANCES.keys() & alone.metrics.keys():
        assert together.metrics[name] == pytest.approx(alone.metrics[name], abs=_TOLERANCES[name])
    assert together.parameters["num_machines"] == workers
    assert "127.0.0.1" not in together.text
    assert "[num_machines: 1]" in together.text


def test_a_run_on_a_cluster_ends_as_any_other(world: World, cluster: LocalCluster) -> None:
    """From the log to a promotion."""
    world.label()
    outcome = world.retrain(engine="dask", dask_scheduler=cluster.scheduler_address, dask_workers=2)
    assert (outcome.result, outcome.version) == ("promoted", 2)
    assert world.registry.manifest(2).training.parameters["num_machines"] == 2


def test_a_training_that_loses_a_worker_ends_and_leaves_the_others_free(
    cluster: LocalCluster, reference_csv: Path
) -> None:
    """LightGBM would wait for it for ever. The next attempt has workers that train; every round is told once."""
    rows, recipe = _data("car-loan", reference_csv)
    older, newest = split(rows, recipe.holdout_fraction)
    told: list[int] = []

    def kill(done: int, _rounds: int) -> None:
        told.append(done)
        if done == 3:
            os.kill(cluster.workers[0].pid, signal.SIGKILL)

    long = recipe.model_copy(update={"rounds": 50_000, "patience_rounds": None})
    with (
        pytest.raises(ClusterUnavailableError, match="a worker of 2 was lost"),
        spread.connected(_settings(cluster, dask_workers=2)) as found,
    ):
        train_on_cluster(older, newest, long, found, kill)
    assert told[:3] == [1, 2, 3]
    assert len(told) == len(set(told))
    short = recipe.model_copy(update={"rounds": 3, "patience_rounds": None})
    with spread.connected(_settings(cluster, dask_workers=2)) as found:
        assert train_on_cluster(older, newest, short, found).metrics["auc"] > 0.8


def test_lightgbm_is_told_a_port_that_is_free_on_every_worker(cluster: LocalCluster) -> None:
    """Where there is none, that is what is said."""
    with ExitStack() as taken:
        ports = []
        for _ in range(2):
            one = taken.enter_context(socket.socket())
            one.bind(("", 0))
            ports.append(one)
        first, second = sorted(ports, key=lambda one: int(one.getsockname()[1]))
        numbers = [int(one.getsockname()[1]) for one in (first, second)]
        with Client(cluster.scheduler_address, set_as_default=False) as client:
            client.wait_for_workers(2)
            found = spread.Spread(client, sorted(client.nthreads()), numbers)
            with pytest.raises(ClusterUnavailableError, match=f"no port of {numbers[0]} to {numbers[1]} is free"):
                found.listening()
            second.close()
            assert found.listening() == {"local_listen_port": numbers[1]}


def test_without_a_cluster_that_is_what_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """And nothing is trained elsewhere in its stead."""
    monkeypatch.setattr(spread, "_CONNECT_SECONDS", 0.5)
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        settings = RetrainingSettings(engine="dask", dask_scheduler=f"tcp://127.0.0.1:{closed.getsockname()[1]}")
        with pytest.raises(ClusterUnavailableError), spread.connected(settings):
            pass
