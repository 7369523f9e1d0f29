"""Live chat: a message that opens a conversation in the chat of a site or app."""

from collections.abc import Mapping
from typing import Any, ClassVar, Final

from domain.channels.kind import ChannelKind, Unreachable
from domain.channels.text_body import PlainText, compile_text_body
from domain.errors import Problem
from domain.people.addresses import is_reachable
from domain.templates.front_matter import Field

# A longer text is not read in a chat.
MAX_CHARACTERS: Final = 2_000


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
    ) -> PlainText | None:
        text = compile_text_body(body, problems)
        return None if text is None else PlainText(text, MAX_CHARACTERS)

    def addresses(self, traits: Mapping[str, Any]) -> tuple[str, ...] | Unreachable:
        if not isinstance(address := traits.get("email"), str) or not address:
            return Unreachable("the profile has no trait email, by which the chat knows its contacts")
        return (address,) if is_reachable(address) else Unreachable("the trait email is not an e-mail address")
