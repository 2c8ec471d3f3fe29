"""Who listens where, and whether those ports are free."""

from __future__ import annotations

import socket
from collections.abc import Iterable

from gyre.errors import StackError
from gyre.settings import Settings


def is_free(address: str, port: int) -> bool:
    """Whether a server could listen there now."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        # as servers do: a port whose last connections are still closing (TIME_WAIT) counts as free
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError:
            return False
    return True


def require_free(settings: Settings, names: Iterable[str]) -> None:
    """Refuse to start while another program has one of our ports.

    Raises:
        StackError: Naming each taken port and the variable that moves it.
    """
    taken = [name for name in names if not is_free(settings.bind_address, settings.port(name))]
    if taken:
        listed = "; ".join(f"port {settings.port(name)} is taken (GYRE_PORT_{name.upper()} moves it)" for name in taken)
        raise StackError(f"Cannot start: {listed}. Or move all ports with GYRE_PORT_BASE, for example GYRE_PORT_BASE=38000.")
