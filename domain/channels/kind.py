"""The socket of a channel: its templates' fields, its addresses, its consent."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar, Protocol

from msgspec import Struct

from domain.errors import Problem
from domain.local_time.legal_hours import LegalHours
from domain.people.device_addresses import SEEN_WITHIN, DeviceAddress
from domain.sending.tracking.links import LinkRewriting
from domain.surveys.survey import QuestionOutline
from domain.templates.front_matter import Field
from domain.templates.liquid_context import Rendering
from domain.templates.liquid_text import LiquidText


class Variant(Protocol):
    """A compiled template in one language."""

    def render(self, rendering: Rendering) -> dict[str, Any]:
        """Return the content of one message. Raises TemplateRenderError."""
        ...

    def texts(self) -> Iterator[LiquidText]:
        """Iterate over the texts that are rendered."""
        ...


class RewrittenContent(Struct, frozen=True):
    """A rendered message with rewritten links, and their targets by number."""

    content: Mapping[str, Any]
    targets: tuple[str, ...]


class Unreachable(Struct, frozen=True):
    """The reason why a channel cannot reach a person."""

    detail: str


class ChannelKind(ABC):
    """One channel. Its adapters stand in the folder `channels/<name>`.

    `required` and `optional` are the front-matter keys of its templates whose values are texts; those of `structured`
    are optional mappings or lists, and those of `numbers` optional whole numbers. `composed` are the texts into which
    layouts and blocks are put; the body then is HTML, which may be written in MJML. If `can_attach`, the structured key
    `attachments` lists files. `known_paths` are the template variables that every recipient has. `address_traits` are
    the traits that its addresses come from; if `uses_devices`, they are those of the person's devices. If
    `silence_allows`, a person without any consent may receive marketing while the deployment has no topics; with topics
    their regimes say so, on a channel that `reaches_people`. If `can_save`, journeys may keep values of the receiver's
    reply. If it `has_window`, the time of the last text from each address is kept, for `find_closed_window`.
    `report_events` are the names of the events that its reports become, by their kind (`domain.sending.reports`);
    `kind_events` are those of one kind of its messages alone, by that kind. If it
    `has_scanners`, programs follow the links of messages before their recipients do. If it `can_recall`, a message is
    made for a while after it was accepted, and may be taken back until then. If it `waits_for_person`, its messages
    wait in the inbox until a page or an app of their person takes them: send window and caps do not hold them up, and
    caps are asked when one is given.

    `forms` say how those of the `structured` keys are written that are not mappings, or need an example.
    """

    name: ClassVar[str]
    required: ClassVar[tuple[str, ...]] = ()
    optional: ClassVar[tuple[str, ...]] = ()
    structured: ClassVar[tuple[str, ...]] = ()
    forms: ClassVar[Mapping[str, tuple[str, str]]] = {}
    numbers: ClassVar[tuple[str, ...]] = ()
    composed: ClassVar[tuple[str, ...]] = ()
    can_attach: ClassVar[bool] = False
    known_paths: ClassVar[frozenset[str]] = frozenset()
    address_traits: ClassVar[frozenset[str]] = frozenset()
    uses_devices: ClassVar[bool] = False
    silence_allows: ClassVar[bool] = True
    reaches_people: ClassVar[bool] = True
    can_save: ClassVar[bool] = False
    has_window: ClassVar[bool] = False
    report_events: ClassVar[Mapping[str, str]] = {}
    kind_events: ClassVar[Mapping[str, Mapping[str, str]]] = {}
    has_scanners: ClassVar[bool] = False
    can_recall: ClassVar[bool] = False
    waits_for_person: ClassVar[bool] = False

    @abstractmethod
    def compile(
        self, fields: Mapping[str, Field], body: Field, problems: list[Problem], warnings: list[Problem]
    ) -> Variant | None:
        """Compile a template without missing keys, or return None with `problems`."""

    def is_repeatable(self, variant: Variant) -> bool:
        """Return whether a message of this template may be repeated, if its provider may."""
        return True

    def list_questions(self, variant: Variant) -> tuple[QuestionOutline, ...]:
        """Return the questions of a template that is a survey itself; none of any other."""
        return ()

    def saved_names(self, fields: Mapping[str, Field]) -> frozenset[str]:
        """Return the names of the values that are kept from the receiver's reply."""
        return frozenset()

    def addresses(self, traits: Mapping[str, Any]) -> tuple[str, ...] | Unreachable:
        """Return the person's addresses; empty if the template names the receiver."""
        return ()

    def find_addresses(
        self, traits: Mapping[str, Any], devices: Sequence[DeviceAddress]
    ) -> tuple[str, ...] | Unreachable:
        """Return the addresses of a message: those of the traits, or of the devices.

        `devices` are those that a message goes to (`domain.people.device_addresses.list_reached`).
        """
        if not self.uses_devices:
            return self.addresses(traits)
        if not devices:
            return Unreachable(f"no device that can be reached was seen within {SEEN_WITHIN.days} days")
        return tuple(device.value for device in devices)

    def rewrite_links(self, content: Mapping[str, Any], wanted: LinkRewriting) -> RewrittenContent:
        """Rewrite the links of a rendered message; most channels have none."""
        return RewrittenContent(content, ())

    def normalized_address(self, traits: Mapping[str, Any]) -> str | None:
        """Return the key of refusals of the person's address; None without an address."""
        return None

    def legal_hours(self, traits: Mapping[str, Any]) -> LegalHours | None:
        """Return the hours by law in which the person may be written to; None for any."""
        return None

    def count_max_parts(self, variant: Any) -> int:
        """Return the most parts of a message of this template that are charged one by one."""
        return 1

    def count_parts(self, content: Mapping[str, Any]) -> int:
        """Return the parts of a rendered message that are charged one by one."""
        return 1

    def find_closed_window(self, content: Mapping[str, Any], wrote_at: datetime | None, at: datetime) -> str | None:
        """Return why a rendered message is too late after a person's last text; else None."""
        return None

    def find_event(self, reported: str, kind: str | None) -> str | None:
        """Return the name of the event of a report; None if none.

        `kind` is that of its message in the inbox."""
        own = {} if kind is None else self.kind_events.get(kind, {})
        return own.get(reported) or self.report_events.get(reported)

    def list_events(self) -> Iterator[tuple[str, str]]:
        """Iterate over all its events: what is reported, and the name."""
        for events in (self.report_events, *self.kind_events.values()):
            yield from events.items()

    def interrupts(self, kind: str) -> bool:
        """Return whether messages of a kind disturb their person, so that caps count them."""
        return True

    def find_doubts(self, content: Mapping[str, Any]) -> Iterator[str]:
        """Find what a client of the channel may show otherwise than the author wants."""
        return iter(())

    def draw_page(self, content: Mapping[str, Any]) -> str | None:
        """Return a page of HTML that shows a rendered message; None if its content is all."""
        return None

    def mark_as_test(self, content: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """Mark a rendered message as a test; None if it cannot go to another address."""
        return None
