"""`python3 -m drift`, and `python3 -m drift evaluate <model>`, which serving starts.

Exit status: 0 well or told to stop, 1 an evaluation broke off, 2 the configuration is wrong, 3 it cannot listen.
"""

import json
import logging
import math
import os
import sys
from typing import Any, Final

import structlog
import uvicorn
from lifecycle.logs import configure_logging, error_facts
from lifecycle.registry import ModelRefusedError
from lifecycle.settings import ConfigurationError, read_settings
from lifecycle.store import StoreUnavailableError

from drift.app import create_app
from drift.results import Results
from drift.settings import DriftSettings
from drift.stores import Stores

NICE: Final = 10
"""An evaluation gives way to the service that answers beside it."""


def main(arguments: list[str]) -> int:
    """Serves until told to stop, or evaluates one model and prints the outcome; gives the exit status."""
    configure_logging("drift")
    try:
        settings = read_settings(DriftSettings)
        stores = Stores.open(settings.store_patience_seconds)
    except ConfigurationError as error:
        structlog.stdlib.get_logger().error("configuration_invalid", problems=error.problems)
        return 2
    match arguments:
        case ["evaluate", model]:
            status = _evaluate(stores, model, settings)
            sys.stderr.flush()
            # Without taking anything down: threads of the libraries are still there, and one process in six was ended
            # by SIGABRT ("terminate called without an active exception") after it had given its answer.
            os._exit(status)
        case []:
            configure_logging("drift", settings.log_level)
            uvicorn.run(
                create_app(settings, stores),
                host=settings.listen_host,
                port=settings.listen_port,
                log_config=None,
                log_level="warning",
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=5,
            )
            return 0
        case _:
            sys.stderr.write("usage: python3 -m drift [evaluate <model>]\n")
            return 2


def _evaluate(stores: Stores, model: str, settings: DriftSettings) -> int:
    # The outcome alone goes to standard output: logs, and what libraries print, go to where the errors go.
    with os.fdopen(os.dup(sys.stdout.fileno()), "w") as answer:
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
        configure_logging("drift", settings.log_level)
        logging.getLogger("nannyml").setLevel(logging.WARNING)  # it tells every fit at INFO
        os.nice(NICE)
        try:
            outcome = _outcome(stores, model, settings)
        except Exception as error:  # noqa: BLE001 - the last place that can say what happened
            structlog.stdlib.get_logger().error("evaluation_broke_off", model=model, **error_facts(error))
            return 1
        answer.write(json.dumps(outcome, default=str))
    return 0


def _outcome(stores: Stores, model: str, settings: DriftSettings) -> dict[str, Any]:
    from drift.engine import ClusterUnavailableError  # noqa: PLC0415 - see below
    from drift.evaluation import evaluate  # noqa: PLC0415 - NannyML takes seconds and 300 MiB; serving needs none
    from drift.outcome import Outcome  # noqa: PLC0415 - see above

    newest: list[dict[str, Any]] | None = None
    outcome = Outcome()
    log = structlog.stdlib.get_logger()
    try:
        outcome = evaluate(stores.models, stores.predictions, model, settings)
        newest = [] if outcome.version is None else Results(stores.predictions, model, outcome.version).newest_rows()
    except StoreUnavailableError as error:
        log.warning("store_unavailable", model=model, reason=str(error))
        outcome.conditions.add("store_unavailable")
        outcome.failures["store_unavailable"] = 1
    except ClusterUnavailableError as error:
        log.warning("cluster_unavailable", model=model, reason=str(error))
        outcome.failures["cluster_unavailable"] = 1
    except ModelRefusedError as error:
        log.warning("model_refused", model=model, cause=error.cause, reason=str(error))
        outcome.failures["model_refused"] = 1
    return {
        "version": outcome.version,
        "rows": outcome.rows,
        "conditions": sorted(outcome.conditions),
        "failures": outcome.failures,
        "failed_calculations": outcome.failed,
        "broken_parts": outcome.broken,
        "foreign_columns": outcome.foreign,
        "targets_missing": None if math.isnan(outcome.targets_missing) else outcome.targets_missing,
        "late_rows": outcome.late_rows,
        "newest": newest,
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
