"""The URL of a webhook: constant scheme, host and port; Liquid in path and query.

An encoded value never begins another segment, parameter or host. One that is empty, or has a segment `.` or `..` in it,
would make the request one for another resource, and fails the message.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import quote, unquote, urlsplit

from domain.errors import Problem
from domain.templates.front_matter import Field
from domain.templates.liquid_context import Rendering
from domain.templates.liquid_text import LiquidText, SourceLocation, TemplateRenderError, compile_liquid
from domain.templates.secret_text import SecretRef, UrlPart, join, parts_of

# No server at hand takes a longer one: nginx 8 KB for the whole line, Apache 8190 bytes.
MAX_URL_CHARACTERS: Final = 8_000

_OUTPUT: Final = re.compile(r"(\{\{.*?\}\})", re.DOTALL)
_SLASH: Final = re.compile(r"[/\\]")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_ENDS_HOST: Final = re.compile(r"https?://[^/?#]+[/?]", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class UrlTemplate:
    """A URL in pieces: constant texts, outputs in the path, and outputs in the query."""

    place: SourceLocation
    path: tuple[str | LiquidText, ...]
    query: tuple[str | LiquidText, ...]

    def render(self, rendering: Rendering) -> str:
        """Return the URL, a SecretText if it has secrets. Raises TemplateRenderError."""
        url = join([*self._path(rendering), *self._query(rendering)])
        if len(url) > MAX_URL_CHARACTERS:
            raise TemplateRenderError(self.place, f"the URL exceeds {MAX_URL_CHARACTERS} characters")
        return url

    def texts(self) -> Iterator[LiquidText]:
        """Iterate over the texts that are rendered."""
        return (piece for piece in (*self.path, *self.query) if isinstance(piece, LiquidText))

    def _path(self, rendering: Rendering) -> list[str | SecretRef]:
        parts: list[str | SecretRef] = []
        for piece in self.path:
            rendered = _encode(piece, rendering, "path")
            if isinstance(piece, LiquidText) and not any(rendered):
                raise TemplateRenderError(self.place, "a value in the path of the URL is empty for this user")
            parts += rendered
        if _has_dots(join(parts)):
            raise TemplateRenderError(
                self.place, "a value in the path of the URL has a segment `.` or `..` for this user"
            )
        return parts

    def _query(self, rendering: Rendering) -> list[str | SecretRef]:
        return [part for piece in self.query for part in _encode(piece, rendering, "query")]


def compile_url(field: Field, problems: list[Problem]) -> UrlTemplate | None:
    """Compile the URL of a template; add its faults to `problems`."""
    value = field.value.strip()
    pieces = _OUTPUT.split(value)
    sample = "".join("x" if _OUTPUT.fullmatch(piece) else piece for piece in pieces)
    if "{%" in value:
        problems.append(field.place.problem("a URL holds no tags", "Write {{ … }} in its path or query only"))
    elif len(pieces) > 1 and not _ENDS_HOST.match(pieces[0]):
        said = "the host of a URL must be constant"
        problems.append(field.place.problem(said, "Write it as https://api.example.com/users/{{ profile.user_id }}"))
    elif not _is_http(sample) or _CONTROL.search(sample):
        problems.append(field.place.problem("this is not a URL to send to", "Write it as https://example.com/hook"))
    elif "#" in sample:
        problems.append(field.place.problem("a URL to send to has no fragment", "Remove `#` and all behind it"))
    elif _has_dots(urlsplit(sample).path):
        said = "the path of the URL has a segment `.` or `..`"
        problems.append(field.place.problem(said, "Write the path that it leads to"))
    else:
        path, query = _compile(pieces, field.place, problems)
        return UrlTemplate(field.place, path, query)
    return None


def _compile(
    pieces: list[str], place: SourceLocation, problems: list[Problem]
) -> tuple[tuple[str | LiquidText, ...], tuple[str | LiquidText, ...]]:
    path: list[str | LiquidText] = []
    query: list[str | LiquidText] = []
    for piece in pieces:
        if not _OUTPUT.fullmatch(piece):
            before, mark, after = piece.partition("?") if not query else ("", "", piece)
            path += [before] if before else []
            query += [mark + after] if mark + after else []
            continue
        compiled, faults = compile_liquid(piece, place, may_name_secrets=True)
        problems += faults
        if compiled is not None:
            (query or path).append(compiled)
    return tuple(path), tuple(query)


def _encode(piece: str | LiquidText, rendering: Rendering, part: UrlPart) -> list[str | SecretRef]:
    if isinstance(piece, str):
        return [piece]
    return [
        replace(each, part=part) if isinstance(each, SecretRef) else quote(each, safe="")
        for each in parts_of(piece.render(rendering))
    ]


def _has_dots(path: str) -> bool:
    """Whether a path has a segment `.` or `..`, once it is decoded."""
    # Proxies such as nginx decode a path, and then resolve its dots.
    return bool({".", ".."} & set(_SLASH.split(unquote(path))))


def _is_http(url: str) -> bool:
    try:
        parts = urlsplit(url)
        has_port = parts.port is None or parts.port > 0
    except ValueError:
        return False
    is_host = bool(parts.hostname) and re.search(r"[\s%\\]", parts.netloc) is None
    # Credentials in a URL end up in logs; a header holds them as a secret.
    return parts.scheme in {"http", "https"} and is_host and has_port and parts.username is None
