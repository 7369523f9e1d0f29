"""Rich text as HTML: a small tree of nodes, each of which is escaped."""

from collections.abc import Mapping
from html import escape
from typing import Any, Final

from domain.surveys.survey import TextNodes

# The nodes of which the element of the same name is drawn.
_PLAIN: Final = frozenset({"p", "b", "i", "ul", "li"})


def draw(text: TextNodes) -> str:
    """Return the HTML of a rich text.

    Images are left out, since a page loads nothing from elsewhere: their text stands in their place. So does the text
    of a relative link, which means a page of the author's.
    """
    return "".join(_draw_node(node) for node in text)


def _draw_node(node: Mapping[str, Any]) -> str:
    inner = draw(node.get("c", ()))
    match node["t"]:
        case "text":
            return escape(node["v"])
        case "br":
            return "<br>"
        case "img":
            return escape(node["alt"])
        case "a" if node["href"].startswith("https://"):
            return f'<a href="{escape(node["href"])}" rel="noopener noreferrer">{inner}</a>'
        case kind if kind in _PLAIN:
            return f"<{kind}>{inner}</{kind}>"
    return inner
