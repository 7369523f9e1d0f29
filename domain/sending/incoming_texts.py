"""Text messages of people: what they say, and the words that law gives a meaning."""

import re
import unicodedata
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final, Literal

from msgspec import Struct

# STOP refuses the number, START lifts what STOP refused, and HELP asks who writes.
Word = Literal["stop", "start", "help"]

_BY_LANGUAGE: Final[Mapping[str, Mapping[Word, tuple[str, ...]]]] = {
    "en": {
        "stop": ("stop", "stopall", "unsubscribe", "cancel", "end", "quit", "revoke", "optout", "remove", "td"),
        "start": ("start", "unstop"),
        "help": ("help", "info"),
    },
    "de": {"stop": ("stopp", "abmelden"), "start": (), "help": ("hilfe",)},
    "es": {"stop": ("baja",), "start": ("alta",), "help": ("ayuda",)},
    "fr": {"stop": ("arret", "arreter"), "start": (), "help": ("aide",)},
    "pt": {"stop": ("parar", "sair"), "start": (), "help": ("ajuda",)},
}
# A person writes in any language to any number.
_MEANINGS: Final[Mapping[str, Word]] = {
    word: meaning for words in _BY_LANGUAGE.values() for meaning, listed in words.items() for word in listed
}
_WORD: Final = re.compile(r"[^\W_]+")
_OPT_OUT: Final = re.compile(r"opt[\W_]*out\b")


class IncomingText(Struct, frozen=True, kw_only=True):
    """A person's message to one of our numbers.

    `event_id` is unique within the provider. `sender` is theirs in E.164. `word` is what the provider has read in it,
    if it says so. `age` is how long ago they wrote it. In a chat, where people write sentences, a word stands alone.
    """

    event_id: str
    sender: str
    text: str
    at: datetime
    provider_id: str | None = None
    word: Word | None = None
    age: timedelta = timedelta(0)
    is_chat: bool = False

    @property
    def meaning(self) -> Word | None:
        """The word that it is, by the provider or by its first word."""
        return self.word or find_word(self.text, is_alone=self.is_chat)


class MarketingChoice(Struct, frozen=True, kw_only=True):
    """A person's choice at the provider: whether they want marketing of the sender.

    `event_id` is unique within the provider. `sender` is their number in E.164, and `age` how long ago they chose.
    """

    event_id: str
    sender: str
    is_wanted: bool
    age: timedelta = timedelta(0)


def find_word(text: str, *, is_alone: bool = False) -> Word | None:
    """Return the meaning of the first word of a text, case, accents and marks apart.

    With `is_alone`, a text with further words has none.
    """
    plain = unicodedata.normalize("NFKD", text[:200]).casefold()
    # Keyboards and copied texts bring characters that are not seen: they part no word.
    plain = "".join(one for one in plain if not unicodedata.combining(one) and unicodedata.category(one) != "Cf")
    first = _WORD.search(plain)
    if first is None:
        return None
    opt_out = _OPT_OUT.match(plain, first.start())
    if is_alone and _WORD.search(plain, (opt_out or first).end()):
        return None
    if opt_out:
        return "stop"
    return _MEANINGS.get(first[0])
