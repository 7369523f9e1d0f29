"""In-app messages: what a page or an app shows to the person who is there.

The front matter says where, when and how often, and the body, in YAML, what is shown. Texts are rendered one by one.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from domain.channels.in_app.kinds import IN_APP_KINDS
from domain.channels.in_app.message_kind import drop_absent
from domain.channels.in_app.preview_page import draw_preview
from domain.channels.in_app.when_and_where import read_common, read_placement, read_priority
from domain.channels.kind import ChannelKind, Variant
from domain.errors import Problem
from domain.suggestions import did_you_mean
from domain.surveys.survey import QuestionOutline
from domain.surveys.survey_template import outline_questions
from domain.templates.front_matter import Field, Leaf, Tree, parse_tree
from domain.templates.liquid_context import Rendering
from domain.templates.liquid_text import LiquidText, SourceLocation, TemplateRenderError
from domain.templates.mapping_reader import MappingReader
from domain.templates.shown_parts import PartTree, count_characters, render_parts, texts_of_parts

MAX_CONTENT_BYTES: Final = 32_000
OUTPUT: Final = re.compile(r"\{\{.*?\}\}", re.DOTALL)
# Longer texts are not read in passing.
MAX_READ_CHARACTERS: Final = {"banner": 160, "tooltip": 240}


@dataclass(frozen=True, slots=True)
class InAppTemplate:
    """A message in one language."""

    kind: str
    placement: str | None
    priority: int
    content: Mapping[str, PartTree]
    place: SourceLocation

    @property
    def questions(self) -> tuple[QuestionOutline, ...]:
        """The questions of a survey; none for the other kinds."""
        return outline_questions(self.content.get("questions", ()))

    def render(self, rendering: Rendering) -> dict[str, Any]:
        """Return {kind, placement, priority, content}. Raises TemplateRenderError."""
        content: dict[str, Any] = render_parts(self.content, rendering)
        if (size := measure_content(content)) > MAX_CONTENT_BYTES:
            said = f"the message has {size} bytes for this user, and a page takes {MAX_CONTENT_BYTES}"
            raise TemplateRenderError(self.place, said)
        return {"kind": self.kind, "placement": self.placement, "priority": self.priority, "content": content}

    def texts(self) -> Iterator[LiquidText]:
        yield from texts_of_parts(self.content)


class InApp(ChannelKind):
    """A message in the person's inbox, from which their pages and apps take it."""

    name = "in_app"
    required = ("kind",)
    optional = ("placement", "every", "between", "dir")
    structured = ("where", "after", "theme", "labels")
    forms: ClassVar[Mapping[str, tuple[str, str]]] = {
        "where": ("a list of addresses", 'where: [/pricing, "/docs/**"]'),
        "after": ("a YAML mapping", "after: {seconds: 5}"),
    }
    numbers = ("priority",)
    waits_for_person = True
    report_events: ClassVar[Mapping[str, str]] = {
        "opened": "Message Shown",
        "clicked": "Message Clicked",
        "dismissed": "Message Dismissed",
        "answered": "Survey Answered",
        "failed": "Message Failed",
    }
    kind_events: ClassVar[Mapping[str, Mapping[str, str]]] = {
        kind.name: kind.report_events for kind in IN_APP_KINDS.values() if kind.report_events
    }

    def compile(
        self, fields: Mapping[str, Field], body: Field, problems: list[Problem], warnings: list[Problem]
    ) -> InAppTemplate | None:
        if "kind" not in fields:
            return None
        before = len(problems)
        written = fields["kind"].value.strip()
        kind = IN_APP_KINDS.get(written)
        if kind is None:
            said = f"there is no kind '{written[:60]}'"
            problems.append(fields["kind"].place.problem(said, did_you_mean(written, IN_APP_KINDS, "Kinds")))
            return None
        placement, priority = read_placement(kind, fields, problems), read_priority(fields.get("priority"), problems)
        common = read_common(kind, fields, problems, warnings)
        tree, faults, doubts = parse_tree(body)
        problems += faults
        warnings += doubts
        if tree is None:
            return None
        reader = MappingReader(tree, body.place, problems, warnings)
        own = kind.read(reader)
        reader.finish()
        in_front = {*self.required, *self.optional, *self.structured, *self.numbers}
        for key in sorted(fields.keys() & reader.known - in_front):
            problems.append(fields[key].place.problem(f"'{key}' stands in the body", "Write it below the front matter"))
        for key in sorted(tree.keys() & in_front - reader.known):
            reader.report(f"'{key}' stands in the front matter", "Write it above the body", key)
        if (size := _count_constant_bytes(tree)) > MAX_CONTENT_BYTES:
            said = f"the message has {size:,} bytes, and a page takes {MAX_CONTENT_BYTES:,}"
            problems.append(body.place.problem(said, "Make it shorter, or link to the rest"))
        if len(problems) > before:
            return None
        return InAppTemplate(kind.name, placement, priority, {**common, **drop_absent(own)}, body.place)

    def list_questions(self, variant: Variant) -> tuple[QuestionOutline, ...]:
        return variant.questions if isinstance(variant, InAppTemplate) else ()

    def interrupts(self, kind: str) -> bool:
        # Another release may have sent it: then caps count it, to be careful.
        return kind not in IN_APP_KINDS or IN_APP_KINDS[kind].interrupts

    def draw_page(self, content: Mapping[str, Any]) -> str:
        shown = content["content"]
        return draw_preview(shown, *IN_APP_KINDS[content["kind"]].draw(shown))

    def find_doubts(self, content: Mapping[str, Any]) -> Iterator[str]:
        most = MAX_READ_CHARACTERS.get(content["kind"])
        if most is not None and (length := count_characters(content["content"]["text"])) > most:
            yield f"the text has {length} characters: a {content['kind']} is read in passing, up to {most}"


def _count_constant_bytes(tree: Tree) -> int:
    """Return the bytes that the message has for everybody: of texts without tags."""
    match tree:
        case Leaf(value=str() as text):
            return 0 if "{%" in text else len(OUTPUT.sub("", text).encode(errors="replace"))
        case dict():
            return sum(map(_count_constant_bytes, tree.values()))
        case list():
            return sum(map(_count_constant_bytes, tree))
    return 0


def measure_content(content: Mapping[str, Any]) -> int:
    """Return the bytes of a content as JSON."""
    return len(json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode(errors="replace"))
