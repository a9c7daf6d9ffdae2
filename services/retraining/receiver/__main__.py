"""`python3 -m retraining.receiver`. Exit status: 0 told to stop, 2 the configuration is wrong."""

import sys
from datetime import timedelta

import structlog
import uvicorn
from lifecycle.logs import configure_logging
from lifecycle.settings import ConfigurationError, ModelsStoreSettings, read_settings
from lifecycle.store import ObjectStore
from lightkube import Client
from lightkube.core.exceptions import ConfigError

from retraining.receiver.app import RolloutLooks, create_app
from retraining.receiver.jobs import ClusterJobs
from retraining.receiver.receiver import Receiver
from retraining.receiver.settings import ReceiverSettings
from retraining.rollout.keeper import Keeper
from retraining.rollout.observation import Prometheus
from retraining.rollout.settings import RolloutSettings


def main() -> int:
    """Serves until told to stop, and gives the exit status."""
    configure_logging("retraining")
    try:
        store_settings = read_settings(ModelsStoreSettings)
        settings = read_settings(ReceiverSettings)
        rollout_settings = read_settings(RolloutSettings)
        client = Client(namespace=settings.namespace)
    except ConfigurationError as error:
        return _refuse(error.problems)
    except ConfigError as error:
        return _refuse([f"no cluster: {error}; run it in a pod, or set KUBECONFIG"])
    configure_logging("retraining", settings.log_level)
    store = ObjectStore.open(store_settings)
    receiver = Receiver(ClusterJobs(client, settings.namespace), store, timedelta(seconds=settings.cool_down_seconds))
    rollouts = None
    if rollout_settings.prometheus_url is not None:
        keeper = Keeper(store, rollout_settings, Prometheus.at(rollout_settings.prometheus_url))
        rollouts = RolloutLooks(keeper, rollout_settings.look_seconds)
    structlog.stdlib.get_logger().info("listening", host=settings.listen_host, port=settings.listen_port)
    uvicorn.run(
        create_app(receiver, settings, rollouts),
        host=settings.listen_host,
        port=settings.listen_port,
        access_log=False,
        server_header=False,
        log_config=None,
        log_level="warning",
        timeout_graceful_shutdown=10,
    )
    return 0


def _refuse(problems: list[str]) -> int:
    structlog.stdlib.get_logger().error("configuration_invalid", problems=problems)
    return 2


if __name__ == "__main__":
    sys.exit(main())
