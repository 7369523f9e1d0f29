"""Shared blocks in Liquid: the tag that names one, and the tag around its text.

Authors write `{% render 'button', label: 'Buy' %}`. Before a text is compiled, composition.py replaces that by
`{% block 'button', label: 'Buy' %}…{% endblock %}` with the block's text, which sees the arguments and the variables of
the message, but no name that is assigned outside.
"""

from collections.abc import Iterable, Sequence
from typing import Final, TextIO

import liquid
from liquid.ast import BlockNode, Node
from liquid.builtin.expressions import Identifier, KeywordArgument, StringLiteral, parse_primitive
from liquid.exceptions import LiquidSyntaxError
from liquid.expression import Expression
from liquid.parser import get_parser
from liquid.stream import TokenStream
from liquid.tag import Tag
from liquid.token import TOKEN_TAG, Token

from domain.templates.liquid_context import Context

RENDER: Final = "render"
BLOCK: Final = "block"
_END: Final = f"end{BLOCK}"


class BlockCallNode(Node):
    """A block's name and arguments, as authors write them."""

    __slots__ = ("arguments", "name")

    def __init__(self, token: Token, name: str, arguments: Sequence[KeywordArgument]) -> None:
        super().__init__(token)
        self.name = name
        self.arguments = arguments
        self.blank = False

    def render_to_output(self, context: liquid.RenderContext, buffer: TextIO) -> int:
        raise TypeError("a text with blocks is composed before it is rendered")

    def expressions(self) -> Iterable[Expression]:
        return [argument.value for argument in self.arguments]


class BlockTextNode(BlockCallNode):
    """The text of a block within that of its caller."""

    __slots__ = ("block",)

    def __init__(self, token: Token, name: str, arguments: Sequence[KeywordArgument], block: BlockNode) -> None:
        super().__init__(token, name, arguments)
        self.block = block

    def render_to_output(self, context: liquid.RenderContext, buffer: TextIO) -> int:
        if not isinstance(context, Context):
            raise TypeError("templates are rendered by LiquidText")
        arguments = {argument.name: argument.value.evaluate(context) for argument in self.arguments}
        with context.isolated(arguments):
            return self.block.render(context, buffer)

    def children(self, static_context: liquid.RenderContext, *, include_partials: bool = True) -> Iterable[Node]:
        return [self.block]

    def block_scope(self) -> Iterable[Identifier]:
        return [Identifier(argument.name, token=argument.token) for argument in self.arguments]


class RenderTag(Tag):
    name = RENDER
    block = False

    def parse(self, stream: TokenStream) -> Node:
        return BlockCallNode(*_read_call(self.env, stream))


class BlockTag(Tag):
    name = BLOCK
    end = _END

    def parse(self, stream: TokenStream) -> Node:
        token, name, arguments = _read_call(self.env, stream)
        next(stream)
        block = get_parser(self.env).parse_block(stream, frozenset({_END}))
        stream.expect(TOKEN_TAG, value=_END)
        return BlockTextNode(token, name, arguments, block)


def _read_call(env: liquid.Environment, stream: TokenStream) -> tuple[Token, str, list[KeywordArgument]]:
    token = stream.eat(TOKEN_TAG)
    tokens = stream.into_inner(tag=token, eat=False)
    name = parse_primitive(env, tokens)
    if not isinstance(name, StringLiteral):
        raise LiquidSyntaxError("a block is named in quotes, as in render 'button'", token=token)
    arguments = KeywordArgument.parse(env, tokens)
    tokens.expect_eos()
    return token, name.value, arguments
