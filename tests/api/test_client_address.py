"""Whom a request counts for: read from the right, and believed only where a trusted proxy says so."""

import pytest
from starlette.datastructures import Headers

from api.client_address import client_of, network_of
from settings import Settings
from tests.api.fakes import SETTINGS

PROXY, OUTER = "10.0.0.1", "192.0.2.7"
NETWORKS = Settings.model_validate(
    {**SETTINGS.model_dump(), "trusted_proxies": "10.0.0.0/8, 192.0.2.7,fd00::/8"}
).trusted_proxies


def headers(**lines: str | list[str]) -> Headers:
    return Headers(
        raw=[
            (name.replace("_", "-").encode(), line.encode())
            for name, values in lines.items()
            for line in ([values] if isinstance(values, str) else values)
        ]
    )


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.5", "203.0.113.5"),
        ("::ffff:203.0.113.5", "203.0.113.5"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::", "2001:db8:1:3::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
        ("unknown", "unknown"),
    ],
)
def test_what_counts_as_one_client(address: str, network: str) -> None:
    assert network_of(address) == network


@pytest.mark.parametrize(
    ("peer", "said", "client"),
    [
        # Nobody but a trusted proxy is believed.
        ("203.0.113.5", {"x_forwarded_for": "198.51.100.1"}, "203.0.113.5"),
        ("203.0.113.5", {"forwarded": "for=198.51.100.1"}, "203.0.113.5"),
        (PROXY, {}, PROXY),
        (PROXY, {"x_forwarded_for": "198.51.100.1"}, "198.51.100.1"),
        # What a client has invented stands to the left of what the proxy has added.
        (PROXY, {"x_forwarded_for": "10.0.0.9, 198.51.100.1"}, "198.51.100.1"),
        (PROXY, {"x_forwarded_for": ["127.0.0.1", "10.0.0.9, 198.51.100.1"]}, "198.51.100.1"),
        (PROXY, {"x_forwarded_for": "203.0.113.5, 198.51.100.1, 192.0.2.7"}, "198.51.100.1"),
        (PROXY, {"x_forwarded_for": "198.51.100.1:4711"}, "198.51.100.1"),
        (PROXY, {"x_forwarded_for": "[2001:db8::9]:443"}, "2001:db8::/64"),
        (PROXY, {"x_forwarded_for": "2001:db8::9"}, "2001:db8::/64"),
        # All of them are proxies: the first one's own request.
        (PROXY, {"x_forwarded_for": "10.0.0.2"}, "10.0.0.2"),
        # What is no address is nobody's: it counts for the proxy that has said so.
        (PROXY, {"x_forwarded_for": "198.51.100.1, unknown, 192.0.2.7"}, OUTER),
        (PROXY, {"x_forwarded_for": ""}, PROXY),
        (PROXY, {"x_forwarded_for": "'; DROP TABLE"}, PROXY),
        (PROXY, {"forwarded": 'for="[2001:db8:cafe::17]:4711";proto=https;by=10.0.0.1'}, "2001:db8:cafe::/64"),
        (PROXY, {"forwarded": "for=10.0.0.9, For=198.51.100.1;proto=http"}, "198.51.100.1"),
        (PROXY, {"forwarded": "for=198.51.100.1, for=_hidden"}, PROXY),
        (PROXY, {"forwarded": "proto=https"}, PROXY),
        # One of two that disagree is invented; two that agree are not.
        (PROXY, {"forwarded": "for=203.0.113.5", "x_forwarded_for": "198.51.100.1"}, PROXY),
        (PROXY, {"forwarded": "for=198.51.100.1", "x_forwarded_for": "198.51.100.1"}, "198.51.100.1"),
        ("fd00::1", {"x_forwarded_for": "198.51.100.1"}, "198.51.100.1"),
        ("::ffff:10.0.0.1", {"x_forwarded_for": "198.51.100.1"}, "198.51.100.1"),
    ],
)
def test_the_client_of_a_request(peer: str, said: dict[str, str | list[str]], client: str) -> None:
    assert client_of(peer, headers(**said), NETWORKS) == client


def test_by_default_no_proxy_is_believed() -> None:
    assert client_of("127.0.0.1", headers(x_forwarded_for="198.51.100.1"), SETTINGS.trusted_proxies) == "127.0.0.1"
