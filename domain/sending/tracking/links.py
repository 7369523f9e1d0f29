"""Rewrite the links of an HTML mail: addresses of ours, and UTM parameters.

The rest of the HTML stays as it is, byte for byte. A link within a comment, which only Outlook reads, stays too.
"""

import html
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl, quote, urlsplit, urlunsplit

# A message has one byte for the number of a link.
MAX_LINKS: Final = 250
UTM_NAMES: Final = ("source", "medium", "campaign", "term", "content")

# Parts without links of their own come first, so that the last alternative sees nothing within them.
_LINK_TAG: Final = re.compile(
    r"""<!--.*?(?:-->|\Z)
      | <(?P<raw>script|style|title|textarea)\b.*?(?:</(?P=raw)\s*>|\Z)
      | (?P<link><(?:a|area)(?=[\s/>])(?:[^>"']|"[^"]*"|'[^']*')*+>)
    """,
    re.DOTALL | re.IGNORECASE | re.VERBOSE,
)
_ATTRIBUTE: Final = re.compile(
    r"""(?P<name>[^\s"'<>/=]+)(?:\s*=\s*(?:"(?P<double>[^"]*)"|'(?P<single>[^']*)'|(?P<bare>[^\s"'<>`]+)))?"""
)
_BODY_END: Final = re.compile(r"</(?:body|html)\s*>\s*(?:</html\s*>\s*)?\Z", re.IGNORECASE)
_HIDDEN: Final = '<a href="{}" style="display:none" tabindex="-1" aria-hidden="true"></a>'
_PIXEL: Final = '<img src="{}" width="1" height="1" alt="" style="border:0">'


@dataclass(frozen=True, slots=True)
class UtmRule:
    """UTM parameters of links to some hosts with their subdomains, or to all."""

    values: Mapping[str, str]
    hosts: Sequence[str] = ()

    def add(self, url: str) -> str:
        """Return the URL with the parameters that it does not have yet.

        One that cannot be read stays: a template may print what a person wrote.
        """
        try:
            split = urlsplit(url)
        except ValueError:
            return url
        host = (split.hostname or "").lower()
        if self.hosts and not any(host == one or host.endswith(f".{one}") for one in self.hosts):
            return url
        known = {name for name, _ in parse_qsl(split.query, keep_blank_values=True)}
        values = {f"utm_{name}": self.values[name] for name in UTM_NAMES if name in self.values}
        added = [f"{name}={quote(value, safe='')}" for name, value in values.items() if name not in known]
        return urlunsplit(split._replace(query="&".join([*filter(None, [split.query]), *added])))


@dataclass(frozen=True, slots=True)
class LinkRewriting:
    """The wanted changes of a mail.

    `own` is the beginning of own URLs, whose links stay. `link_url` makes the address of the link with a number, from
    0; None without tracking of clicks. `trap_url` is the address of a link that only machines see, and `pixel_url` of
    an image. `known` are the targets of an earlier attempt, which keep their numbers.
    """

    own: str
    utm: UtmRule | None = None
    link_url: Callable[[int], str] | None = None
    trap_url: str | None = None
    pixel_url: str | None = None
    known: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class RewrittenMail:
    """The HTML, and the targets of its links by their numbers."""

    html: str
    targets: tuple[str, ...]


def rewrite(source: str, wanted: LinkRewriting) -> RewrittenMail:
    """Rewrite the links of a mail. An equal target has one number.

    Only links by http and https change, and none with `data-track="off"`, such as one that signs in.
    """
    targets = {target: number for number, target in enumerate(wanted.known)}

    def replace_tag(found: re.Match[str]) -> str:
        tag = found["link"]
        return found[0] if tag is None else _rewrite_tag(tag, wanted, targets)

    written = _LINK_TAG.sub(replace_tag, source)
    hidden = [_HIDDEN.format(html.escape(wanted.trap_url))] if wanted.trap_url and targets else []
    hidden += [_PIXEL.format(html.escape(wanted.pixel_url))] if wanted.pixel_url else []
    if hidden:
        end = _BODY_END.search(written)
        at = len(written) if end is None else end.start()
        written = written[:at] + "".join(hidden) + written[at:]
    return RewrittenMail(written, tuple(targets))


def _rewrite_tag(tag: str, wanted: LinkRewriting, targets: dict[str, int]) -> str:
    begin = re.match(r"<\w+", tag)
    attributes = list(_ATTRIBUTE.finditer(tag, begin.end() if begin else 1))
    by_name = {one["name"].lower(): one for one in reversed(attributes)}
    href = by_name.get("href")
    off = by_name.get("data-track")
    if href is None or (off is not None and (_value(off) or "").lower() == "off"):
        return tag
    url = html.unescape(_value(href) or "").strip()
    if not url.lower().startswith(("http://", "https://")) or url.startswith(wanted.own):
        return tag
    target = url if wanted.utm is None else wanted.utm.add(url)
    if wanted.link_url is not None and (target in targets or len(targets) < MAX_LINKS):
        address = wanted.link_url(targets.setdefault(target, len(targets)))
    else:
        address = target
    return tag if address == url else f'{tag[: href.start()]}href="{html.escape(address)}"{tag[href.end() :]}'


def _value(attribute: re.Match[str]) -> str | None:
    return next((attribute[part] for part in ("double", "single", "bare") if attribute[part] is not None), None)
