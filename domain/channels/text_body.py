"""The body of a template that is one text, without HTML around it."""

from domain.errors import Problem
from domain.templates.front_matter import Field
from domain.templates.liquid_environment import TextForm
from domain.templates.liquid_text import LiquidText, compile_liquid


def compile_text_body(body: Field, problems: list[Problem], *, form: TextForm = "text") -> LiquidText | None:
    """Compile the body, or return None with `problems`; an empty one is a problem."""
    text, faults = compile_liquid(body.value, body.place, form=form)
    problems += faults
    if not body.value.strip():
        problems.append(body.place.problem("the body is empty", "Write the text below the front matter"))
    return text
