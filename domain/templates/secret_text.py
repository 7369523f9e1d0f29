"""Secrets in texts: named by templates, and filled in only by the provider.

`{{ secrets.NAME }}` renders to a SecretRef within a SecretText, which shows itself as it was written. No filter, test
or assignment ever has a value to work on.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from html import escape
from typing import Any, Final, Literal
from urllib.parse import quote, quote_plus

from liquid.ast import Node
from liquid.builtin.expressions import Path
from liquid.builtin.expressions.filtered import FilteredExpression
from liquid.builtin.output import OutputNode

SECRETS: Final = "secrets"
SECRET_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,63}")

UrlPart = Literal["text", "path", "query"]
# RFC 3986, 3.3: a secret of several path segments keeps its slashes; it is the operator's, not a recipient's.
_SAFE: Final[dict[UrlPart, str]] = {"path": "/", "query": ""}


@dataclass(frozen=True, slots=True)
class SecretRef:
    """A secret by its name. `part` of the request selects the encoding."""

    name: str
    part: UrlPart = "text"

    def encode(self, value: str) -> str:
        """Write the secret's value as this part of a request takes it."""
        return value if self.part == "text" else quote(value, safe=_SAFE[self.part])


def spell(value: str) -> frozenset[str]:
    """Return the spellings of a value in requests and replies: JSON, HTML, forms."""
    quoted = (quote(value, safe=safe) for safe in _SAFE.values())
    return frozenset((value, *quoted, quote_plus(value), json.dumps(value)[1:-1], escape(value)))


class SecretText(str):
    """A text with secrets in it. As a string it shows their names."""

    parts: tuple[str | SecretRef, ...]

    def __new__(cls, parts: Iterable[str | SecretRef]) -> "SecretText":
        kept = tuple(parts)
        text = super().__new__(cls, "".join(part if isinstance(part, str) else _show(part) for part in kept))
        text.parts = kept
        return text

    def fill(self, value_of: Callable[[str], str]) -> str:
        """Put the secrets in."""
        return "".join(part if isinstance(part, str) else part.encode(value_of(part.name)) for part in self.parts)


def join(parts: Iterable[str | SecretRef]) -> str:
    """Return the parts as one text: a SecretText where one of them is a secret."""
    kept = list(parts)
    return SecretText(kept) if any(isinstance(part, SecretRef) for part in kept) else "".join(map(str, kept))


def parts_of(text: str) -> tuple[str | SecretRef, ...]:
    """Return the parts of a text, which is one part where it has no secrets."""
    return text.parts if isinstance(text, SecretText) else (text,)


def fill(value: Any, value_of: Callable[[str], str]) -> Any:
    """Return JSON data with its secrets put in."""
    match value:
        case SecretText():
            return value.fill(value_of)
        case dict():
            return {key: fill(item, value_of) for key, item in value.items()}
        case list():
            return [fill(item, value_of) for item in value]
    return value


def secrets_in(value: Any) -> Iterator[str]:
    """Iterate over the names of the secrets in JSON data."""
    match value:
        case SecretText():
            yield from (part.name for part in value.parts if isinstance(part, SecretRef))
        case dict():
            for item in value.values():
                yield from secrets_in(item)
        case list():
            for item in value:
                yield from secrets_in(item)


def plain_secrets(nodes: Iterable[Node]) -> frozenset[int]:
    """Return where `{{ secrets.NAME }}` stands outside of tags, without a filter."""
    return frozenset(
        path.token.start_index
        for node in nodes
        if isinstance(node, OutputNode) and (path := _plain_path(node)) is not None
    )


def _plain_path(node: OutputNode) -> Path | None:
    expression = node.expression
    if isinstance(expression, FilteredExpression):
        if expression.filters:
            return None
        expression = expression.left
    if not isinstance(expression, Path) or len(expression.path) != 2 or expression.path[0] != SECRETS:
        return None
    name = expression.path[1]
    return expression if isinstance(name, str) and SECRET_NAME.fullmatch(name) else None


def _show(secret: SecretRef) -> str:
    return f"{{{{ {SECRETS}.{secret.name} }}}}"
