"""A page that shows an in-app message in its place, without scripts: for previews."""

from collections.abc import Mapping
from html import escape
from typing import Any, Final, Literal

from domain.channels.in_app.preview_look import SKELETON, STYLE
from domain.channels.in_app.theme import choose_palette

# Where a message stands: before the page, over it, or within it.
Stage = Literal["top", "bottom", "over", "corner", "within"]

_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; img-src https: data:"


def draw_preview(content: Mapping[str, Any], drawn: str, stage: Stage) -> str:
    """Return the page. `drawn` is the HTML of the message."""
    theme, language = content["theme"], content["lang"]
    schemes = {"light": ("light", "light"), "dark": ("dark", "dark")}.get(theme["mode"], ("light", "dark"))
    palettes = [_write_palette(theme, scheme) for scheme in schemes]
    dark = f"@media (prefers-color-scheme: dark) {{ :root {{ {palettes[1]} }} }}" if theme["mode"] == "auto" else ""
    lang = f' lang="{escape(language)}"' if language else ""
    within = drawn if stage == "within" else ""
    before = "" if stage == "within" else f'<div class="stage at-{stage}">{drawn}</div>'
    return f"""<!doctype html>
<html{lang} dir="{content["dir"]}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<title>{escape(content.get("title", "Preview"))}</title>
<style>
:root {{ {palettes[0]} }}
{dark}
{STYLE}
</style>
</head>
<body class="s">
<div class="page">{SKELETON.format(within=within)}</div>
{before}
</body>
</html>
"""


def _write_palette(theme: Mapping[str, Any], scheme: str) -> str:
    colours = "".join(f"--{name}: {colour}; " for name, colour in choose_palette(theme, scheme).items())
    page = "--page: #14171c; --bone: #262b33;" if scheme == "dark" else "--page: #f6f7f9; --bone: #e3e6eb;"
    radius = f"--radius: {theme['radius']}px;" if "radius" in theme else ""
    return f"color-scheme: {scheme}; {colours}{page} {radius}"
