"""Selectors of CSS by which a page finds elements: bounded, of a plausible form.

Only a browser knows all of their grammar. This tells slips, other languages and pseudo-elements, which no element is.
"""

import re
from typing import Final

MAX_SELECTOR_CHARACTERS: Final = 200
SELECTOR_FORM: Final = 'Write one as #buy, .price or [data-tour="search"], of at most 200 characters'

# Beyond ASCII everything is allowed: as a range up to the last character it would take 0.2 s to compile.
_NAME: Final = r"-?(?:[A-Za-z_]|[^\x00-\x7f]|\\.)(?:[A-Za-z0-9_-]|[^\x00-\x7f]|\\.)*"
_TEXT: Final = r"\"[^\"\\\n]*\"|'[^'\\\n]*'"
_ATTRIBUTE: Final = rf"\[\s*{_NAME}\s*(?:[~|^$*]?=\s*(?:{_TEXT}|{_NAME}|[0-9]+)\s*[iIsS]?\s*)?\]"
# One level of parentheses: `:not(.a)`, `:nth-child(2n + 1)`.
_CLASS: Final = rf":(?!:){_NAME}(?:\((?:{_TEXT}|[^()\"'{{}};])+\))?"
_SIMPLE: Final = rf"(?:[#.]{_NAME}|{_ATTRIBUTE}|{_CLASS})"
_COMPOUND: Final = rf"(?:(?:{_NAME}|\*){_SIMPLE}*|{_SIMPLE}+)"
_COMPLEX: Final = rf"{_COMPOUND}(?:\s*[>+~]\s*{_COMPOUND}|\s+{_COMPOUND})*"
_SELECTOR: Final = re.compile(rf"\s*{_COMPLEX}(?:\s*,\s*{_COMPLEX})*\s*")


def is_selector(text: str) -> bool:
    """Return whether a text can be a selector of elements."""
    return len(text) <= MAX_SELECTOR_CHARACTERS and _SELECTOR.fullmatch(text) is not None
