"""A banner: a strip along the top or the bottom of the page."""

from collections.abc import Mapping
from typing import Any, Final, Literal

from domain.channels.in_app.message_html import draw_actions, draw_close, draw_words, element, name_message
from domain.channels.in_app.message_kind import InAppKind, read_actions
from domain.channels.in_app.preview_page import Stage
from domain.templates.mapping_reader import MappingReader
from domain.templates.shown_parts import PartTree

BannerPosition = Literal["top", "bottom"]
POSITIONS: Final[tuple[BannerPosition, ...]] = ("top", "bottom")


class Banner(InAppKind):
    """A strip of text with buttons, above or below the page's content."""

    name = "banner"

    def read(self, body: MappingReader) -> dict[str, PartTree]:
        return {
            "title": body.read_line("title"),
            "text": body.read_rich_text("text", is_required=True),
            "actions": read_actions(body, dismisses=True),
            "position": body.read_choice("position", POSITIONS, "top"),
            "dismissible": body.read_flag("dismissible", True),
        }

    def draw(self, content: Mapping[str, Any]) -> tuple[str, Stage]:
        close = draw_close(content) if content["dismissible"] else ""
        words = element("div", draw_words(content), "main")
        parts, position = words + draw_actions(content) + close, content["position"]
        return element("section", parts, f"box banner {position}", aria_label=name_message(content)), position
