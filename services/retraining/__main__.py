"""`python3 -m retraining bootstrap` and `retrain`.

Exit status: 0 it ended with an answer, a refusal too; 1 it failed, and another attempt may not; 2 the configuration or
the recipe is wrong.
"""

import argparse
import signal
import sys
from types import FrameType
from typing import NoReturn

import structlog
from lifecycle.logs import configure_logging, error_facts
from lifecycle.prediction_log import PredictionLog
from lifecycle.registry import ModelRefusedError, ModelRegistry, RegistryFullError
from lifecycle.rollouts import Rollouts
from lifecycle.settings import ConfigurationError, PredictionStoreSettings, StoreSettings, read_settings
from lifecycle.store import ObjectStore, StoreUnavailableError, patience
from lightgbm.basic import LightGBMError

from retraining.bootstrap import bootstrap
from retraining.dataset import DatasetError
from retraining.recipe import RecipeError
from retraining.reference_data import ReferenceDataError
from retraining.retrain import Retraining
from retraining.runs import RunRecordError, RunStore
from retraining.settings import RetrainingSettings
from retraining.training import ClusterUnavailableError

_EXPECTED_FAILURES = (
    ClusterUnavailableError,
    DatasetError,
    LightGBMError,
    ModelRefusedError,
    RecipeError,
    ReferenceDataError,
    RegistryFullError,
    RunRecordError,
    StoreUnavailableError,
)


def main(arguments: list[str]) -> int:
    """Runs one command and gives the exit status."""
    parser = argparse.ArgumentParser(prog="retraining", description="Makes model versions.", allow_abbrev=False)
    commands = parser.add_subparsers(required=True, metavar="command", dest="command")
    commands.add_parser("bootstrap", help="train the first version and make it champion, unless there is a champion")
    commands.add_parser("retrain", help="train a challenger on labelled predictions and promote it if it is fit")
    command: str = parser.parse_args(arguments).command

    configure_logging("retraining")
    signal.signal(signal.SIGTERM, _stop)
    try:
        store_settings = read_settings(StoreSettings)
        settings = read_settings(RetrainingSettings)
        prediction_settings = read_settings(PredictionStoreSettings) if command == "retrain" else None
    except ConfigurationError as error:
        return _fail(2, "configuration_invalid", problems=error.problems)
    configure_logging("retraining", settings.log_level)
    try:
        store = ObjectStore.open(store_settings, patience(settings.store_patience_seconds))
        registry = ModelRegistry(store, store_settings.model_name)
        if prediction_settings is None:
            bootstrap(registry, settings)
            return 0
        url = prediction_settings.prediction_store_url
        predictions = ObjectStore.open(store_settings, patience(settings.store_patience_seconds), url)
        runs, rollouts = RunStore(store, registry.model), Rollouts(store, registry.model)
        outcome = Retraining(registry, PredictionLog(predictions, registry.model), runs, rollouts, settings).run()
    except _EXPECTED_FAILURES as error:
        return _fail(1, f"{command}_failed", cause=type(error).__name__, message=str(error))
    except Exception as error:  # noqa: BLE001 - the last resort of a process: one line, not a raw traceback
        return _fail(1, f"{command}_failed", cause="unexpected", **error_facts(error))
    return 2 if outcome.result == "failed" else 0


def _fail(status: int, event: str, **facts: object) -> int:
    """One line that says why, and the exit status."""
    structlog.stdlib.get_logger().error(event, **facts)
    return status


def _stop(_signal: int, _frame: FrameType | None) -> NoReturn:
    """Ends at once: the first process of a container ignores SIGTERM unless it says otherwise."""
    raise SystemExit(128 + signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
