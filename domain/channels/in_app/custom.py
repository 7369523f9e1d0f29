"""Data for an app or a page that shows messages by components of its own."""

from collections.abc import Mapping
from typing import Any

from domain.channels.in_app.message_html import draw_data, element
from domain.channels.in_app.message_kind import InAppKind
from domain.channels.in_app.preview_page import Stage
from domain.templates.mapping_reader import MappingReader
from domain.templates.shown_parts import PartTree


class Custom(InAppKind):
    """A mapping of the author's own, for the component that `placement` names."""

    name = "custom"
    interrupts = False
    default_placement = ""
    labels = ()

    def read(self, body: MappingReader) -> dict[str, PartTree]:
        return {"data": body.read_data("data", is_required=True)}

    def draw(self, content: Mapping[str, Any]) -> tuple[str, Stage]:
        return element("div", draw_data(content["data"]), "data"), "within"
