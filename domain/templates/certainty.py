"""What a text does whatever some of the data is: nodes that ask for that are passed over.

Only what is certain is found this way: a node that fails here without data fails for everybody.
"""

import sys
from datetime import datetime
from typing import Any, TextIO

import liquid
from liquid.ast import Node
from liquid.builtin.expressions import LoopExpression, StringLiteral
from liquid.builtin.tags.cycle_tag import CycleNode
from liquid.token import Token
from liquid.undefined import UNDEFINED

from domain.templates.liquid_context import Context, Rendering
from domain.templates.liquid_nodes import within


class UnknownValueError(Exception):
    """A value was asked for that depends on the data."""


class PartialContext(Context):
    """A context in which the values of some names are unknown. Raises UnknownValueError where one is asked for."""

    __slots__ = ("_unknown",)

    def __init__(self, template: liquid.BoundTemplate, rendering: Rendering, unknown: frozenset[str]) -> None:
        super().__init__(template, rendering)
        self._unknown = set(unknown)
        self.failures = {}

    def now(self) -> datetime | None:
        """The time of sending is data as well."""
        raise UnknownValueError

    def get(self, path: list[object], *, token: Token | None, default: object = UNDEFINED) -> object:
        if isinstance(path[0], str) and path[0] in self._unknown:
            raise UnknownValueError
        return super().get(path, token=token, default=default)

    def assign(self, key: str, val: Any) -> None:
        super().assign(key, val)
        self._unknown.discard(key)

    def pass_over(self, node: Node) -> None:
        """Make unknown what the node may have assigned, and count no bytes for it."""
        for name in {str(name) for inner in within([node]) for name in inner.template_scope()}:
            self._locals_bytes -= sys.getsizeof(self.locals.pop(name)) if name in self.locals else 0
            self._unknown.add(name)


def render_certain(node: Node, context: PartialContext, buffer: TextIO) -> None:
    """Render a node of the template's highest level as far as it is the same for everybody."""
    try:
        if _follows_others(node):
            raise UnknownValueError
        liquid.BoundTemplate(context.env, [node]).render_with_context(context, buffer)
    except UnknownValueError:
        context.pass_over(node)


def _follows_others(node: Node) -> bool:
    """Whether it goes on where others have left off, which may have been passed over."""
    return any(isinstance(inner, CycleNode) or any(map(_is_continued, inner.expressions())) for inner in within([node]))


def _is_continued(loop: object) -> bool:
    return isinstance(loop, LoopExpression) and isinstance(loop.offset, StringLiteral)
