"""Tags and expressions of the library, with Shopify's semantics and with costs.

The library allows replacing tags. It creates comparisons deep inside its parser, so their class is changed after
parsing to one of the same shape.
"""

import operator
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any, TextIO

import liquid
from liquid.ast import BlockNode, Node
from liquid.builtin.expressions import LoopExpression, Path, StringLiteral
from liquid.builtin.expressions.filtered import Filter, FilteredExpression
from liquid.builtin.expressions.logical import (
    ContainsExpression,
    EqExpression,
    GeExpression,
    GtExpression,
    LeExpression,
    LtExpression,
    NeExpression,
)
from liquid.builtin.output import Output, OutputNode
from liquid.builtin.tags.case_tag import _AnyExpression
from liquid.builtin.tags.cycle_tag import CycleNode, CycleTag
from liquid.builtin.tags.echo_tag import EchoTag
from liquid.builtin.tags.for_tag import ForNode, ForTag
from liquid.builtin.tags.if_tag import IfTag
from liquid.builtin.tags.tablerow_tag import TablerowNode, TablerowTag
from liquid.builtin.tags.unless_tag import UnlessTag
from liquid.exceptions import LiquidError, LiquidTypeError, ResourceLimitError, UndefinedError
from liquid.expression import Expression
from liquid.stream import TokenStream
from liquid.token import Token

from domain.templates.liquid_context import Budget, Buffer, Context
from domain.templates.liquid_values import are_equal, is_blank, is_nothing, is_number, text_of
from domain.templates.secret_text import SecretRef


def _own(context: liquid.RenderContext) -> Context:
    if not isinstance(context, Context):
        raise TypeError("templates are rendered by LiquidText")
    return context


def _budget(context: liquid.RenderContext) -> Budget:
    return _own(context).budget


def _write_value(value: object, expression: Expression, context: liquid.RenderContext, buffer: TextIO) -> int:
    """Write a value as text. Raises UndefinedError, naming the variable, for nothing."""
    if value is None:
        # A filter has found nothing; only its input has a name.
        left = expression.left if isinstance(expression, FilteredExpression) else expression
        name = str(left) if isinstance(left, Path) else ""
        raise UndefinedError(name, token=left.token)
    if isinstance(value, SecretRef) and isinstance(buffer, Buffer):
        buffer.write_secret(value)
        return 0
    if not isinstance(value, str):
        _budget(context).charge_for(value)
    return buffer.write(_own(context).spell(value))


class _OutputNode(OutputNode):
    """Both `{{ … }}` and `{% echo … %}`."""

    __slots__ = ()

    def render_to_output(self, context: liquid.RenderContext, buffer: TextIO) -> int:
        if (missing := _own(context).missing) is None:
            return self._write(context, buffer)
        first, start = len(missing), buffer.tell()
        written = self._write(context, buffer)
        if len(missing) > first and isinstance(buffer, Buffer):
            printed = buffer.getvalue()[start:]
            for read in missing[first:]:
                read.printed = printed
        return written

    def _write(self, context: liquid.RenderContext, buffer: TextIO) -> int:
        try:
            return _write_value(self.expression.evaluate(context), self.expression, context, buffer)
        except ResourceLimitError:
            raise
        except LiquidError as error:
            if (failures := _own(context).failures) is None or error.token is None:
                raise
            failures.setdefault(error.token.start_index, error)
            return 0


class OutputTag(Output):
    node_class = _OutputNode


class EchoOutputTag(EchoTag):
    node_class = _OutputNode  # type: ignore[assignment]  # the library's differs only in its `str`


class _CycleNode(CycleNode):
    __slots__ = ()

    def render_to_output(self, context: liquid.RenderContext, buffer: TextIO) -> int:
        # The library identifies cycles by their values; Shopify by their text.
        group = self.group.evaluate(context) if self.group else None
        key = ("", str(self)) if is_nothing(group) else (text_of(group), "")
        index = context.cycle(key, len(self.args))
        if index >= len(self.args):
            return 0
        expression = self.args[index]
        return _write_value(expression.evaluate(context), expression, context, buffer)


class CountedCycleTag(CycleTag):
    node_class = _CycleNode


class _Loop(LoopExpression):
    """A loop charged for its block's text; a null limit or offset is ignored."""

    __slots__ = ("characters",)

    def __init__(self, given: LoopExpression) -> None:
        super().__init__(
            given.token,
            given.identifier,
            given.iterable,
            limit=given.limit,
            offset=given.offset,
            reversed_=given.reversed,
            cols=given.cols,
        )
        self.characters = 0

    def evaluate(self, context: liquid.RenderContext) -> tuple[Iterator[object], int]:
        items, length = self._to_iter(self.iterable.evaluate(context), context)
        key = f"{self.identifier}-{self.iterable}"
        if isinstance(self.offset, StringLiteral) and self.offset.value == "continue":
            start = context.stopindex(key)
        else:
            start = self._evaluate_bound(self.offset, context) or 0
        limit = self._evaluate_bound(self.limit, context)
        start = min(max(start, 0), length)
        stop = length if limit is None else min(max(start + limit, start), length)
        context.stopindex(key, stop)
        _budget(context).charge_loop(stop - start, self.characters)
        chosen = islice(items, start, stop)
        return (reversed(list(chosen)) if self.reversed else chosen), stop - start

    def _evaluate_bound(self, expression: Expression | None, context: liquid.RenderContext) -> int | None:
        value = expression.evaluate(context) if expression is not None else None
        return None if expression is None or is_nothing(value) else self._to_int(value, token=expression.token)


class _ForNode(ForNode):
    __slots__ = ()

    def __init__(
        self, token: Token, expression: LoopExpression, block: BlockNode, default: BlockNode | None = None
    ) -> None:
        super().__init__(token, _Loop(expression), block, default)


class _TablerowNode(TablerowNode):
    __slots__ = ()

    def __init__(self, token: Token, expression: LoopExpression, block: BlockNode) -> None:
        super().__init__(token, _Loop(expression), block)


class StrictIfTag(IfTag):
    # Otherwise `{% else if … %}` means `else`, and a second `else` is dropped with all that follows it.
    mode = liquid.Mode.STRICT


class StrictUnlessTag(UnlessTag):
    mode = liquid.Mode.STRICT


class CountedForTag(ForTag):
    node_class = _ForNode

    def parse(self, stream: TokenStream) -> Node:
        begin = stream.current.start_index
        node = super().parse(stream)
        _measure(node, begin, stream)
        return node


class CountedTablerowTag(TablerowTag):
    node_class = _TablerowNode

    def parse(self, stream: TokenStream) -> TablerowNode:
        begin = stream.current.start_index
        node = super().parse(stream)
        _measure(node, begin, stream)
        return node


def _measure(node: Node, begin: int, stream: TokenStream) -> None:
    """Give a loop the length of its text, up to the end tag at the stream's position."""
    for expression in node.expressions():
        if isinstance(expression, _Loop):
            expression.characters = max(stream.current.start_index - begin, 0)


class _Equal(EqExpression):
    __slots__ = ()

    def evaluate(self, context: liquid.RenderContext) -> bool:
        return _compare(self.left.evaluate(context), self.right.evaluate(context), context)


class _Unequal(NeExpression):
    __slots__ = ()

    def evaluate(self, context: liquid.RenderContext) -> bool:
        return not _compare(self.left.evaluate(context), self.right.evaluate(context), context)


class _OneOf(_AnyExpression):
    __slots__ = ()

    def evaluate(self, context: liquid.RenderContext) -> list[bool]:
        left = self.left.evaluate(context)
        return [_compare(left, right.evaluate(context), context) for right in self.expressions]


class _Less(LtExpression):
    __slots__ = ()

    def evaluate(self, context: liquid.RenderContext) -> bool:
        return _order(self, context, operator.lt)


class _Greater(GtExpression):
    __slots__ = ()

    def evaluate(self, context: liquid.RenderContext) -> bool:
        return _order(self, context, operator.gt)


class _AtMost(LeExpression):
    __slots__ = ()

    def evaluate(self, context: liquid.RenderContext) -> bool:
        return _order(self, context, operator.le)


class _AtLeast(GeExpression):
    __slots__ = ()

    def evaluate(self, context: liquid.RenderContext) -> bool:
        return _order(self, context, operator.ge)


class _Contains(ContainsExpression):
    __slots__ = ()

    def evaluate(self, context: liquid.RenderContext) -> bool:
        left, right = self.left.evaluate(context), self.right.evaluate(context)
        if is_nothing(left) or is_nothing(right) or left is False:
            return False
        _budget(context).charge_for(left, right)
        if isinstance(left, str):
            return text_of(right) in left
        if isinstance(left, list | tuple | range):
            return any(are_equal(item, right) for item in left)
        if isinstance(left, dict):
            return isinstance(right, str) and right in left
        raise LiquidTypeError("contains", token=self.token)


def _order(
    expression: LtExpression | GtExpression | LeExpression | GeExpression,
    context: liquid.RenderContext,
    compare: Callable[[Any, Any], bool],
) -> bool:
    """Compare numbers or texts; a blank value is neither less nor greater."""
    left, right = expression.left.evaluate(context), expression.right.evaluate(context)
    if is_blank(left) or is_blank(right):
        return False
    are_texts = isinstance(left, str) and isinstance(right, str)
    if not are_texts and not (is_number(left) and is_number(right)):
        raise LiquidTypeError("order", token=expression.token)
    return compare(left, right)


def _compare(left: object, right: object, context: liquid.RenderContext) -> bool:
    if not isinstance(left, bool | int | float) and not isinstance(right, bool | int | float):
        _budget(context).charge_for(left)
    return are_equal(left, right)


_COMPARISONS: dict[type[Expression], type[Expression]] = {
    EqExpression: _Equal,
    NeExpression: _Unequal,
    LtExpression: _Less,
    GtExpression: _Greater,
    LeExpression: _AtMost,
    GeExpression: _AtLeast,
    ContainsExpression: _Contains,
    _AnyExpression: _OneOf,
}


def replace_comparisons(template: liquid.BoundTemplate) -> None:
    """Replace the comparisons of a parsed template by those of this module."""
    for expression in all_expressions(template):
        if (own := _COMPARISONS.get(type(expression))) is not None:
            expression.__class__ = own


# The library requires it for partials, which templates do not have.
_NO_CONTEXT = liquid.RenderContext(liquid.Environment().from_string(""))


def walk_nodes(nodes: Iterable[Node]) -> Iterator[Node]:
    """Iterate over the nodes and all nodes within, in the order of the text."""
    waiting = list(nodes)[::-1]
    while waiting:
        node = waiting.pop()
        yield node
        waiting.extend(list(node.children(_NO_CONTEXT, include_partials=False))[::-1])


def all_expressions(template: liquid.BoundTemplate) -> Iterator[Expression]:
    """Iterate over every expression of a template, each before its parts."""
    expressions = [expression for node in walk_nodes(template.nodes) for expression in node.expressions()]
    for expression in expressions:
        yield expression
        expressions.extend(expression.children())


def filters_in(expressions: Iterable[Expression]) -> Iterator[Filter]:
    for expression in expressions:
        if isinstance(expression, FilteredExpression):
            yield from expression.filters or ()
