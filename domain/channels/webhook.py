"""Webhooks: a constant URL in the front matter, a YAML mapping or JSON object as the body.

The body is read once, when it is compiled. Its texts are Liquid and are rendered one by one, so a value stays inside of
its string whatever it holds; there is no JSON text that it could break out of. A text that is one `{{ … | json }}`
becomes the number, list, object, or null itself, in the same way.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from domain.channels.kind import ChannelKind
from domain.errors import Problem
from domain.templates.front_matter import Field, Leaf, Tree, parse_tree
from domain.templates.liquid_context import Rendering
from domain.templates.liquid_text import LiquidText, compile_liquid

_Compiled = LiquidText | int | float | bool | None | dict[str, "_Compiled"] | list["_Compiled"]


@dataclass(frozen=True, slots=True)
class WebhookTemplate:
    """A webhook's request in one language."""

    url: str
    data: dict[str, _Compiled]

    def render(self, rendering: Rendering) -> dict[str, Any]:
        """{url, data}, where data is a mapping that JSON can hold. Raises TemplateRenderError."""
        return {"url": self.url, "data": _render(self.data, rendering)}

    def texts(self) -> Iterator[LiquidText]:
        return _texts(self.data)


class Webhook(ChannelKind):
    """A signed request to the URL that the template names."""

    name = "webhook"
    required = ("url",)

    def compile(
        self, fields: Mapping[str, Field], body: Field, problems: list[Problem], warnings: list[Problem]
    ) -> WebhookTemplate | None:
        url = _url(fields.get("url"), problems)
        tree, faults, doubts = parse_tree(body)
        problems += faults
        warnings += doubts
        if tree is None:
            return None
        data = {key: _compile(value, problems) for key, value in tree.items()}
        return None if url is None else WebhookTemplate(url, data)


def _compile(tree: Tree, problems: list[Problem]) -> _Compiled:
    match tree:
        case dict():
            return {key: _compile(value, problems) for key, value in tree.items()}
        case list():
            return [_compile(item, problems) for item in tree]
        case Leaf(value=str() as text):
            compiled, faults = compile_liquid(text, tree.place)
            problems += faults
            return compiled
    return tree.value  # type: ignore[no-any-return]  # the scalars of YAML that JSON has


def _render(compiled: _Compiled, rendering: Rendering) -> Any:
    match compiled:
        case dict():
            return {key: _render(value, rendering) for key, value in compiled.items()}
        case list():
            return [_render(item, rendering) for item in compiled]
        case LiquidText():
            return compiled.value(rendering)
    return compiled


def _texts(compiled: _Compiled) -> Iterator[LiquidText]:
    if isinstance(compiled, LiquidText):
        yield compiled
    elif isinstance(compiled, dict | list):
        for part in compiled.values() if isinstance(compiled, dict) else compiled:
            yield from _texts(part)


def _url(field: Field | None, problems: list[Problem]) -> str | None:
    if field is None:
        return None
    value = field.value.strip()
    if "{{" in value or "{%" in value:
        problems.append(field.place.problem("the URL must be constant", "Put what varies into the body"))
    elif not _is_http(value):
        problems.append(field.place.problem("this is no URL to send to", "Write it as https://example.com/hook"))
    return value


def _is_http(url: str) -> bool:
    try:
        parts = urlsplit(url)
        has_port = parts.port is None or parts.port > 0
    except ValueError:
        return False
    is_host = bool(parts.hostname) and re.search(r"[\s%\\]", parts.netloc) is None
    # Credentials in a URL end up in logs; receivers check the signature instead.
    return parts.scheme in {"http", "https"} and is_host and has_port and parts.username is None
