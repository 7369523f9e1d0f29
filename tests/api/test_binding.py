"""An API process that cannot have its address says so, and what to do."""

import socket

import pytest

from api.server import bind
from domain.errors import ConflictError, InvalidRequestError
from settings import Settings
from tests import generated
from tests.processes import sojourn


@pytest.fixture
def settings(database_url: str) -> Settings:
    return Settings.model_validate(
        {
            "database_url": database_url,
            "link_secret": generated.LINK_SECRET,
            "webhook_signing_secret": generated.SIGNING_SECRET,
        }
    )


async def test_a_taken_port_is_told_with_a_remedy(settings: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        status, output = await sojourn(settings, "api", "--port", str(port))
    assert status == 1
    [line] = output.splitlines()
    assert f"port {port} of 127.0.0.1 is taken by another process: end that one, or choose another port" in line


def test_the_sockets_of_a_host_that_is_half_taken_are_given_back() -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        with pytest.raises(ConflictError):
            bind("localhost", port)
    for opened in bind("127.0.0.1", port):
        opened.close()


@pytest.mark.parametrize("host", ["192.0.2.1", "no-such-host.invalid"])
def test_an_address_of_another_machine_is_refused(host: str) -> None:
    with pytest.raises(InvalidRequestError, match="correct SOJOURN_API_HOST"):
        bind(host, 0)


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])  # noqa: S104
def test_a_free_port_is_bound_and_not_listened_on(host: str) -> None:
    [opened] = bind(host, 0)
    with opened, pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", opened.getsockname()[1]), timeout=5)
