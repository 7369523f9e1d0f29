"""The structure of MJML: which element stands where, and where Liquid may stand.

The compiler is lenient: it passes over unknown elements, wrong end tags and text between elements, and drops what it
does not know. Those faults are found here, before it.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from domain.suggestions import did_you_mean

_IN_COLUMN: Final = (
    *("mj-accordion", "mj-button", "mj-carousel", "mj-divider", "mj-image", "mj-navbar", "mj-raw", "mj-social"),
    *("mj-spacer", "mj-table", "mj-text"),
)
# https://documentation.mjml.io: the elements within others. Elements that are not keys hold HTML, or nothing.
CHILDREN: Final[Mapping[str, tuple[str, ...]]] = {
    "mjml": ("mj-head", "mj-body"),
    "mj-head": ("mj-attributes", "mj-breakpoint", "mj-font", "mj-preview", "mj-raw", "mj-style", "mj-title"),
    "mj-body": ("mj-hero", "mj-raw", "mj-section", "mj-wrapper"),
    "mj-wrapper": ("mj-hero", "mj-raw", "mj-section"),
    "mj-section": ("mj-column", "mj-group", "mj-raw"),
    "mj-group": ("mj-column", "mj-raw"),
    "mj-column": _IN_COLUMN,
    "mj-hero": _IN_COLUMN,
    "mj-social": ("mj-raw", "mj-social-element"),
    "mj-navbar": ("mj-navbar-link", "mj-raw"),
    "mj-carousel": ("mj-carousel-image",),
    "mj-accordion": ("mj-accordion-element", "mj-raw"),
    "mj-accordion-element": ("mj-accordion-title", "mj-accordion-text"),
}
ELEMENTS: Final = frozenset(name for names in CHILDREN.values() for name in names) | {"mjml"}
_DEFAULTS: Final = "mj-attributes"
# Elements between whose parts the compiler keeps a comment.
_KEEPS_COMMENTS: Final = frozenset(
    (
        "mj-body",
        "mj-wrapper",
        "mj-section",
        "mj-group",
        "mj-column",
        "mj-hero",
        "mj-social",
        "mj-navbar",
        "mj-accordion",
    )
)
_VOID: Final = frozenset(
    ("area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track", "wbr")
)
_MARKUP = re.compile(
    r"<!--.*?-->|<!\[CDATA\[.*?\]\]>|<(?P<end>/?)(?P<name>[A-Za-z][\w:-]*)"
    r"(?P<attributes>(?:\"[^\"]*\"|'[^']*'|[^<>\"'])*)>|<",
    re.DOTALL,
)
_BARE = re.compile(r"=\s*(?![\s\"])")
_VALUES = re.compile(r"\"[^\"]*\"|'[^']*'")


class Fault(NamedTuple):
    """A fault, by its index in the text."""

    at: int
    message: str
    suggestion: str


class _Open(NamedTuple):
    name: str
    at: int


def find_structure(source: str, token: re.Pattern[str], between: list[int]) -> Iterator[Fault]:
    """Find the faults of a text, and fill `between` with the tokens between elements.

    `token` matches what stands for a piece of Liquid; `between` gets the indices.
    """
    stack: list[_Open] = []
    at = 0
    for markup in _MARKUP.finditer(source):
        yield from _check_text(source, at, markup.start(), stack, token, between)
        at = markup.end()
        name = markup["name"]
        if markup[0] == "<":
            yield Fault(markup.start(), "`<` begins no tag", "Write it as &lt;, and close the quotes of attributes")
        elif name and markup["end"]:
            yield from _close(stack, _Open(name, markup.start()))
        elif name:
            yield from _open(stack, markup, token)
    yield from _check_text(source, at, len(source), stack, token, between)
    for left in stack:
        yield Fault(left.at, f"`<{left.name}>` is not closed", f"Close it with </{left.name}>")


def _open(stack: list[_Open], markup: re.Match[str], token: re.Pattern[str]) -> Iterator[Fault]:
    name, at = markup["name"], markup.start()
    parent = stack[-1].name if stack else None
    is_mjml = name == "mjml" or name.startswith("mj-")
    outside = _VALUES.sub(lambda value: '"' * len(value[0]), markup["attributes"])
    if (bare := _BARE.search(outside)) is not None:
        at_bare = markup.start("attributes") + bare.start()
        yield Fault(at_bare, "the value of an attribute has no quotes", 'Write it as color="red"')
    if is_mjml:
        yield from _check_element(name, at, parent)
        for stray in token.finditer(outside):
            yield Fault(
                markup.start("attributes") + stray.start(),
                "Liquid stands within a tag, but not in the value of an attribute",
                'Put it into a value, as in color="{{ … }}"',
            )
    elif parent is None or parent in CHILDREN:
        yield Fault(
            at, f"`<{name}>` is HTML between the elements of MJML", "Put it into an mj-text, mj-table or mj-raw"
        )
    if not markup["attributes"].endswith("/") and name not in _VOID:
        stack.append(_Open(name, at))


def _check_element(name: str, at: int, parent: str | None) -> Iterator[Fault]:
    if name == "mj-include":
        yield Fault(at, "mj-include is not compiled", "Use a block: {% render 'name' %}, or a layout")
    elif parent == _DEFAULTS:
        if name not in (*ELEMENTS, "mj-all", "mj-class"):
            yield Fault(at, f"there is no element `{name}`", did_you_mean(name, sorted(ELEMENTS), "Elements"))
    elif name not in ELEMENTS:
        names = CHILDREN.get(parent or "", sorted(ELEMENTS))
        yield Fault(at, f"there is no element `{name}`", did_you_mean(name, names, f"Within `{parent}`"))
    elif parent is None and name != "mjml":
        yield Fault(at, f"`<{name}>` stands outside of `<mjml>`", "Begin the body with <mjml>, or name a layout")
    elif parent is not None and name not in CHILDREN.get(parent, ()):
        within = ", ".join(holder for holder, names in CHILDREN.items() if name in names)
        yield Fault(at, f"`<{name}>` stands within `<{parent}>`", f"Put it into: {within}" if within else "Take it out")


def _close(stack: list[_Open], end: _Open) -> Iterator[Fault]:
    if stack and stack[-1].name == end.name:
        stack.pop()
    elif any(one.name == end.name for one in stack):
        yield Fault(end.at, f"`</{end.name}>` closes `<{stack[-1].name}>`", f"Write </{stack[-1].name}> before it")
        while stack.pop().name != end.name:
            continue
    elif end.name not in _VOID:
        yield Fault(end.at, f"`</{end.name}>` closes nothing", "Leave it out")


def _check_text(
    source: str, begin: int, end: int, stack: list[_Open], token: re.Pattern[str], between: list[int]
) -> Iterator[Fault]:
    """Check the text between two tags of markup."""
    parent = stack[-1].name if stack else None
    if parent is not None and parent not in CHILDREN and parent != _DEFAULTS:
        return
    found = [each.start() for each in token.finditer(source, begin, end)]
    if parent in _KEEPS_COMMENTS:
        between += found
    else:
        where = f"the elements of `<{parent}>`" if parent else "the end of `<mjml>` and that of the file"
        yield from (Fault(at, f"Liquid stands between {where}", "Put it into an element or a value") for at in found)
    rest = token.sub(lambda each: " " * len(each[0]), source[begin:end])
    if (text := rest.strip()) and text:
        at = begin + len(rest) - len(rest.lstrip())
        yield Fault(at, "text stands between the elements of MJML", "Put it into an mj-text")
