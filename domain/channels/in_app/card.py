"""A card: an entry of a feed, which stays until it is dismissed or expires."""

from collections.abc import Mapping
from html import escape
from typing import Any

from domain.channels.in_app.message_html import (
    draw_actions,
    draw_close,
    draw_icon,
    draw_image,
    draw_words,
    element,
    name_message,
)
from domain.channels.in_app.message_kind import InAppKind, read_actions, read_image
from domain.channels.in_app.preview_page import Stage
from domain.templates.mapping_reader import MappingReader
from domain.templates.shown_parts import PartTree


class Card(InAppKind):
    """An entry of the feed that `placement` names."""

    name = "card"
    interrupts = False
    default_placement = "feed"

    def read(self, body: MappingReader) -> dict[str, PartTree]:
        return {
            "title": body.read_line("title", is_required=True),
            "text": body.read_rich_text("text", is_required=True),
            "image": read_image(body),
            "url": body.read_link("url"),
            "actions": read_actions(body, dismisses=False),
            "pinned": body.read_flag("pinned", False),
            "dismissible": body.read_flag("dismissible", True),
        }

    def draw(self, content: Mapping[str, Any]) -> tuple[str, Stage]:
        close = draw_close(content) if content["dismissible"] else ""
        title = _draw_title(content) if content.get("title") else ""
        text = draw_words({"text": content.get("text")})
        words = element("div", title + text + draw_actions(content), "main")
        card = draw_image(content) + words + close
        return element("article", card, "box card new", aria_label=name_message(content)), "within"


def _draw_title(content: Mapping[str, Any]) -> str:
    words = escape(content["title"])
    linked = element("a", words, href=content["url"]) if "url" in content else words
    return element("p", linked + (draw_icon("pin") if content["pinned"] else ""), "title")
