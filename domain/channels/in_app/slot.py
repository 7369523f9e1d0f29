"""A slot: content of the page itself, in place of the default."""

from collections.abc import Mapping
from typing import Any

from domain.channels.in_app.message_html import draw_actions, draw_data, draw_image, draw_words, element
from domain.channels.in_app.message_kind import InAppKind, read_actions, read_image
from domain.channels.in_app.preview_page import Stage
from domain.templates.mapping_reader import MappingReader
from domain.templates.shown_parts import PartTree


class Slot(InAppKind):
    """The children of the element whose `data-sojourn-slot` is the placement."""

    name = "slot"
    interrupts = False
    default_placement = ""
    labels = ()

    def read(self, body: MappingReader) -> dict[str, PartTree]:
        content = {
            "text": body.read_rich_text("text"),
            "image": read_image(body),
            "url": body.read_link("url"),
            "data": body.read_data("data"),
        }
        if not any(map(body.has, ("text", "image", "data"))):
            body.report("the slot has no content", "Give it a text, an image or data")
        return {**content, "actions": read_actions(body, dismisses=False)}

    def draw(self, content: Mapping[str, Any]) -> tuple[str, Stage]:
        shown = draw_image(content) + draw_words(content) + draw_actions(content)
        data = draw_data(content["data"]) if "data" in content else ""
        return element("div", shown + data, "slot"), "within"
