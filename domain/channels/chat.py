"""Live chat: a message that opens a conversation in the chat of a site or app."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from domain.channels.kind import ChannelKind, Unreachable
from domain.channels.text_body import compile_text_body
from domain.errors import Problem
from domain.people.addresses import is_reachable
from domain.templates.front_matter import Field
from domain.templates.liquid_context import Rendering
from domain.templates.liquid_text import LiquidText, TemplateRenderError

# A longer text is not read in a chat.
MAX_CHARACTERS: Final = 2_000


@dataclass(frozen=True, slots=True)
class ChatTemplate:
    """The first text of a conversation, in one language."""

    text: LiquidText

    def render(self, rendering: Rendering) -> dict[str, Any]:
        """Return {text}. Raises TemplateRenderError."""
        text = self.text.render(rendering).strip()
        if not text:
            raise TemplateRenderError(self.text.place, "the text is empty for this user")
        if len(text) > MAX_CHARACTERS:
            raise TemplateRenderError(self.text.place, f"the text exceeds {MAX_CHARACTERS:,} characters")
        return {"text": text}

    def texts(self) -> Iterator[LiquidText]:
        return iter((self.text,))


class Chat(ChannelKind):
    """A conversation with the contact who has the trait `email`.

    Refusals by address are those of mails, so the channel keeps no addresses of its own.
    """

    name = "chat"
    known_paths = frozenset({"profile.traits.email"})
    address_traits = frozenset({"email"})
    report_events: ClassVar[Mapping[str, str]] = {
        "replied": "Chat Replied",
        "resolved": "Chat Resolved",
        "rated": "Chat Rated",
    }

    def compile(
        self, fields: Mapping[str, Field], body: Field, problems: list[Problem], warnings: list[Problem]
    ) -> ChatTemplate | None:
        text = compile_text_body(body, problems)
        return None if text is None else ChatTemplate(text)

    def addresses(self, traits: Mapping[str, Any]) -> tuple[str, ...] | Unreachable:
        if not isinstance(address := traits.get("email"), str) or not address:
            return Unreachable("the profile has no trait email, by which the chat knows its contacts")
        return (address,) if is_reachable(address) else Unreachable("the trait email is not an e-mail address")
