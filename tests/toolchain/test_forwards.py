"""Forwarded ports: begun once, kept, begun anew where they were, ended whole."""

from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from toolchain import forwards
from toolchain.errors import ToolchainError

pytestmark = pytest.mark.engine  # it starts real processes, seconds each

_URL = "http://scoring-car-loan.ml.svc.cluster.local:80"


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Where the forwards are remembered; whatever a test began is ended."""
    yield tmp_path
    forwards.stop(tmp_path)


def _kubectl(folder: Path, says: str) -> Path:
    """A program that speaks as `kubectl port-forward` does and stays; the real one is used end to end."""
    program = folder / "kubectl"
    program.write_text(f"#!/bin/sh\nfor last; do :; done\n{says}\nexec sleep 60\n", encoding="utf-8")
    program.chmod(0o755)
    return program


_STARTS = 'echo "Forwarding from 127.0.0.1:${last%%:*} -> ${last##*:}"'


def test_urls_of_services_are_found_in_outputs() -> None:
    """Each once, whatever stands around it."""
    text = f'{{"scoring_url": "{_URL}", "scoring_urls": {{"car-loan": "{_URL}"}}, "other": "http://127.0.0.1:80"}}'
    assert forwards.in_cluster_urls([text]) == [_URL]


def test_a_running_forward_is_used_again(folder: Path) -> None:
    """A second call neither begins another nor changes the port."""
    kubectl = _kubectl(folder, _STARTS)
    first = forwards.ensure(folder, kubectl, folder / "kubeconfig", [_URL])
    assert first[_URL].startswith("http://127.0.0.1:")
    assert forwards.ensure(folder, kubectl, folder / "kubeconfig", [_URL]) == first


def test_an_ended_forward_comes_back_on_its_port_and_stop_leaves_no_process(folder: Path) -> None:
    """What a person noted stays true; after `stop` nothing of it runs."""
    kubectl = _kubectl(folder, _STARTS)
    first = forwards.ensure(folder, kubectl, folder / "kubeconfig", [_URL])
    for child in psutil.Process().children(recursive=True):
        child.kill()
    assert forwards.ensure(folder, kubectl, folder / "kubeconfig", [_URL]) == first
    began = psutil.Process().children(recursive=True)
    forwards.stop(folder)
    _, alive = psutil.wait_procs(began, timeout=5)
    assert alive == []


def test_a_forward_that_does_not_start_says_why(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What kubectl printed is in the error, and its loop is ended."""
    monkeypatch.setattr(forwards, "_START_SECONDS", 0.5)
    kubectl = _kubectl(folder, 'echo "error: services not found"; exit 1')
    with pytest.raises(ToolchainError, match="services not found"):
        forwards.ensure(folder, kubectl, folder / "kubeconfig", [_URL])
    assert [each for each in psutil.Process().children(recursive=True) if each.status() != "zombie"] == []
