"""Parts of a message that a page shows as JSON: lines, rich texts, links.

A part is rendered by itself, so a value stays within it.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from domain.errors import Problem
from domain.templates.front_matter import Field
from domain.templates.json_template import JsonTemplate, render_json, texts_in
from domain.templates.liquid_context import Rendering
from domain.templates.liquid_text import LiquidText, TemplateRenderError, compile_liquid
from domain.templates.markdown import UNKNOWN, RichNode, find_unread, flatten, iter_nodes, parse_markdown, parse_source
from domain.templates.page_links import LINK_FORM, read_page_link

TARGETS: Final = frozenset({"href", "src"})
MAX_LINE_CHARACTERS: Final = 200
# Far more than anybody reads in a page's corner; it bounds the parse.
MAX_RICH_CHARACTERS: Final = 16_000

_CONTROL: Final = re.compile(r"[\x00-\x08\x0e-\x1f\x7f]")


class ShownPart(Protocol):
    """A part with texts of its own."""

    def render(self, rendering: Rendering) -> Any:
        """Return JSON, or None for a part that is left out. Raises TemplateRenderError."""
        ...

    def texts(self) -> Iterator[LiquidText]:
        """Iterate over the texts that are rendered."""
        ...


# JSON whose leaves are parts or constants.
PartTree = Any


def render_parts(tree: PartTree, rendering: Rendering) -> Any:
    """Return the JSON of a tree, without the members whose parts are left out."""
    match tree:
        case None | str() | int() | float():
            return tree
        case Mapping():
            rendered = {key: render_parts(part, rendering) for key, part in tree.items()}
            return {key: value for key, value in rendered.items() if value is not None or tree[key] is None}
        case Sequence():
            return [render_parts(part, rendering) for part in tree]
    return tree.render(rendering)


def texts_of_parts(tree: PartTree) -> Iterator[LiquidText]:
    """Iterate over the texts of a tree."""
    match tree:
        case None | str() | int() | float():
            return
        case Mapping():
            for part in tree.values():
                yield from texts_of_parts(part)
        case Sequence():
            for part in tree:
                yield from texts_of_parts(part)
        case _:
            yield from tree.texts()


@dataclass(frozen=True, slots=True)
class LineText:
    """Plain text in one line. An empty one is left out, unless it `is_required`."""

    text: LiquidText
    is_required: bool

    def render(self, rendering: Rendering) -> str | None:
        line = " ".join(_CONTROL.sub("", self.text.render(rendering)).split())
        if not line and self.is_required:
            raise TemplateRenderError(self.text.place, "the text is empty for this user")
        if len(line) > MAX_LINE_CHARACTERS:
            said = f"the text has {len(line)} characters for this user, and {MAX_LINE_CHARACTERS} are shown"
            raise TemplateRenderError(self.text.place, said)
        return line or None

    def texts(self) -> Iterator[LiquidText]:
        yield self.text


@dataclass(frozen=True, slots=True)
class RichText:
    """A text in Markdown as a tree of nodes, in which values are text alone."""

    text: LiquidText
    is_required: bool

    def render(self, rendering: Rendering) -> list[RichNode] | None:
        written = self.text.render(rendering)
        if len(written) > MAX_RICH_CHARACTERS:
            said = f"the text exceeds {MAX_RICH_CHARACTERS:,} characters for this user"
            raise TemplateRenderError(self.text.place, said)
        nodes = parse_markdown(written)
        for node in iter_nodes(nodes):
            for key in TARGETS & node.keys():
                if (url := read_page_link(node[key])) is None:
                    said = "a link is neither https nor relative for this user"
                    raise TemplateRenderError(self.text.place, said)
                node[key] = url
        if not nodes and self.is_required:
            raise TemplateRenderError(self.text.place, "the text is empty for this user")
        return nodes or None

    def texts(self) -> Iterator[LiquidText]:
        yield self.text


@dataclass(frozen=True, slots=True)
class LinkText:
    """The target of a link, or the source of an image. An empty one is left out."""

    text: LiquidText

    def render(self, rendering: Rendering) -> str | None:
        written = self.text.render(rendering).strip()
        if not written:
            return None
        if (url := read_page_link(written)) is None:
            raise TemplateRenderError(self.text.place, "the link is neither https nor relative for this user")
        return url

    def texts(self) -> Iterator[LiquidText]:
        yield self.text


@dataclass(frozen=True, slots=True)
class DataPart:
    """JSON of the author's own, for a page that shows it by itself."""

    template: JsonTemplate

    def render(self, rendering: Rendering) -> Any:
        return render_json(self.template, rendering)

    def texts(self) -> Iterator[LiquidText]:
        yield from texts_in(self.template)


def compile_line(field: Field, problems: list[Problem], *, is_required: bool = False) -> LineText | None:
    """Compile a line of text; add its faults to `problems`."""
    compiled, faults = compile_liquid(field.value, field.place)
    problems += faults
    if not field.value.strip():
        problems.append(field.place.problem("the text is empty", "Give it a text, or leave it out"))
    if not _has_liquid(field.value) and len(field.value) > MAX_LINE_CHARACTERS:
        said = f"the text has {len(field.value)} characters"
        problems.append(field.place.problem(said, f"Write at most {MAX_LINE_CHARACTERS}"))
    return None if compiled is None else LineText(compiled, is_required)


def compile_rich_text(
    field: Field, problems: list[Problem], warnings: list[Problem], *, is_required: bool = False
) -> RichText | None:
    """Compile a text in Markdown, with its faults in `problems`, doubts in `warnings`."""
    compiled, faults = compile_liquid(field.value, field.place, form="markdown")
    problems += faults
    if not field.value.strip():
        problems.append(field.place.problem("the text is empty", "Give it a text, or leave it out"))
    if len(field.value) > MAX_RICH_CHARACTERS:
        said = f"the text has {len(field.value):,} characters"
        problems.append(field.place.problem(said, f"Write at most {MAX_RICH_CHARACTERS:,}"))
        return None
    for at, name in find_unread(field.value):
        said = f"{name} is shown as it is written"
        remedy = "There are paragraphs, **bold**, *italic*, [links](/url), ![images](/url) and lists with `- `"
        warnings.append(field.place.at(field.value, at).problem(said, remedy))
    for node in iter_nodes(parse_source(field.value)):
        for key in TARGETS & node.keys():
            problems += _find_link_fault(node[key], field)
        if node["t"] == "img" and not node["alt"]:
            said = "an image has no text in its place"
            warnings.append(field.place.problem(said, "Say what it shows, as ![the new shoe](/shoe.png)"))
    return None if compiled is None else RichText(compiled, is_required)


def compile_page_link(field: Field, problems: list[Problem]) -> LinkText | None:
    """Compile the target of a link; add its faults to `problems`."""
    compiled, faults = compile_liquid(field.value, field.place)
    problems += faults
    if not faults:
        pieces = parse_source(f"[x]({field.value.strip()})")
        written = next((node["href"] for node in iter_nodes(pieces) if "href" in node), field.value)
        problems += _find_link_fault(written, field)
    return None if compiled is None else LinkText(compiled)


def _find_link_fault(written: str, field: Field) -> Iterator[Problem]:
    """Find a target that no value can make a link of a page."""
    # A value may be the beginning: only rendering knows.
    if not written.startswith(UNKNOWN) and read_page_link(written.replace(UNKNOWN, "x")) is None:
        shown = written.replace(UNKNOWN, "{{ … }}")[:60]
        yield field.place.problem(f"'{shown}' is neither an https link nor a path", LINK_FORM)


def count_characters(nodes: Sequence[RichNode]) -> int:
    """Return the characters that a reader of a rich text sees."""
    return len(flatten(nodes).strip())


def _has_liquid(text: str) -> bool:
    return "{{" in text or "{%" in text
