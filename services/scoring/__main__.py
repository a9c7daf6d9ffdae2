"""`python3 -m scoring`.

Exit status: 0 told to stop, 2 the configuration is wrong, 3 it cannot listen, 4 the prediction log has no folder.
"""

import asyncio
import gc
import sys
from functools import partial

import structlog
from lifecycle.logs import configure_logging
from lifecycle.registry import ModelRegistry
from lifecycle.rollouts import Rollouts
from lifecycle.settings import ConfigurationError, PredictionStoreSettings, StoreSettings, read_settings
from lifecycle.store import ObjectStore

from scoring.app import Dependencies, create_app
from scoring.challenger_loader import ChallengerLoader
from scoring.champion import ChampionHolder
from scoring.connection import Connection
from scoring.hot import PATHS
from scoring.loader import ChampionLoader, ChampionSource
from scoring.log.log import open_log
from scoring.log.metrics import LogMetrics
from scoring.log.segments import FolderUnusableError
from scoring.metrics import Metrics
from scoring.server import Drain, build_server
from scoring.settings import ScoringSettings


def main() -> int:
    """Serves until told to stop, and gives the exit status."""
    configure_logging("scoring")
    try:
        store_settings = read_settings(StoreSettings)
        settings = read_settings(ScoringSettings)
        if settings.log_mode != "off":
            prediction_settings = read_settings(PredictionStoreSettings)
    except ConfigurationError as error:
        return _refuse(error)
    configure_logging("scoring", settings.log_level)
    models = ObjectStore.open(store_settings)
    source = ChampionSource(ModelRegistry(models, store_settings.model_name))
    champion, metrics, drain = ChampionHolder(), Metrics(), Drain(settings.drain_seconds)
    loader = ChampionLoader(source, champion, metrics, settings.poll_seconds)
    rollouts = Rollouts(models, store_settings.model_name)
    challengers = ChallengerLoader(rollouts, source.load_version, champion, metrics, settings.poll_seconds)
    predictions = None
    if settings.log_mode != "off":
        predictions = ObjectStore.open(store_settings, url=prediction_settings.prediction_store_url)
    log_metrics = LogMetrics(metrics.registry, store_settings.model_name)
    try:
        log = open_log(settings, predictions, store_settings.model_name, log_metrics)
    except FolderUnusableError as error:
        structlog.stdlib.get_logger().error("prediction_log_unusable", message=str(error))
        return 4

    async def background() -> None:
        try:
            await asyncio.gather(loader.run(), challengers.run(), log.run())
        finally:
            await log.close()

    app = create_app(
        Dependencies(
            settings,
            champion,
            metrics,
            background,
            is_draining=lambda: drain.begun,
            log=None if settings.log_mode == "off" else log,
        )
    )
    gc.freeze()  # what is imported stays: a full collection would walk it for 40 ms, and every request with it
    build_server(app, settings, drain, partial(Connection, PATHS, app.at_once)).run()
    return 0


def _refuse(error: ConfigurationError) -> int:
    structlog.stdlib.get_logger().error("configuration_invalid", problems=error.problems)
    return 2


if __name__ == "__main__":
    sys.exit(main())
