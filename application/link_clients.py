"""Read what a client says of itself: a browser, or a machine that follows links."""

from functools import cache
from typing import Any, Final

import re2
from crawleruseragents import CRAWLER_USER_AGENTS_DATA

from domain.sending.tracking.verdicts import Client

MAX_CHARACTERS: Final = 512
_MAX_BYTES: Final = 64 << 20
# Image proxies of mail programs, which fetch ahead; scanners of mail servers; libraries of programs.
_MORE: Final = (
    r"GoogleImageProxy",
    r"YahooMailProxy",
    r"Barracuda",
    r"Mimecast",
    r"Proofpoint",
    r"SafeLinks",
    r"Symantec",
    r"^(?:curl|python|java|okhttp|go-http|node|axios|libwww|wget|ruby)\b",
    r"Headless",
)
# The whole of what Apple's privacy proxy sends, and less than any browser does.
_BARE: Final = r"^Mozilla/\d+(?:\.\d+)?$"


def read_client(user_agent: str | None) -> Client:
    """Return whether a User-Agent header is that of a browser."""
    said = (user_agent or "").strip()[:MAX_CHARACTERS]
    return "machine" if not said or _machines().search(said) else "browser"


@cache
def _machines() -> Any:
    # By RE2, in microseconds: some 1,500 patterns.
    options = re2.Options()
    options.case_sensitive = False
    options.max_mem = _MAX_BYTES
    known = [one["pattern"] for one in CRAWLER_USER_AGENTS_DATA]
    return re2.compile("|".join(f"(?:{pattern})" for pattern in (*known, *_MORE, _BARE)), options)
