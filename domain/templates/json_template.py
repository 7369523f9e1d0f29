"""JSON whose texts are Liquid, rendered one by one, so values stay in strings.

A text that is one `{{ … | json }}` becomes the number, list, object, or null itself, in the same way.
"""

from collections.abc import Iterator
from typing import Any

from domain.errors import Problem
from domain.templates.front_matter import Leaf, Tree
from domain.templates.liquid_context import Rendering
from domain.templates.liquid_text import LiquidText, compile_liquid

JsonTemplate = LiquidText | int | float | bool | None | dict[str, "JsonTemplate"] | list["JsonTemplate"]


def compile_json(tree: Tree, problems: list[Problem], *, may_name_secrets: bool = False) -> JsonTemplate:
    """Compile a tree of YAML; what is wrong with its texts is added to `problems`."""
    match tree:
        case dict():
            return {key: compile_json(item, problems, may_name_secrets=may_name_secrets) for key, item in tree.items()}
        case list():
            return [compile_json(item, problems, may_name_secrets=may_name_secrets) for item in tree]
        case Leaf(value=str() as text):
            compiled, faults = compile_liquid(text, tree.place, may_name_secrets=may_name_secrets)
            problems += faults
            return compiled
    return tree.value  # type: ignore[no-any-return]  # the scalars of YAML that JSON has


def render_json(template: JsonTemplate, rendering: Rendering) -> Any:
    """Return data that JSON can hold. Raises TemplateRenderError."""
    match template:
        case dict():
            return {key: render_json(value, rendering) for key, value in template.items()}
        case list():
            return [render_json(item, rendering) for item in template]
        case LiquidText():
            return template.value(rendering)
    return template


def texts_in(template: JsonTemplate) -> Iterator[LiquidText]:
    """Iterate over the texts that are rendered."""
    match template:
        case LiquidText():
            yield template
        case dict():
            for value in template.values():
                yield from texts_in(value)
        case list():
            for item in template:
                yield from texts_in(item)
