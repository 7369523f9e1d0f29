"""Rendering without data: nodes that need data are skipped.

So only certain failures are found: a node that fails here fails for everybody.
"""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any, TextIO

import liquid
from liquid.ast import Node
from liquid.builtin.expressions import LoopExpression, StringLiteral
from liquid.builtin.tags.cycle_tag import CycleNode
from liquid.token import Token
from liquid.undefined import UNDEFINED

from domain.templates.liquid_context import Context, Rendering
from domain.templates.liquid_nodes import walk_nodes


class UnknownValueError(Exception):
    """A node asked for a value that depends on the data."""


class PartialContext(Context):
    """A context with unknown values. Raises UnknownValueError for one of them."""

    __slots__ = ("_given", "_unknown")

    def __init__(self, template: liquid.BoundTemplate, rendering: Rendering, unknown: frozenset[str]) -> None:
        super().__init__(template, rendering)
        self._given = unknown
        self._unknown = set(unknown)
        self.failures = {}

    def now(self) -> datetime | None:
        """Refuse: the time of sending is data as well."""
        raise UnknownValueError

    def get(self, path: list[object], *, token: Token | None, default: object = UNDEFINED) -> object:
        if isinstance(path[0], str) and path[0] in self._unknown:
            raise UnknownValueError
        return super().get(path, token=token, default=default)

    def assign(self, key: str, val: Any) -> None:
        super().assign(key, val)
        self._unknown.discard(key)

    @contextmanager
    def isolated(self, arguments: Mapping[str, object]) -> Iterator[None]:
        outer, self._unknown = self._unknown, set(self._given - arguments.keys())
        try:
            with super().isolated(arguments):
                yield
        finally:
            self._unknown = outer

    def skip(self, node: Node) -> None:
        """Mark the node's assignments as unknown, and count no bytes for them."""
        for name in {str(name) for inner in walk_nodes([node]) for name in inner.template_scope()}:
            self._locals_bytes -= sys.getsizeof(self.locals.pop(name)) if name in self.locals else 0
            self._unknown.add(name)


def render_certain(node: Node, context: PartialContext, buffer: TextIO) -> None:
    """Render a top-level node if its output is the same for everybody."""
    try:
        if _follows_others(node):
            raise UnknownValueError
        liquid.BoundTemplate(context.env, [node]).render_with_context(context, buffer)
    except UnknownValueError:
        context.skip(node)


def _follows_others(node: Node) -> bool:
    """Return whether a node continues an earlier one, which may have been skipped."""
    return any(
        isinstance(inner, CycleNode) or any(map(_is_continued, inner.expressions())) for inner in walk_nodes([node])
    )


def _is_continued(loop: object) -> bool:
    return isinstance(loop, LoopExpression) and isinstance(loop.offset, StringLiteral)
