"""A tour: several steps that lead through the page, one after the other."""

from typing import Final

from domain.channels.in_app.message_kind import InAppKind, drop_absent, read_side
from domain.templates.mapping_reader import MappingReader
from domain.templates.shown_parts import PartTree

# More steps than anybody follows.
MAX_STEPS: Final = 20


class Tour(InAppKind):
    """Steps with a text each, most of them beside an element."""

    name = "tour"
    labels = ("close", "message", "back", "next", "done", "skip", "of")

    def read(self, body: MappingReader) -> dict[str, PartTree]:
        steps: list[dict[str, PartTree]] = []
        for item in body.read_items("steps", MAX_STEPS, is_required=True):
            steps.append(_read_step(item, [step.get("id") for step in steps]))
        return {"steps": steps, "skippable": body.read_flag("skippable", True)}


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
