"""The headers of a webhook's request: names by RFC 9110, values in Liquid."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from domain.errors import Problem
from domain.templates.front_matter import Field, Leaf
from domain.templates.liquid_context import Rendering
from domain.templates.liquid_text import LiquidText, SourceLocation, TemplateRenderError, compile_liquid

MAX_HEADER_CHARACTERS: Final = 4_096

# RFC 9110, 5.6.2.
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
# Every server takes ASCII; other letters are opaque data by RFC 9110, 5.5.
_VALUE: Final = re.compile(r"[\t\x20-\x7e]*")
# Headers that frame and route the message, or negotiate about the connection (RFC 9110, 7.6.1 and 7.8; 9112, 6).
FRAMING: Final = frozenset(
    [
        "host",
        "content-length",
        "transfer-encoding",
        "content-encoding",
        "accept-encoding",
        "connection",
        "keep-alive",
        "te",
        "trailer",
        "upgrade",
        "expect",
        "proxy-connection",
        "proxy-authorization",
        "http2-settings",
    ]
)
# Headers by which Sojourn identifies and signs a message.
OWN: Final = frozenset(["idempotency-key", "webhook-id", "webhook-timestamp", "webhook-signature"])


@dataclass(frozen=True, slots=True)
class HeaderTemplate:
    """The value of one header."""

    name: str
    value: LiquidText
    place: SourceLocation

    def render(self, rendering: Rendering) -> str:
        """Return the value, a SecretText if it has secrets. Raises TemplateRenderError."""
        value = self.value.render(rendering)
        # A line break would begin another header.
        if not _VALUE.fullmatch(value):
            said = f"the header '{self.name}' holds control characters or letters beyond ASCII for this user"
            raise TemplateRenderError(self.place, said)
        if len(value) > MAX_HEADER_CHARACTERS:
            said = f"the header '{self.name}' exceeds {MAX_HEADER_CHARACTERS} characters"
            raise TemplateRenderError(self.place, said)
        return value


def compile_headers(field: Field, problems: list[Problem]) -> tuple[HeaderTemplate, ...]:
    """Compile the headers of a template; add their faults to `problems`."""
    if not isinstance(field.tree, Mapping):
        problems.append(field.place.problem("headers are a mapping", "Write one Name: value a line"))
        return ()
    compiled: dict[str, HeaderTemplate] = {}
    for name, leaf in field.tree.items():
        key = name.lower()
        if not isinstance(leaf, Leaf):
            said = f"the header '{name}' has a mapping or a list for a value"
            problems.append(field.place.problem(said, "Give it one text"))
            continue
        if fault := _find_fault(name):
            problems.append(leaf.place.problem(*fault))
        elif key in compiled:
            said = f"the header '{name}' stands here twice, letter case apart"
            problems.append(leaf.place.problem(said, "Keep one of them"))
        elif (value := _compile(leaf, problems)) is not None:
            compiled[key] = HeaderTemplate(name, value, leaf.place)
    return tuple(compiled.values())


def _find_fault(name: str) -> tuple[str, str] | None:
    if not _TOKEN.fullmatch(name):
        return f"'{name}' is not the name of a header", "A name has letters, digits and hyphens, as X-Shop-Region"
    # Servers that pass headers on as variables, as CGI and WSGI do, take `_` for `-`.
    meant = name.lower().replace("_", "-")
    if meant in FRAMING:
        return f"the header '{name}' cannot be set: the request itself decides it", "Remove it"
    if meant in OWN:
        return f"the header '{name}' cannot be set: Sojourn identifies and signs its messages by it", "Remove it"
    return None


def _compile(leaf: Leaf, problems: list[Problem]) -> LiquidText | None:
    if not isinstance(leaf.value, str):
        problems.append(leaf.place.problem("the value of a header is a text", "Put it in quotes"))
        return None
    compiled, faults = compile_liquid(leaf.value.strip(), leaf.place, may_name_secrets=True)
    problems += faults
    return compiled
