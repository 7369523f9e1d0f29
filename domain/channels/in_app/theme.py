"""The colours of a message, and whether its text can be read on them."""

import re
from collections.abc import Mapping
from typing import Any, Final, Literal, get_args

from domain.templates.mapping_reader import MappingReader

ThemeMode = Literal["auto", "light", "dark"]
MODES: Final[tuple[ThemeMode, ...]] = get_args(ThemeMode)
COLOURS: Final = ("accent", "background", "text")
MAX_RADIUS: Final = 32
# The background of both schemes, where a template gives none: that of `browser`.
BACKGROUNDS: Final = {"light": "#ffffff", "dark": "#20242c"}
# WCAG 2.2, 1.4.3 for text, and 1.4.11 for buttons. A page replaces text that cannot be read.
ACCENTS: Final = {"light": "#2554d6", "dark": "#8cb2ff"}
WHITE: Final = "#ffffff"
BLACK: Final = "#000000"
INK: Final = "#181c24"
MIN_TEXT_CONTRAST: Final = 4.5
MIN_ACCENT_CONTRAST: Final = 3.0

_COLOUR: Final = re.compile(r"#(?:[0-9a-f]{3}|[0-9a-f]{6})", re.IGNORECASE)


def read_theme(reader: MappingReader | None) -> dict[str, Any]:
    """Read the theme of a template; warn of colours whose text is hard to read."""
    if reader is None:
        return {"mode": MODES[0]}
    mode = reader.read_choice("mode", MODES, MODES[0])
    given = {key: colour for key in COLOURS if (colour := _read_colour(reader, key)) is not None}
    radius = reader.read_number("radius", 0, MAX_RADIUS)
    reader.finish()
    for scheme, background in BACKGROUNDS.items():
        if mode in ("auto", scheme):
            _check_contrast(reader, scheme, {"background": background, **given})
    return {"mode": mode, **given} | ({} if radius is None else {"radius": radius})


def choose_palette(theme: Mapping[str, Any], scheme: str) -> dict[str, str]:
    """Return the colours of a message as `browser` chooses them, all legible."""
    back = theme.get("background", BACKGROUNDS[scheme])
    accent = theme.get("accent", ACCENTS[scheme])
    text = _find_legible(back, theme.get("text"), INK)
    return {
        "back": back,
        "text": text,
        "quiet": _find_legible(back, _mix(text, back, 0.74), text),
        "line": _mix(text, back, 0.14),
        "wash": _mix(text, back, 0.06),
        "accent": accent,
        "on": _find_legible(accent, WHITE, INK),
        "link": _find_legible(back, accent, text),
    }


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours by WCAG, from 1 to 21."""
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _read_colour(reader: MappingReader, key: str) -> str | None:
    written = reader.read_constant(key)
    if written is None:
        return None
    if not _COLOUR.fullmatch(written):
        reader.report(f"'{written[:60]}' is not a colour", 'Write it in quotes, as "#2f5bd0"', key)
        return None
    digits = written[1:].lower()
    return "#" + (digits if len(digits) == 6 else "".join(digit * 2 for digit in digits))


def _check_contrast(reader: MappingReader, scheme: str, colours: dict[str, str]) -> None:
    for key, least in (("text", MIN_TEXT_CONTRAST), ("accent", MIN_ACCENT_CONTRAST)):
        if key not in colours or (found := contrast(colours[key], colours["background"])) >= least:
            continue
        said = f"the {key} {colours[key]} on {colours['background']} has a contrast of {found:.1f} where it is {scheme}"
        reader.warn(said, f"WCAG AA asks for {least}. Choose a background for it, or a mode", key)


def _find_legible(back: str, *colours: str | None) -> str:
    """Return the first colour that can be read on another: white or black always can."""
    found = (one for one in (*colours, WHITE) if one is not None and contrast(one, back) >= MIN_TEXT_CONTRAST)
    return next(found, BLACK)


def _mix(one: str, other: str, share: float) -> str:
    pairs = zip(_read_channels(one), _read_channels(other), strict=True)
    # As browsers round: a half goes up.
    return "#" + "".join(f"{int(first * share + second * (1 - share) + 0.5):02x}" for first, second in pairs)


def _read_channels(colour: str) -> list[int]:
    return [int(colour[at : at + 2], 16) for at in (1, 3, 5)]


def _luminance(colour: str) -> float:
    channels = (one / 255 for one in _read_channels(colour))
    linear = (one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in channels)
    return sum(share * one for share, one in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
