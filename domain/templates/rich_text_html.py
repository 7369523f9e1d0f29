"""Rich text as HTML: a small tree of nodes, each of which is escaped."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, Final

_TAGS: Final = {"p": "p", "b": "strong", "i": "em", "ul": "ul", "li": "li"}


def draw_rich_text(nodes: Sequence[Mapping[str, Any]], *, is_standalone: bool) -> str:
    """Return the HTML of a rich text.

    A standalone page loads nothing from elsewhere, so the text of an image stands in its place. So does the text of a
    relative link, which means a page of the author's.
    """
    return "".join(_draw_node(node, is_standalone) for node in nodes)


def draw_image_element(src: str, alt: str) -> str:
    """Return an image."""
    return f'<img src="{escape(src)}" alt="{escape(alt)}" referrerpolicy="no-referrer">'


def _draw_node(node: Mapping[str, Any], is_standalone: bool) -> str:
    inner = draw_rich_text(node.get("c", ()), is_standalone=is_standalone)
    match node["t"]:
        case "text":
            return escape(node["v"])
        case "br":
            return "<br>"
        case "img":
            return escape(node["alt"]) if is_standalone else draw_image_element(node["src"], node["alt"])
        case "a" if is_standalone and not node["href"].startswith("https://"):
            return inner
        case "a":
            apart = ' rel="noopener noreferrer"' if is_standalone else ""
            return f'<a href="{escape(node["href"])}"{apart}>{inner}</a>'
        case tag if tag in _TAGS:
            return f"<{_TAGS[tag]}>{inner}</{_TAGS[tag]}>"
        case _:
            # A later release kept the text, and was rolled back to this one.
            return inner
