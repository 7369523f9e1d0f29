"""A tooltip: a small text that points at an element of the page."""

from collections.abc import Mapping
from typing import Any

from domain.channels.in_app.message_html import (
    draw_actions,
    draw_anchor,
    draw_bubble,
    draw_close,
    draw_words,
    element,
    name_message,
)
from domain.channels.in_app.message_kind import InAppKind, read_actions, read_side
from domain.channels.in_app.preview_page import Stage
from domain.templates.mapping_reader import MappingReader
from domain.templates.shown_parts import PartTree


class Tooltip(InAppKind):
    """A text beside the element that `anchor` selects."""

    name = "tooltip"

    def read(self, body: MappingReader) -> dict[str, PartTree]:
        return {
            "anchor": body.read_selector("anchor", is_required=True),
            "title": body.read_line("title"),
            "text": body.read_rich_text("text", is_required=True),
            "actions": read_actions(body, dismisses=True),
            "side": read_side(body),
        }

    def draw(self, content: Mapping[str, Any]) -> tuple[str, Stage]:
        words = element("div", draw_words(content) + draw_actions(content), "main")
        box = draw_bubble("bubble", name_message(content), words + draw_close(content), is_beside=True)
        return draw_anchor(content) + box, "within"
