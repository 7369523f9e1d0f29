"""A banner: a strip along the top or the bottom of the page."""

from typing import Final, Literal

from domain.channels.in_app.message_kind import InAppKind, read_actions
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
