"""The socket of a channel: the fields of its templates, the addresses it reaches, and the meaning of silence."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Protocol

from msgspec import Struct

from domain.errors import Problem
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


class Unreachable(Struct, frozen=True):
    """The reason why a channel cannot reach a person."""

    detail: str


class ChannelKind(ABC):
    """One channel. An adapter in the folder of its name hands its messages to a provider.

    `required` and `optional` are the front-matter keys of its templates whose values are texts; those of `structured`
    are optional mappings or lists. `known_paths` are the template variables that every recipient has. Where
    `silence_allows`, a person who has said nothing may be sent marketing.
    """

    name: ClassVar[str]
    required: ClassVar[tuple[str, ...]] = ()
    optional: ClassVar[tuple[str, ...]] = ()
    structured: ClassVar[tuple[str, ...]] = ()
    known_paths: ClassVar[frozenset[str]] = frozenset()
    silence_allows: ClassVar[bool] = True

    @abstractmethod
    def compile(
        self, fields: Mapping[str, Field], body: Field, problems: list[Problem], warnings: list[Problem]
    ) -> Variant | None:
        """Compile a template file, or return None and add to `problems`. Absent keys are reported by the caller."""

    def is_repeatable(self, variant: Variant) -> bool:
        """Whether a message of this template may be repeated wherever its provider's `repeats` allow that."""
        return True

    def addresses(self, traits: Mapping[str, Any]) -> tuple[str, ...] | Unreachable:
        """Return where a message for this person goes; nothing where the template itself names the receiver."""
        return ()

    def normalized_address(self, traits: Mapping[str, Any]) -> str | None:
        """Return the spelling under which refusals of the person's address are kept; None without an address."""
        return None
