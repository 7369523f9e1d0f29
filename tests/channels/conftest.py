import re
import socket
from collections.abc import Iterator
from ipaddress import ip_address
from typing import Any

import pytest


@pytest.fixture
def refused_port() -> Iterator[int]:
    """A port that belongs to this test and refuses every connection."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


@pytest.fixture(autouse=True)
def _loopback_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reaches beyond this machine, whatever goes wrong in it: no name is looked up, no address called."""
    look_up, connect = socket.getaddrinfo, socket.socket.connect

    def local_look_up(name: str | bytes, *arguments: Any, **named: Any) -> Any:
        host = name.decode() if isinstance(name, bytes) else name
        is_name = re.search(r"[g-wyz]", host.lower()) is not None
        if is_name and host.lower() != "localhost":
            host.encode("idna")  # as the real one begins
            raise socket.gaierror(socket.EAI_NONAME, "tests look no names up")
        return look_up(host, *arguments, **named)

    def local_connect(self: socket.socket, address: Any) -> None:
        assert not isinstance(address, tuple) or ip_address(address[0]).is_loopback, f"a test calls {address}"
        connect(self, address)

    monkeypatch.setattr(socket, "getaddrinfo", local_look_up)
    monkeypatch.setattr(socket.socket, "connect", local_connect)
