"""The client of an event: its platform and place, and what brought its person.

Source: Segment's spec, common fields, `context`. RudderStack's script sends `app` and an empty `os` from pages as well,
so a page is known by `context.page`.
"""

from collections.abc import Mapping
from typing import Any, Final, Literal, get_args
from urllib.parse import parse_qsl, urlsplit

from domain.tracking.event import Event

Platform = Literal["app", "site"]
PLATFORMS: Final[tuple[Platform, ...]] = get_args(Platform)

MAX_VALUE_LENGTH: Final = 255
MAX_URL_LENGTH: Final = 4_096
_UTM: Final[Mapping[str, str]] = {
    "utm_campaign": "name",
    "utm_source": "source",
    "utm_medium": "medium",
    "utm_term": "term",
    "utm_content": "content",
}


def find_platform(event: Event) -> Platform | None:
    """Return whether an app or a page reported an event; None for a server."""
    context = event.context
    if event.type == "page" or read_object(context, "page"):
        return "site"
    if event.type == "screen" or read_object(context, "device") or read_text(read_object(context, "os"), "name"):
        return "app"
    return "site" if read_text(context, "userAgent") else None


def read_referrer(event: Event) -> str | None:
    """Return the address of the page that led here, without its query.

    None for a page of the same site.
    """
    own = _find_host(_read_url(event))
    for found in (
        read_text(read_object(event.context, "referrer"), "url", MAX_URL_LENGTH),
        read_text(read_object(event.context, "page"), "referrer", MAX_URL_LENGTH),
        read_text(event.properties, "referrer", MAX_URL_LENGTH) if event.type == "page" else None,
    ):
        if found is not None and (host := _find_host(found)) and host != own:
            return found.partition("#")[0].partition("?")[0][:MAX_VALUE_LENGTH]
    return None


def read_utm_campaign(event: Event) -> dict[str, str] | None:
    """Return name, source, medium, term and content of the UTM campaign."""
    given = read_object(event.context, "campaign")
    if found := {key: value for key in _UTM.values() if (value := read_text(given, key)) is not None}:
        return found
    try:
        query = parse_qsl(urlsplit(_read_url(event) or "").query, max_num_fields=100)
    except ValueError:
        return None
    return {_UTM[key]: value[:MAX_VALUE_LENGTH] for key, value in query if key in _UTM and value} or None


def read_location(event: Event) -> dict[str, str]:
    """Return `country` and `region`, as far as the client reports them."""
    location = read_object(event.context, "location")
    return {name: value for name in ("country", "region") if (value := read_text(location, name)) is not None}


def find_screen(event: Event) -> str | None:
    """Return the name of a viewed page or screen, or the path of a page."""
    if event.type not in ("page", "screen"):
        return None
    return event.name or read_text(event.properties, "path") or read_text(read_object(event.context, "page"), "path")


def read_object(data: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """Return an object of the data; empty if there is none."""
    value = data.get(key)
    return value if isinstance(value, Mapping) else {}


def read_text(data: Mapping[str, Any], key: str, limit: int = MAX_VALUE_LENGTH) -> str | None:
    """Return a text of the data, cut short; None if it is empty or another thing."""
    value = data.get(key)
    return value.strip()[:limit] or None if isinstance(value, str) else None


def _read_url(event: Event) -> str | None:
    """Return the address of the page."""
    url = read_text(read_object(event.context, "page"), "url", MAX_URL_LENGTH)
    return url or (read_text(event.properties, "url", MAX_URL_LENGTH) if event.type == "page" else None)


def _find_host(url: str | None) -> str:
    try:
        return (urlsplit(url or "").hostname or "").removeprefix("www.")
    except ValueError:
        return ""
