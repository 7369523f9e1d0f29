"""Look up TXT records."""

import asyncio
from collections.abc import Iterable
from typing import Final

import dns.asyncresolver
import dns.exception
import dns.resolver

LOOKUP_SECONDS: Final = 5.0


async def look_up_texts(names: Iterable[str]) -> dict[str, list[str]]:
    """Return the texts of each name; names whose look-up failed are left out."""
    wanted = list(dict.fromkeys(names))
    found = await asyncio.gather(*(_look_up(name) for name in wanted))
    return {name: texts for name, texts in zip(wanted, found, strict=True) if texts is not None}


async def _look_up(name: str) -> list[str] | None:
    try:
        answer = await dns.asyncresolver.resolve(name, "TXT", lifetime=LOOKUP_SECONDS)
    except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
        return []
    except (dns.exception.DNSException, OSError, UnicodeError):
        return None
    # RFC 7208, 3.3: the strings of a record are one text.
    return [b"".join(record.strings).decode(errors="replace") for record in answer]
