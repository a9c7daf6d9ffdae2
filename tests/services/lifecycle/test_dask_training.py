"""What runs on a worker beside LightGBM."""

import socket

from lifecycle.dask_training import free_ports


def test_a_port_whose_connection_was_just_closed_is_not_free() -> None:
    """LightGBM cannot listen to it before the system has forgotten that connection, which takes a minute."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port = int(listening.getsockname()[1])
        listening.listen()
        with socket.create_connection(("127.0.0.1", port)) as client:
            accepted, _ = listening.accept()
            accepted.close()  # who closes first keeps the port
            assert client.recv(1) == b""
    with socket.socket() as open_one:
        open_one.bind(("", 0))
        other = int(open_one.getsockname()[1])
        assert free_ports([port, other]) == []
    assert free_ports([port, other]) == [other]
