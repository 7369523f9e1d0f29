"""Web origins to which a browser key is bound, as the header `Origin` has them.

Source: the HTML standard, "Origin"; RFC 6454, 6.2. Browsers send it in lower case, in ASCII, without a default port.
"""

import re
from collections.abc import Collection
from typing import Final
from urllib.parse import urlsplit

from domain.deployment.secrets import is_loopback
from domain.hosts import spell_host

MAX_ORIGINS: Final = 20
_LOOPBACK_NAMES: Final = ("localhost", "127.0.0.1", "[::1]")
_DEFAULT_PORTS: Final = {"http": "80", "https": "443"}
_LABEL: Final = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
# `*.` stands for any subdomain, and needs two labels behind it: `https://*.example` would be a whole top-level domain.
_ORIGIN: Final = re.compile(
    rf"(https?)://(\*\.{_LABEL}(?:\.{_LABEL})+|{_LABEL}(?:\.{_LABEL})*|\[[0-9a-f:.]+\])(?::([0-9]{{1,5}}))?"
)


def read_origin(text: str) -> str | None:
    """Return an origin in the spelling of browsers; None if it is not one."""
    scheme, separator, host = text.strip().removesuffix("/").partition("://")
    match = _ORIGIN.fullmatch(f"{scheme.lower()}{separator}{spell_host(host)}")
    if match is None or len(match[2]) > 255:
        return None
    scheme, host, port = match[1], match[2], match[3]
    if port is None or port == _DEFAULT_PORTS[scheme]:
        return f"{scheme}://{host}"
    return f"{scheme}://{host}:{port}" if 0 < int(port) < 65_536 else None


def list_own_origins(url: str) -> frozenset[str]:
    """Return the origins of the pages at an address. This machine has several names."""
    parts = urlsplit(url)
    host, port = parts.hostname or "", "" if parts.port is None else f":{parts.port}"
    named = _LOOPBACK_NAMES if is_loopback(host) else [f"[{host}]" if ":" in host else host]
    return frozenset(origin for each in named if (origin := read_origin(f"{parts.scheme}://{each}{port}")))


def is_origin_allowed(given: str, allowed: Collection[str]) -> bool:
    """Return whether a header's origin is one of these, or a subdomain of `*.`."""
    return (given in allowed and "*" not in given) or any(
        _is_subdomain(given, pattern) for pattern in allowed if "://*." in pattern
    )


def _is_subdomain(given: str, pattern: str) -> bool:
    prefix, _, rest = pattern.partition("*")
    inner = given.removeprefix(prefix).removesuffix(rest)
    return (
        given.startswith(prefix)
        and given.endswith(rest)
        and len(given) > len(prefix) + len(rest)
        and re.fullmatch(rf"{_LABEL}(?:\.{_LABEL})*", inner) is not None
    )
