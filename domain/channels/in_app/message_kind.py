"""The socket of a kind of in-app message: the keys of its body, its content."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Literal, get_args

from domain.channels.in_app.labels import Label
from domain.channels.in_app.preview_page import Stage
from domain.templates.liquid_context import Rendering
from domain.templates.liquid_text import LiquidText
from domain.templates.mapping_reader import MappingReader
from domain.templates.shown_parts import LineText, LinkText, PartTree

MAX_ACTIONS: Final = 3
Side = Literal["top", "bottom", "left", "right"]
SIDES: Final[tuple[Side, ...]] = get_args(Side)
ActionStyle = Literal["primary", "secondary", "link"]
STYLES: Final[tuple[ActionStyle, ...]] = get_args(ActionStyle)


class InAppKind(ABC):
    """One kind of message. A module beside this one, and a line in kinds.py.

    It `interrupts` if it shows itself to a person who has not asked for it: then caps count it, and `after` and
    `between` say when. `default_placement` is the feed, the slot or the component that shows it, if the template names
    none; "" if it must, None if it has none. `default_every` is how often it shows. One that `ends_when_dismissed` may
    not show again after that, whatever its author would like. `labels` are the words that the
    page adds. `report_events` are the events that it alone reports, as those of a channel.
    """

    name: ClassVar[str]
    interrupts: ClassVar[bool] = True
    default_placement: ClassVar[str | None] = None
    default_every: ClassVar[str] = "until_dismissed"
    ends_when_dismissed: ClassVar[bool] = False
    labels: ClassVar[tuple[Label, ...]] = ("close", "message")
    report_events: ClassVar[Mapping[str, str]] = {}

    @abstractmethod
    def read(self, body: MappingReader) -> dict[str, PartTree]:
        """Read the body; return its content, whose absent parts are None."""

    @abstractmethod
    def draw(self, content: Mapping[str, Any]) -> tuple[str, Stage]:
        """Return the HTML of a rendered content for a preview, and where it stands."""


@dataclass(frozen=True, slots=True)
class ImagePart:
    """An image with the text in its place. Without a source it is left out."""

    src: LinkText
    alt: LineText | None

    def render(self, rendering: Rendering) -> dict[str, str] | None:
        src = self.src.render(rendering)
        alt = None if self.alt is None else self.alt.render(rendering)
        return None if src is None else {"src": src, "alt": alt or ""}

    def texts(self) -> Iterator[LiquidText]:
        yield from self.src.texts()
        if self.alt is not None:
            yield from self.alt.texts()


def read_image(body: MappingReader) -> ImagePart | None:
    """Read an image, `{src, alt}`."""
    reader = body.read_mapping("image")
    if reader is None:
        return None
    src, alt = reader.read_link("src", is_required=True), reader.read_line("alt")
    reader.finish()
    if alt is None:
        reader.warn("the image has no text in its place", "Say what it shows, as alt: The new shoe")
    return None if src is None else ImagePart(src, alt)


def read_side(body: MappingReader) -> Side | None:
    """Read the side of its element on which a text stands; None for the best one."""
    return body.read_choice("side", SIDES, None)


def read_actions(body: MappingReader, *, dismisses: bool) -> list[dict[str, Any]]:
    """Read the buttons of a message; `dismisses` says whether a click closes it."""
    actions: list[dict[str, Any]] = []
    for item in body.read_items("actions", MAX_ACTIONS):
        id = item.read_name("id", is_required=True)
        if id is not None and id in (action["id"] for action in actions):
            item.report(f"the action '{id}' stands here twice", "Keep one of them", "id")
        action = {
            "id": id,
            "label": item.read_line("label", is_required=True),
            "url": item.read_link("url"),
            "style": item.read_choice("style", STYLES, "secondary" if actions else "primary"),
            "event": item.read_constant("event"),
            "dismiss": item.read_flag("dismiss", dismisses),
        }
        item.finish()
        actions.append(drop_absent(action))
    return actions


def drop_absent(parts: dict[str, PartTree]) -> dict[str, PartTree]:
    """Return the parts that the author has written."""
    return {key: part for key, part in parts.items() if part is not None}
