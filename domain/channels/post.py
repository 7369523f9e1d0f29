"""Direct mail: postcards and letters, printed from HTML."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Literal, get_args

from domain.channels.kind import ChannelKind, Unreachable
from domain.errors import Problem
from domain.people.postal_addresses import find_postal_address, normalize_postal_address
from domain.suggestions import did_you_mean
from domain.templates.front_matter import Field
from domain.templates.liquid_context import Rendering
from domain.templates.liquid_text import LiquidText, TemplateRenderError, compile_liquid

PieceFormat = Literal["postcard", "letter"]
PieceSize = Literal["4x6", "6x9", "6x11"]
PieceInk = Literal["color", "black"]
FORMATS: Final[tuple[PieceFormat, ...]] = get_args(PieceFormat)
SIZES: Final[tuple[PieceSize, ...]] = get_args(PieceSize)
INKS: Final[tuple[PieceInk, ...]] = get_args(PieceInk)
# The most that Lob prints from one text.
MAX_HTML_CHARACTERS: Final = 10_000


@dataclass(frozen=True, slots=True)
class PostTemplate:
    """A postcard, whose body is its back, or a letter, whose body is all of it."""

    format: PieceFormat
    size: str | None
    ink: str | None
    front: LiquidText | None
    body: LiquidText

    def render(self, rendering: Rendering) -> dict[str, Any]:
        """Return {format, size, front, back}, or {format, ink, file} of a letter.

        Raises TemplateRenderError.
        """
        body = _render(self.body, rendering)
        if self.front is not None:
            return {"format": self.format, "size": self.size, "front": _render(self.front, rendering), "back": body}
        return {"format": self.format, "ink": self.ink, "file": body}

    def texts(self) -> Iterator[LiquidText]:
        return (text for text in (self.front, self.body) if text is not None)


class Post(ChannelKind):
    """A postcard or a letter to the trait `address`."""

    name = "post"
    required = ("format",)
    optional = ("front", "size", "ink")
    address_traits = frozenset({"address"})
    can_recall = True
    report_events: ClassVar[Mapping[str, str]] = {
        "accepted": "Post Mailed",
        "delivered": "Post Delivered",
        "opened": "Post Viewed",
        "bounced": "Post Returned",
        "failed": "Post Failed",
    }

    def compile(
        self, fields: Mapping[str, Field], body: Field, problems: list[Problem], warnings: list[Problem]
    ) -> PostTemplate | None:
        before = len(problems)
        format = _choose(fields.get("format"), FORMATS, "postcard", problems)
        # A key that the other format has alone is misplaced, whatever its value.
        size = _choose(None if format == "letter" else fields.get("size"), SIZES, "4x6", problems)
        ink = _choose(None if format == "postcard" else fields.get("ink"), INKS, "color", problems)
        front, text = _compile(fields.get("front"), problems), _compile(body, problems)
        if not body.value.strip():
            problems.append(body.place.problem("the body is empty", "Write the HTML below the front matter"))
        problems += _find_misplaced(format, fields, body)
        if format is None or text is None or len(problems) > before:
            return None
        is_card = format == "postcard"
        return PostTemplate(format, size if is_card else None, None if is_card else ink, front, text)

    def addresses(self, traits: Mapping[str, Any]) -> tuple[str, ...] | Unreachable:
        found = find_postal_address(traits)
        return Unreachable(found) if isinstance(found, str) else (found.encode(),)

    def normalized_address(self, traits: Mapping[str, Any]) -> str | None:
        return normalize_postal_address(traits)


def _choose(field: Field | None, allowed: tuple[Any, ...], default: Any, problems: list[Problem]) -> Any:
    """Return the constant of a key; None with a problem for another one."""
    if field is None:
        return default
    if (written := field.value.strip()) in allowed:
        return written
    problems.append(field.place.problem(f"there is no '{written}'", did_you_mean(written, allowed, "Write one of")))
    return None


def _find_misplaced(format: PieceFormat | None, fields: Mapping[str, Field], body: Field) -> Iterator[Problem]:
    """Find keys that a postcard lacks, or that only the other format has."""
    if format == "postcard" and "front" not in fields:
        yield body.place.problem("the postcard has no front", "Write its HTML as `front: |` in the front matter")
    unfit = {"postcard": ("ink",), "letter": ("front", "size")}.get(format or "", ())
    for key in unfit:
        if key in fields:
            yield fields[key].place.problem(f"a {format} has no {key}", f"Leave {key} out")


def _compile(field: Field | None, problems: list[Problem]) -> LiquidText | None:
    if field is None:
        return None
    compiled, faults = compile_liquid(field.value, field.place, form="html")
    problems += faults
    return compiled


def _render(text: LiquidText, rendering: Rendering) -> str:
    html = text.render(rendering)
    if len(html) > MAX_HTML_CHARACTERS:
        raise TemplateRenderError(text.place, f"the HTML exceeds {MAX_HTML_CHARACTERS:,} characters")
    return html
