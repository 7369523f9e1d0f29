"""Loopback ports for the embedded servers."""

import socket
from random import choice
from typing import Final

LOOPBACK = "127.0.0.1"
NEIGHBOURS = 20
# Below the range of outgoing connections, from 32,768 on: one of these may take a port at any moment.
SERVERS: Final = range(20_000, 32_768)


def listen(port: int | None) -> socket.socket:
    """Listen on the loopback port `port`, or on a free one if it is None or taken.

    The ports after a taken one come first, so that a machine finds the same port again.
    """
    for candidate in range(port, min(port + NEIGHBOURS, 65_536)) if port else ():
        try:
            return _bind(candidate)
        except OSError:
            continue
    return _bind(0)


def free_port(preferred: int | None = None) -> int:
    """Return `preferred` if no process listens there, else a free port.

    Another process may take it before its server does, so a caller that starts one tries again on a bind error.
    """
    with listen(preferred or choice(SERVERS)) as probe:  # noqa: S311 - not a secret
        return get_port(probe)


def get_port(bound: socket.socket) -> int:
    port: int = bound.getsockname()[1]
    return port


def _bind(port: int) -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        # Connections of a server that just ended linger for a minute; without this they would count as taken.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((LOOPBACK, port))
        sock.listen(128)
    except OSError:
        sock.close()
        raise
    return sock
