"""HTTP to addresses of campaign authors, without access to private networks.

A host name is resolved once, each of its addresses is checked, and the connection goes to a checked address: there is
no second look-up between check and use that could answer differently.
"""

import ssl

import httpx

from channels.public_addresses import is_public
from channels.resolver import LookupFailedError, Resolver


class BlockedAddressError(Exception):
    """The host resolves to an address outside the public Internet."""


class InvalidHostError(Exception):
    """The host is not a valid name."""


class UnknownHostError(httpx.ConnectError):
    """The host has no address, or none that could be found now."""


class GuardedTransport(httpx.AsyncHTTPTransport):
    """Connects to checked addresses only, one connection for each request.

    `resolver` resolves the names. The name stays in the Host header and in the TLS handshake. Raises
    BlockedAddressError or InvalidHostError besides httpx's errors; a failed look-up is an UnknownHostError.
    """

    def __init__(self, resolver: Resolver, *, allow_private_addresses: bool, tls_context: ssl.SSLContext) -> None:
        super().__init__(verify=tls_context, trust_env=False, limits=httpx.Limits(max_keepalive_connections=0))
        self._resolver = resolver
        self._allow_private_addresses = allow_private_addresses

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        host = request.url.raw_host.decode("ascii")
        addresses = await self._addresses(host)
        # One private address among public ones is reason enough to refuse.
        if not self._allow_private_addresses and not all(is_public(address) for address in addresses):
            raise BlockedAddressError(f"{host} is, or stands for, an address outside of the public Internet")
        request.extensions = {**request.extensions, "sni_hostname": host}
        failure: httpx.TransportError = UnknownHostError(f"{host} has no address")
        for address in addresses:
            request.url = request.url.copy_with(host=address)
            try:
                return await super().handle_async_request(request)
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                failure = error
        raise failure

    async def _addresses(self, host: str) -> list[str]:
        try:
            return await self._resolver.addresses(host)
        except UnicodeError as error:
            raise InvalidHostError(f"{host} is not a host name") from error
        except LookupFailedError as error:
            raise UnknownHostError(str(error)) from error
