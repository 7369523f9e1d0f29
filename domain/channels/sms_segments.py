"""Segments of text messages: what a carrier sends, and charges, one by one.

A text of the GSM alphabet (3GPP TS 23.038) has 160 units in one segment and 153 in each of several; any other is
UCS-2, 70 and 67. A character of two units is not parted.
"""

from collections.abc import Iterable
from typing import Final, Literal

from msgspec import Struct

Encoding = Literal["GSM-7", "UCS-2"]

_BASIC: Final = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
    "abcdefghijklmnopqrstuvwxyzäöñüà"
)
# Each is an escape and a character.
_EXTENSION: Final = frozenset("\f^{}\\[~]|€")
_LIMITS: Final[dict[Encoding, tuple[int, int]]] = {"GSM-7": (160, 153), "UCS-2": (70, 67)}
# Characters of word processors, and their likeness in the GSM alphabet.
_PLAIN: Final = str.maketrans(
    {"‘": "'", "’": "'", "‚": ",", "“": '"', "”": '"', "„": '"', "–": "-", "—": "-", "…": "...", "\xa0": " ", "•": "-"}
)


class Segments(Struct, frozen=True):
    """The encoding of a text and the number of its segments."""

    encoding: Encoding
    number: int


def count_segments(text: str) -> Segments:
    """Return how a text is sent; an empty one takes one segment."""
    is_gsm = all(character in _BASIC or character in _EXTENSION for character in text)
    encoding: Encoding = "GSM-7" if is_gsm else "UCS-2"
    units = [_count_units(character, encoding) for character in text]
    alone, each = _LIMITS[encoding]
    return Segments(encoding, 1 if sum(units) <= alone else _fill(units, each))


def find_typographic(text: str) -> str:
    """Return the characters without which a text would be of the GSM alphabet."""
    if count_segments(text).encoding == "GSM-7" or count_segments(text.translate(_PLAIN)).encoding != "GSM-7":
        return ""
    return "".join(dict.fromkeys(character for character in text if ord(character) in _PLAIN))


def _count_units(character: str, encoding: Encoding) -> int:
    is_double = character in _EXTENSION if encoding == "GSM-7" else ord(character) > 0xFFFF
    return 2 if is_double else 1


def _fill(units: Iterable[int], limit: int) -> int:
    number, used = 1, 0
    for unit in units:
        if used + unit > limit:
            number, used = number + 1, 0
        used += unit
    return number
