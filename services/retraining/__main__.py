"""`python3 -m retraining bootstrap`. Exit status: 0 there is a champion, 1 it failed, 2 the configuration is wrong."""

import argparse
import signal
import sys
from types import FrameType
from typing import NoReturn

import structlog
from lifecycle.logs import configure_logging, error_facts
from lifecycle.registry import ModelRefusedError, ModelRegistry, RegistryFullError
from lifecycle.settings import ConfigurationError, StoreSettings, read_settings
from lifecycle.store import ObjectStore, StoreUnavailableError, patience

from retraining.bootstrap import bootstrap
from retraining.dataset import DatasetError
from retraining.recipe import RecipeError
from retraining.reference_data import ReferenceDataError
from retraining.settings import RetrainingSettings

_EXPECTED_FAILURES = (
    DatasetError,
    ModelRefusedError,
    RecipeError,
    ReferenceDataError,
    RegistryFullError,
    StoreUnavailableError,
)


def main(arguments: list[str]) -> int:
    """Runs one command and gives the exit status."""
    parser = argparse.ArgumentParser(prog="retraining", description="Makes model versions.", allow_abbrev=False)
    commands = parser.add_subparsers(required=True, metavar="command")
    commands.add_parser("bootstrap", help="train the first version and make it champion, unless there is a champion")
    parser.parse_args(arguments)

    configure_logging("retraining")
    signal.signal(signal.SIGTERM, _stop)
    try:
        store_settings = read_settings(StoreSettings)
        settings = read_settings(RetrainingSettings)
    except ConfigurationError as error:
        return _fail(2, "configuration_invalid", problems=error.problems)
    configure_logging("retraining", settings.log_level)
    try:
        store = ObjectStore.open(store_settings, patience(settings.store_patience_seconds))
        bootstrap(ModelRegistry(store, store_settings.model_name), settings)
    except _EXPECTED_FAILURES as error:
        return _fail(1, "bootstrap_failed", cause=type(error).__name__, message=str(error))
    except Exception as error:  # noqa: BLE001 - the last resort of a process: one line, not a raw traceback
        return _fail(1, "bootstrap_failed", cause="unexpected", **error_facts(error))
    return 0


def _fail(status: int, event: str, **facts: object) -> int:
    """One line that says why, and the exit status."""
    structlog.stdlib.get_logger().error(event, **facts)
    return status


def _stop(_signal: int, _frame: FrameType | None) -> NoReturn:
    """Ends at once: the first process of a container ignores SIGTERM unless it says otherwise."""
    raise SystemExit(128 + signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
