"""Text messages: a body in Liquid, whose segments are counted."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from domain.channels.phone import PhoneChannel
from domain.channels.sms_segments import count_segments, find_typographic
from domain.channels.text_body import compile_text_body
from domain.errors import Problem
from domain.templates.front_matter import Field, Leaf
from domain.templates.liquid_context import Rendering
from domain.templates.liquid_text import LiquidText, TemplateRenderError

DEFAULT_SEGMENTS: Final = 3
# Carriers join no more with certainty, and providers take 1,600 characters.
MAX_SEGMENTS: Final = 10
TEST_MARK: Final = "[Test] "

_TAG: Final = re.compile(r"\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)


@dataclass(frozen=True, slots=True)
class SmsTemplate:
    """A text message in one language."""

    text: LiquidText
    max_segments: int

    def render(self, rendering: Rendering) -> dict[str, Any]:
        """Return {text, segments}. Raises TemplateRenderError for one that is too long."""
        text = self.text.render(rendering).strip()
        if not text:
            raise TemplateRenderError(self.text.place, "the text is empty for this user")
        number = count_segments(text).number
        if number > self.max_segments:
            said = f"the text takes {number} segments for this user, and `max_segments` is {self.max_segments}"
            raise TemplateRenderError(self.text.place, said)
        return {"text": text, "segments": number}

    def texts(self) -> Iterator[LiquidText]:
        yield self.text


class Sms(PhoneChannel):
    """A text message to the trait `phone`."""

    name = "sms"
    numbers = ("max_segments",)
    report_events: ClassVar[Mapping[str, str]] = {
        "delivered": "SMS Delivered",
        "opened": "SMS Opened",
        "bounced": "SMS Failed",
        "failed": "SMS Failed",
        "replied": "SMS Replied",
    }

    def compile(
        self, fields: Mapping[str, Field], body: Field, problems: list[Problem], warnings: list[Problem]
    ) -> SmsTemplate | None:
        text = compile_text_body(body, problems)
        most = _read_limit(fields.get("max_segments"), problems)
        if text is None or most is None:
            return None
        warnings += _find_doubts(body, most)
        return SmsTemplate(text, most)

    def count_max_parts(self, variant: SmsTemplate) -> int:
        return variant.max_segments

    def count_parts(self, content: Mapping[str, Any]) -> int:
        return int(content["segments"])

    def find_doubts(self, content: Mapping[str, Any]) -> Iterator[str]:
        found = count_segments(content["text"])
        if found.number > 1:
            yield f"it takes {found.number} segments in {found.encoding}, each of which is charged"

    def mark_as_test(self, content: Mapping[str, Any]) -> Mapping[str, Any] | None:
        text = f"{TEST_MARK}{content['text']}"
        return {**content, "text": text, "segments": count_segments(text).number}


def _read_limit(field: Field | None, problems: list[Problem]) -> int | None:
    if field is None:
        return DEFAULT_SEGMENTS
    if isinstance(field.tree, Leaf) and 1 <= field.tree.value <= MAX_SEGMENTS:
        return int(field.tree.value)
    problems.append(field.place.problem(f"a message has at most {MAX_SEGMENTS} segments", f"Write 1 to {MAX_SEGMENTS}"))
    return None


def _find_doubts(body: Field, most: int) -> Iterator[Problem]:
    """Find what the constant part of a text shows already."""
    constant = _TAG.sub("", body.value).strip()
    found = count_segments(constant)
    if found.number > most:
        said = f"the text alone takes {found.number} segments, and `max_segments` is {most}"
        yield body.place.problem(said, "Shorten it, unless parts of it are alternatives")
    if typographic := find_typographic(constant):
        at = next(index for index, character in enumerate(body.value) if character in typographic)
        said = f"`{typographic}` leaves 70 characters to a segment instead of 160"
        yield body.place.at(body.value, at).problem(said, "Write plain quotes, hyphens and points")
