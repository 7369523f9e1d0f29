"""HTML of the parts of in-app messages, for previews. All content is escaped here."""

import json
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any, Final

from domain.templates.markdown import RichNode

_TAGS: Final = {"p": "p", "b": "strong", "i": "em", "ul": "ul", "li": "li"}


def element(tag: str, inner: str, style: str = "") -> str:
    """Return an element; `inner` is HTML."""
    return f'<{tag} class="{style}">{inner}</{tag}>' if style else f"<{tag}>{inner}</{tag}>"


def draw_rich(nodes: Sequence[RichNode]) -> str:
    """Return a rich text as HTML."""
    return "".join(map(_draw_node, nodes))


def draw_words(content: Mapping[str, Any], *, heading: str = "h2") -> str:
    """Return the title and the text of a message."""
    title = element(heading, escape(content["title"]), "title") if "title" in content else ""
    return title + (element("div", draw_rich(content["text"]), "text") if "text" in content else "")


def draw_image(content: Mapping[str, Any]) -> str:
    """Return the image of a message; without one, nothing."""
    image = content.get("image")
    return "" if image is None else element("div", _draw_img(image["src"], image["alt"]), "cover")


def draw_actions(content: Mapping[str, Any]) -> str:
    """Return the buttons of a message."""
    buttons = [draw_button(one["label"], one["style"], one.get("url")) for one in content["actions"]]
    return element("div", "".join(buttons), "acts") if buttons else ""


def draw_button(label: str, style: str, url: str | None = None) -> str:
    """Return one button, or a link that looks like it."""
    if url is None:
        return f'<button type="button" class="act {style}">{escape(label)}</button>'
    return f'<a class="act {style}" href="{escape(url)}">{escape(label)}</a>'


def draw_close(content: Mapping[str, Any], label: str = "close") -> str:
    """Return the button that closes a message."""
    said = escape(content["labels"][label])
    return f'<button type="button" class="x" aria-label="{said}" title="{said}">×</button>'


def draw_box(style: str, *parts: str) -> str:
    """Return the frame of a message around its parts."""
    return element("section", "".join(parts), f"box {style}")


def draw_anchor(content: Mapping[str, Any]) -> str:
    """Return what stands for the element that a text points at."""
    return element("div", escape(content["anchor"]), "anchor") if "anchor" in content else ""


def draw_data(data: Any) -> str:
    """Return data as a page's own component gets it."""
    return element("pre", escape(json.dumps(data, ensure_ascii=False, indent=2)))


def join_drawn(parts: Iterable[str]) -> str:
    """Return drawn messages one below the other."""
    return element("div", "".join(parts), "column")


def _draw_node(node: RichNode) -> str:
    inner = draw_rich(node.get("c", ()))
    match node["t"]:
        case "text":
            return escape(node["v"])
        case "br":
            return "<br>"
        case "img":
            return _draw_img(node["src"], node["alt"])
        case "a":
            return f'<a href="{escape(node["href"])}">{inner}</a>'
        case tag:
            return element(_TAGS[tag], inner)


def _draw_img(src: str, alt: str) -> str:
    return f'<img src="{escape(src)}" alt="{escape(alt)}">'
