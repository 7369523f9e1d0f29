"""The client of a request, for limits: an IPv4 address or an IPv6 /64.

A header that names the client is trusted only as far as a trusted proxy wrote it, so it is read from the right: each
trusted proxy appends the address of its peer, and anything further left may be the client's invention.
"""

from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from starlette.datastructures import Headers

Network = IPv4Network | IPv6Network


@lru_cache(4096)
def network_of(address: str) -> str:
    """Return the unit of limits: a subscriber has a whole /64 of IPv6.

    A text that is not an address stays as it is.
    """
    parsed = _parse(address)
    if isinstance(parsed, IPv6Address):
        return str(ip_network((int(parsed) >> 64 << 64, 64)))
    return address if parsed is None else str(parsed)


def client_of(peer: str, headers: Headers, trusted: Sequence[Network]) -> str:
    """Return the client of a request that `peer` sent, as `network_of` counts it.

    If a trusted proxy passes on both X-Forwarded-For and Forwarded, and they differ, one of them is the client's own:
    then the proxy counts.
    """
    if not trusted or not _is_trusted(peer, trusted):
        return network_of(peer)
    named = [
        _rightmost(peer, hops, trusted)
        for hops in (
            [hop for line in headers.getlist("x-forwarded-for") for hop in line.split(",")],
            [_for(element) for line in headers.getlist("forwarded") for element in line.split(",")],
        )
        if hops
    ]
    return network_of(named[0] if len(set(named)) == 1 else peer)


def _rightmost(peer: str, hops: list[str], trusted: Sequence[Network]) -> str:
    """Return the first address from the right that is not a trusted proxy's.

    The last proxy counts if no address follows, or an invalid one.
    """
    nearest = peer
    for hop in reversed(hops):
        address = _without_port(hop.strip())
        if _parse(address) is None:
            return nearest
        nearest = address
        if not _is_trusted(address, trusted):
            return nearest
    return nearest


def _for(element: str) -> str:
    """Return the `for` of one element of Forwarded (RFC 7239), without quotes."""
    for pair in element.split(";"):
        name, _, value = pair.strip().partition("=")
        if name.lower() == "for":
            return value.strip('"')
    return ""


def _without_port(node: str) -> str:
    if node.startswith("["):
        return node[1:].partition("]")[0]
    host, colon, _ = node.partition(":")
    return host if colon and ":" not in node[len(host) + 1 :] else node


def _parse(address: str) -> IPv4Address | IPv6Address | None:
    try:
        parsed = ip_address(address)
    except ValueError:
        return None
    mapped = parsed.ipv4_mapped if isinstance(parsed, IPv6Address) else None
    return mapped or parsed


def _is_trusted(address: str, trusted: Sequence[Network]) -> bool:
    parsed = _parse(address)
    return parsed is not None and any(parsed in network for network in trusted)
