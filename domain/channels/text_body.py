"""The body of a template that is one text, without HTML around it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from domain.errors import Problem
from domain.templates.front_matter import Field
from domain.templates.liquid_context import Rendering
from domain.templates.liquid_environment import TextForm
from domain.templates.liquid_text import LiquidText, TemplateRenderError, compile_liquid


@dataclass(frozen=True, slots=True)
class PlainText:
    """A message that is one text of at most so many characters, in one language."""

    text: LiquidText
    max_characters: int

    def render(self, rendering: Rendering) -> dict[str, Any]:
        """Return {text}. Raises TemplateRenderError."""
        text = self.text.render(rendering).strip()
        if not text:
            raise TemplateRenderError(self.text.place, "the text is empty for this user")
        if len(text) > self.max_characters:
            raise TemplateRenderError(self.text.place, f"the text exceeds {self.max_characters:,} characters")
        return {"text": text}

    def texts(self) -> Iterator[LiquidText]:
        yield self.text


def compile_text_body(body: Field, problems: list[Problem], *, form: TextForm = "text") -> LiquidText | None:
    """Compile the body, or return None with `problems`; an empty one is a problem."""
    text, faults = compile_liquid(body.value, body.place, form=form)
    problems += faults
    if not body.value.strip():
        problems.append(body.place.problem("the body is empty", "Write the text below the front matter"))
    return text
