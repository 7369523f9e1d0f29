"""HTTP to addresses that campaign authors give, without letting them reach into private networks.

A host name is looked up once, every address that it stands for is judged, and the connection goes to the very address
that was judged: between the check and the use there is no second look-up that could answer differently.
"""

import asyncio
import socket
import ssl
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

import httpx

# RFC 6052: an IPv6-only network reaches IPv4 addresses through these, so the inner address is what counts.
_NAT64 = (IPv6Network("64:ff9b::/96"), IPv6Network("64:ff9b:1::/48"))


class BlockedAddressError(Exception):
    """The host stands for an address outside of the public Internet."""


class InvalidHostError(Exception):
    """The host is no name that could ever be looked up."""


class GuardedTransport(httpx.AsyncHTTPTransport):
    """Connects to checked addresses only, one connection a request.

    The name stays in the Host header and in the TLS handshake. Raises BlockedAddressError or InvalidHostError besides
    what httpx raises; a failed look-up is a ConnectError.
    """

    def __init__(self, *, allow_private_addresses: bool, tls_context: ssl.SSLContext) -> None:
        super().__init__(verify=tls_context, trust_env=False, limits=httpx.Limits(max_keepalive_connections=0))
        self._allow_private_addresses = allow_private_addresses

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        host = request.url.raw_host.decode("ascii")
        addresses = await _look_up(host)
        # One private address among public ones is no accident worth delivering to.
        if not self._allow_private_addresses and not all(is_public(address) for address in addresses):
            raise BlockedAddressError(f"{host} is, or stands for, an address outside of the public Internet")
        request.extensions = {**request.extensions, "sni_hostname": host}
        failure: httpx.TransportError = httpx.ConnectError(f"{host} has no address")
        for address in addresses:
            request.url = request.url.copy_with(host=address)
            try:
                return await super().handle_async_request(request)
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                failure = error
        raise failure


def is_public(address: str) -> bool:
    """Whether this IP address belongs to the public Internet and to a single host."""
    ip = ip_address(address)
    inner = _inner(ip) if isinstance(ip, IPv6Address) else None
    if inner is not None:
        return is_public(str(inner))
    is_local = isinstance(ip, IPv6Address) and ip.is_site_local
    return ip.is_global and not (ip.is_multicast or ip.is_reserved or is_local)


def _inner(ip: IPv6Address) -> IPv4Address | None:
    """The IPv4 address that this one leads to, where it is mapped (::ffff:…), 6to4 or NAT64."""
    if any(ip in network for network in _NAT64):
        return IPv4Address(int(ip) & 0xFFFFFFFF)
    return ip.ipv4_mapped or ip.sixtofour


async def _look_up(host: str) -> list[str]:
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except UnicodeError as error:
        raise InvalidHostError(f"{host} is not a host name") from error
    except OSError as error:
        raise httpx.ConnectError(f"{host} could not be looked up: {error}") from error
    return list(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found))
