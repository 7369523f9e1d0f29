"""Links and images of texts that a page shows: https, or relative to the page."""

import re
from typing import Final
from urllib.parse import quote

MAX_LINK_CHARACTERS: Final = 2_000
LINK_FORM: Final = "Write https://example.com/cart, or a path of the page's own site, as /cart"

# All that RFC 3986 lets stand in a URL; the rest is encoded, so no blank or control character is left.
_SAFE: Final = "!#$%&'()*+,/:;=?@[]~"
# A second slash would name another host.
_RELATIVE: Final = re.compile(r"/(?!/).*|[?#].*")
_HTTPS: Final = re.compile(r"https://(?![.:])[A-Za-z0-9._~-]+(:[0-9]{1,5})?([/?#].*)?")


def read_page_link(written: str) -> str | None:
    """Return a link as a page opens it, or None for one that it must not open."""
    url = quote(written.strip(), safe=_SAFE)
    is_sound = _RELATIVE.fullmatch(url) or _HTTPS.fullmatch(url)
    return url if is_sound and len(url) <= MAX_LINK_CHARACTERS else None
