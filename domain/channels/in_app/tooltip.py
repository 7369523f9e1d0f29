"""A tooltip: a small text that points at an element of the page."""

from domain.channels.in_app.message_kind import InAppKind, read_actions, read_side
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
