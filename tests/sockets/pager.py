"""A channel that only this module knows, and its registry line."""

from collections.abc import Iterator, Mapping
from typing import Any, cast

from domain.channels import kinds as channels
from domain.channels.kind import ChannelKind, Unreachable
from domain.errors import Problem
from domain.templates.front_matter import Field as TemplateField
from domain.templates.liquid_context import Rendering
from domain.templates.liquid_text import LiquidText, compile_liquid


class PagerText:
    """A page in one language."""

    def __init__(self, text: LiquidText) -> None:
        self._text = text

    def render(self, rendering: Rendering) -> dict[str, Any]:
        return {"text": self._text.render(rendering)}

    def texts(self) -> Iterator[LiquidText]:
        yield self._text


class Pager(ChannelKind):
    """A page to each of a person's pagers, who must have asked for it."""

    name = "pager"
    required = ("title",)
    silence_allows = False

    def compile(
        self, fields: Mapping[str, TemplateField], body: TemplateField, problems: list[Problem], warnings: list[Problem]
    ) -> PagerText:
        text, faults = compile_liquid(body.value, body.place)
        problems += faults
        assert text is not None
        return PagerText(text)

    def addresses(self, traits: Mapping[str, Any]) -> tuple[str, ...] | Unreachable:
        pagers = traits.get("pagers")
        return tuple(pagers) if pagers else Unreachable("the profile has no trait pagers")


cast(dict[str, ChannelKind], channels.CHANNELS)[Pager.name] = Pager()
