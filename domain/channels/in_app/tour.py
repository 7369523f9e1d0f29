"""A tour: several steps that lead through the page, one after the other."""

from collections.abc import Mapping
from html import escape
from typing import Any, ClassVar, Final

from domain.channels.in_app.message_html import (
    draw_anchor,
    draw_bubble,
    draw_button,
    draw_close,
    draw_row,
    draw_words,
    element,
    join_drawn,
)
from domain.channels.in_app.message_kind import InAppKind, drop_absent, read_side
from domain.channels.in_app.preview_page import Stage
from domain.templates.mapping_reader import MappingReader
from domain.templates.shown_parts import PartTree

# More steps than anybody follows.
MAX_STEPS: Final = 20


class Tour(InAppKind):
    """Steps with a text each, most of them beside an element."""

    name = "tour"
    # Who skips it is left alone.
    ends_when_dismissed = True
    labels = ("close", "message", "back", "next", "done", "skip", "of")
    report_events: ClassVar[Mapping[str, str]] = {"completed": "Tour Completed"}

    def read(self, body: MappingReader) -> dict[str, PartTree]:
        steps: list[dict[str, PartTree]] = []
        for item in body.read_items("steps", MAX_STEPS, is_required=True):
            steps.append(_read_step(item, [step.get("id") for step in steps]))
        return {"steps": steps, "skippable": body.read_flag("skippable", True)}

    def draw(self, content: Mapping[str, Any]) -> tuple[str, Stage]:
        return join_drawn(_draw_step(content, number) for number in range(len(content["steps"]))), "within"


def _draw_step(content: Mapping[str, Any], number: int) -> str:
    labels, steps = content["labels"], content["steps"]
    is_last = number == len(steps) - 1
    buttons = [element("span", escape(f"{number + 1} {labels['of']} {len(steps)}"), "count")]
    if number:
        buttons.append(draw_button(labels["back"], "secondary"))
    buttons.append(draw_button(labels["done" if is_last else "next"], "primary"))
    step = steps[number]
    words = element("div", draw_words(step) + draw_row(buttons), "main")
    close = draw_close(content, "skip") if content["skippable"] else ""
    is_beside = "anchor" in step
    style = "bubble tour" if is_beside else "bubble tour middle"
    box = draw_bubble(style, step["title"], words + close, is_beside=is_beside, tabindex="-1")
    return element("div", draw_anchor(step) + box)


def _read_step(item: MappingReader, before: list[PartTree]) -> dict[str, PartTree]:
    step = {
        "id": item.read_name("id", is_required=True),
        "anchor": item.read_selector("anchor"),
        "title": item.read_line("title", is_required=True),
        "text": item.read_rich_text("text", is_required=True),
        "next_on_click": item.read_flag("next_on_click", False),
        "side": read_side(item),
    }
    if step["id"] is not None and step["id"] in before:
        item.report(f"the step '{step['id']}' stands here twice", "Give it another id", "id")
    if step["next_on_click"] and step["anchor"] is None:
        said = "the step has no element to click on"
        item.report(said, "Give it an anchor, or leave out next_on_click", "next_on_click")
    item.finish()
    return drop_absent(step)
