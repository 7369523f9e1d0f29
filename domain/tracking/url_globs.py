"""Patterns of page addresses, by which rules say where they apply.

`*` stands for any characters but `/`, `**` for any at all. A pattern from `/` on is compared with path and query, any
other with the whole address. The page compares; this module says which patterns there are.
"""

import re
from typing import Annotated, Final

from pydantic import AfterValidator, Field

from domain.campaign.schema import Listed, pattern_check, quote_value, refuse

MAX_GLOBS: Final = 20
MAX_GLOB_CHARACTERS: Final = 500
_GLOB: Final = r"(/|\*|https?://)[^\s\\^{}|\[\]<>\"`]*"


def is_url_glob(text: str) -> bool:
    """Return whether a text is a pattern of addresses."""
    return len(text) <= MAX_GLOB_CHARACTERS and re.fullmatch(_GLOB, text) is not None


def _check_glob(glob: str) -> str:
    if not is_url_glob(glob):
        meant = f"/{glob}" if is_url_glob(f"/{glob}") else "/pricing/**"
        refuse(f"{quote_value(glob)} is not a pattern of addresses", f"Write a path, or an address: `{meant}`")
    return glob


UrlGlob = Annotated[str, AfterValidator(_check_glob), pattern_check(_GLOB, "/pricing", "/docs/**")]
UrlGlobs = Annotated[tuple[UrlGlob, ...], Listed, Field(max_length=MAX_GLOBS)]
