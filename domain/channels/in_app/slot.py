"""A slot: content of the page itself, in place of the default."""

from domain.channels.in_app.message_kind import InAppKind, read_actions, read_image
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
