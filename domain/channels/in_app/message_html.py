"""HTML of the parts of in-app messages, for previews, as `browser` makes them.

All content is escaped here.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any, Final, Literal

from domain.templates.markdown import RichNode
from domain.templates.rich_text_html import draw_image_element, draw_rich_text

Icon = Literal["close", "pin", "check", "star", "face1", "face2", "face3", "face4", "face5"]

_FACE: Final = ("M12 2.75a9.25 9.25 0 1 0 0 18.5a9.25 9.25 0 1 0 0-18.5", "M8.6 9.4v.9M15.4 9.4v.9")
# Lines in a square of 24.
_ICONS: Final[Mapping[Icon, tuple[str, ...]]] = {
    "close": ("M6 6l12 12M18 6 6 18",),
    "pin": ("M9 4h6l-1 6 3 3H7l3-3zM12 13v7",),
    "check": ("M5 12.5l4.5 4.5L19 7.5",),
    "star": ("M12 3.5l2.6 5.4 5.9.8-4.3 4.1 1 5.9-5.2-2.8-5.2 2.8 1-5.9-4.3-4.1 5.9-.8z",),
    "face1": (*_FACE, "M8 15q4 -4.2 8 0"),
    "face2": (*_FACE, "M8 15q4 -2.1 8 0"),
    "face3": (*_FACE, "M8 15q4 0 8 0"),
    "face4": (*_FACE, "M8 15q4 2.1 8 0"),
    "face5": (*_FACE, "M8 15q4 4.2 8 0"),
}


def element(tag: str, inner: str, style: str = "", /, **attributes: str | None) -> str:
    """Return an element; `inner` is HTML.

    A `_` of an attribute's name is a `-`, and None leaves it out.
    """
    given = {"class": style or None, **attributes}
    written = "".join(
        f' {name.replace("_", "-")}="{escape(value)}"' for name, value in given.items() if value is not None
    )
    return f"<{tag}{written}>{inner}</{tag}>"


def draw_text(nodes: Sequence[RichNode]) -> str:
    """Return a rich text as HTML."""
    return draw_rich_text(nodes, is_standalone=False)


def draw_words(content: Mapping[str, Any], *, heading: str = "p") -> str:
    """Return the title and the text of a message."""
    title = element(heading, escape(content["title"]), "title") if content.get("title") else ""
    return title + (element("div", draw_text(content["text"]), "text") if content.get("text") else "")


def draw_image(content: Mapping[str, Any]) -> str:
    """Return the image of a message; without one, nothing."""
    image = content.get("image")
    return "" if image is None else element("div", draw_image_element(image["src"], image["alt"]), "cover")


def draw_actions(content: Mapping[str, Any]) -> str:
    """Return the buttons of a message."""
    return draw_row([draw_button(one["label"], one["style"], one.get("url")) for one in content["actions"]])


def draw_row(buttons: Sequence[str]) -> str:
    """Return buttons side by side; without one, nothing."""
    return element("div", "".join(buttons), "acts") if buttons else ""


def draw_button(label: str, style: str, url: str | None = None, *, is_enabled: bool = True) -> str:
    """Return one button, or a link that looks like it."""
    if url is not None:
        return element("a", escape(label), f"act {style}", href=url)
    return element("button", escape(label), f"act {style}", type="button", disabled=None if is_enabled else "")


def draw_close(content: Mapping[str, Any], label: str = "close") -> str:
    """Return the button that closes a message."""
    said = content["labels"][label]
    return element("button", draw_icon("close"), "x", type="button", aria_label=said, title=said)


def draw_icon(icon: Icon) -> str:
    """Return an icon, which says nothing to those who hear it."""
    paths = "".join(f'<path d="{line}"></path>' for line in _ICONS[icon])
    return f'<svg viewBox="0 0 24 24" aria-hidden="true" class="icon">{paths}</svg>'


def draw_dialog(style: str, name: str, *parts: str) -> str:
    """Return a dialog before the page."""
    return element("dialog", "".join(parts), f"box {style}", aria_label=name, tabindex="-1", open="")


def name_message(content: Mapping[str, Any]) -> str:
    """Return how a message is called by those who hear it."""
    name: str = content.get("title") or content["labels"]["message"]
    return name


def draw_bubble(style: str, name: str, inner: str, *, is_beside: bool, tabindex: str | None = None) -> str:
    """Return a box that may stand beside an element, and then points at it."""
    inner += element("span", "", "arrow") if is_beside else ""
    return element("div", inner, f"box {style}", role="dialog", aria_label=name, tabindex=tabindex)


def draw_anchor(content: Mapping[str, Any]) -> str:
    """Return what stands for the element that a text points at."""
    return element("div", escape(content["anchor"]), "anchor") if "anchor" in content else ""


def draw_data(data: Any) -> str:
    """Return data as a page's own component gets it."""
    return element("pre", escape(json.dumps(data, ensure_ascii=False, indent=2)))


def join_drawn(parts: Iterable[str]) -> str:
    """Return drawn messages one below the other."""
    return element("div", "".join(parts), "column")
