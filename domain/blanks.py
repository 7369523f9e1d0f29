"""Blanks around a text that a person typed, pasted or exported."""

from typing import Final

# White space as Unicode has it, and two marks that are not shown: the zero width space, and U+FEFF, with which files
# begin.
BLANKS: Final = "".join(chr(code) for code in range(0x3001) if chr(code).isspace()) + "\u200b\ufeff"


def strip_blanks(text: str) -> str:
    """The text without the blanks at its ends."""
    return text.strip(BLANKS)
