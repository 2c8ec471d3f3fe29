"""A taken port is named before anything starts."""

import socket

import pytest

from gyre.errors import StackError
from gyre.settings import PORT_OFFSETS, Settings
from gyre.stack import ports


def test_a_taken_port_is_named_with_the_variable_that_moves_it():
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        here = Settings({"GYRE_PORT_MLFLOW": str(other.getsockname()[1])})
        with pytest.raises(StackError, match=rf"port {other.getsockname()[1]} is taken \(GYRE_PORT_MLFLOW moves it\).*GYRE_PORT_BASE"):
            ports.require_free(here, ["mlflow"])


def test_free_ports_are_accepted():
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        port = str(other.getsockname()[1])
    ports.require_free(Settings({"GYRE_PORT_MLFLOW": port}), ["mlflow"])


def test_no_two_servers_share_a_port_and_none_lies_among_those_of_served_models():
    fixed = [offset for name, offset in PORT_OFFSETS.items() if name != "serving"]
    assert len(set(fixed)) == len(fixed)
    assert not set(fixed) & set(range(PORT_OFFSETS["serving"], PORT_OFFSETS["serving"] + 100))
