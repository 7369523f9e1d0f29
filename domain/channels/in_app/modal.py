"""A modal: a dialog in the middle of the page."""

from collections.abc import Mapping
from typing import Any

from domain.channels.in_app.message_html import (
    draw_actions,
    draw_close,
    draw_dialog,
    draw_image,
    draw_words,
    element,
    name_message,
)
from domain.channels.in_app.message_kind import InAppKind, read_actions, read_image
from domain.channels.in_app.preview_page import Stage
from domain.templates.mapping_reader import MappingReader
from domain.templates.shown_parts import PartTree


class Modal(InAppKind):
    """A dialog over the page, which waits for the person."""

    name = "modal"
    default_every = "once"

    def read(self, body: MappingReader) -> dict[str, PartTree]:
        title, text, image = (
            body.read_line("title", is_required=True),
            body.read_rich_text("text", is_required=True),
            read_image(body),
        )
        actions = read_actions(body, dismisses=True)
        dismissible = body.read_flag("dismissible", True)
        if not dismissible and not any(action["dismiss"] for action in actions):
            said = "the dialog can never be closed"
            body.report(said, "Give it an action that dismisses, or leave out `dismissible: false`", "dismissible")
        return {"title": title, "text": text, "image": image, "actions": actions, "dismissible": dismissible}

    def draw(self, content: Mapping[str, Any]) -> tuple[str, Stage]:
        close = draw_close(content) if content["dismissible"] else ""
        words = element("div", draw_words(content, heading="h2") + draw_actions(content), "main")
        return draw_dialog("modal", name_message(content), draw_image(content), words, close), "over"
