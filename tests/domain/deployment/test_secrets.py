"""Which hosts are this machine, so that what is sent to them need not be encrypted."""

import pytest

from domain.deployment.secrets import is_loopback


@pytest.mark.parametrize("host", ["localhost", "LocalHost", "127.0.0.1", "127.255.255.254", "::1", "[::1]", "0:0::1"])
def test_this_machine(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host",
    [
        "shop.localhost",
        "localhost.",
        "localhost.example.com",
        "127.0.0.1.example.com",
        "127.1",
        "128.0.0.1",
        "10.0.0.1",
        "0.0.0.0",  # noqa: S104 -- it is refused
        "::",
        "::2",
        "::ffff:127.0.0.1",
        "::1%eth0",
        "",
    ],
)
def test_others(host: str) -> None:
    assert not is_loopback(host)
