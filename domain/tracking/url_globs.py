"""Patterns of page addresses, by which rules say where they apply.

`*` stands for any characters but `/`, `**` for any at all. A pattern from `/` on is compared with path and query, any
other with the whole address. The page compares. This module says which patterns there are, and spells their hosts as
browsers do.
"""

import re
from typing import Annotated, Final

from pydantic import AfterValidator, Field

from domain.campaign.schema import Listed, pattern_check, quote_value, refuse
from domain.hosts import spell_host

MAX_GLOBS: Final = 20
MAX_GLOB_CHARACTERS: Final = 500
_GLOB: Final = r"(/|\*|https?://)[^\s\\^{}|\[\]<>\"`]*"
_ADDRESS: Final = re.compile(r"(https?|\*)://([^/?#:]*)(?::([0-9]+))?(.*)", re.DOTALL)
_DEFAULT_PORTS: Final = {"http": "80", "https": "443"}


def read_url_glob(text: str) -> str | None:
    """Return a pattern in the spelling of browsers; None if it is not one."""
    if len(text) > MAX_GLOB_CHARACTERS or re.fullmatch(_GLOB, text) is None:
        return None
    address = _ADDRESS.fullmatch(text)
    if address is None:
        return text
    scheme, written, port, rest = address.groups()
    host = spell_host(written)
    if host is None:
        return None
    return f"{scheme}://{host}{f':{port}' if port and port != _DEFAULT_PORTS.get(scheme) else ''}{rest}"


def _check_glob(glob: str) -> str:
    found = read_url_glob(glob)
    if found is None:
        meant = f"/{glob}" if read_url_glob(f"/{glob}") else "/pricing/**"
        refuse(f"{quote_value(glob)} is not a pattern of addresses", f"Write a path, or an address: `{meant}`")
    return found


UrlGlob = Annotated[str, AfterValidator(_check_glob), pattern_check(_GLOB, "/pricing", "/docs/**")]
UrlGlobs = Annotated[tuple[UrlGlob, ...], Listed, Field(max_length=MAX_GLOBS)]
