"""What tells one embedded cluster from another."""

import pytest

from infra.local.node_ports import FIRST_PORT
from toolchain.cluster.settings import NODE_PORTS, ClusterSettings
from toolchain.errors import ToolchainError


def test_clusters_with_different_offsets_share_no_port() -> None:
    """A test's cluster and a person's run side by side."""
    first = {outside for outside, _ in ClusterSettings("a").relays.values()}
    second = {outside for outside, _ in ClusterSettings("b", 1000).relays.values()}
    assert not first & second


@pytest.mark.parametrize("text", ["-1", "many", "40000"])
def test_an_offset_that_fits_no_port_is_refused(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the variable, the value and the range."""
    monkeypatch.setenv("PORT_OFFSET", text)
    with pytest.raises(ToolchainError, match="PORT_OFFSET") as caught:
        ClusterSettings.from_environment()
    assert text in caught.value.cause
    assert "0 to" in caught.value.way_out


def test_every_node_port_of_the_local_stack_is_relayed() -> None:
    """What the stack gives a port is reached from this machine."""
    assert set(FIRST_PORT.values()) <= set(NODE_PORTS.values())
