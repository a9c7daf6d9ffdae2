"""A real Prometheus that scrapes one scoring process each second."""

import json
import socket
import subprocess
import time
import urllib.request
from pathlib import Path

from toolchain.install import install


class PrometheusServer:
    """Runs from its making to `stop`."""

    def __init__(self, folder: Path, scoring_port: int) -> None:
        """Args: for its data; of the process to scrape, whose target has the label that a scoring pod's has."""
        folder.mkdir()
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            address = f"127.0.0.1:{probe.getsockname()[1]}"
        targets = {"targets": [f"127.0.0.1:{scoring_port}"], "labels": {"model": "car-loan"}}
        job = {"job_name": "scoring", "honor_labels": True, "static_configs": [targets]}
        config = {"global": {"scrape_interval": "1s", "scrape_timeout": "1s"}, "scrape_configs": [job]}
        (folder / "prometheus.yaml").write_text(json.dumps(config))  # JSON is YAML
        self.url = f"http://{address}"
        self._process = subprocess.Popen(
            [
                str(install(["prometheus"])["prometheus"]),
                f"--config.file={folder}/prometheus.yaml",
                f"--storage.tsdb.path={folder}/data",
                f"--web.listen-address={address}",
                "--log.level=error",
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 60
        while not self._is_ready():
            assert time.monotonic() < deadline, "Prometheus did not start"
            time.sleep(0.1)

    def stop(self) -> None:
        """Ends it."""
        self._process.kill()
        self._process.wait()

    def _is_ready(self) -> bool:
        try:
            urllib.request.urlopen(f"{self.url}/-/ready", timeout=2).close()  # noqa: S310 - on this machine
        except OSError:
            return False
        return True
