"""`python3 -m scoring`. Exit status: 0 told to stop, 2 the configuration is wrong, 3 it cannot listen."""

import functools
import sys

import structlog
from lifecycle.logs import configure_logging
from lifecycle.registry import ModelRegistry
from lifecycle.settings import ConfigurationError, StoreSettings, read_settings
from lifecycle.store import ObjectStore

from scoring.app import Dependencies, create_app
from scoring.champion import ChampionHolder
from scoring.loader import ChampionLoader, load_champion
from scoring.metrics import Metrics
from scoring.server import Drain, build_server
from scoring.settings import ScoringSettings


def main() -> int:
    """Serves until told to stop, and gives the exit status."""
    configure_logging("scoring")
    try:
        store_settings = read_settings(StoreSettings)
        settings = read_settings(ScoringSettings)
    except ConfigurationError as error:
        return _refuse(error)
    configure_logging("scoring", settings.log_level)
    registry = ModelRegistry(ObjectStore.open(store_settings), store_settings.model_name)
    champion, metrics, drain = ChampionHolder(), Metrics(), Drain(settings.drain_seconds)
    loader = ChampionLoader(functools.partial(load_champion, registry), champion, metrics)
    app = create_app(Dependencies(settings, champion, metrics, loader.run, is_draining=lambda: drain.begun))
    build_server(app, settings, drain).run()
    return 0


def _refuse(error: ConfigurationError) -> int:
    structlog.stdlib.get_logger().error("configuration_invalid", problems=error.problems)
    return 2


if __name__ == "__main__":
    sys.exit(main())
