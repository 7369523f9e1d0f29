"""The HTML of the embedded inbox. All content of messages is escaped here."""

import base64
import hashlib
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Final
from urllib.parse import urlencode

from application.whereabouts import link
from domain.channels.email import Email
from runtime.embedded import inbox_media
from runtime.embedded.inbox_look import SCRIPT, STYLE
from runtime.embedded.inbox_media import fact, facts_of, marks, received_at, title_of
from runtime.embedded.mail import Received, ReceivedMail, ReceivedMessage
from store.message_origins import MessageOrigin

SCRIPT_HASH: Final = "sha256-" + base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()
# Without allow-same-origin and allow-scripts a mail is isolated.
SANDBOX: Final = "allow-popups allow-popups-to-escape-sandbox"
_REMOTE: Final = re.compile(
    r"""\b(?:src|srcset|background|poster)\s*=\s*["']?\s*(?:https?:)?//|url\(\s*["']?\s*(?:https?:)?//|<link\b""",
    re.IGNORECASE,
)
# For the height of a mail's frame.
_HIDDEN: Final = re.compile(r"<(head|style|title)\b.*?</\1\s*>", re.IGNORECASE | re.DOTALL)
_BLOCK: Final = re.compile(r"<(?:p|div|tr|li|h[1-6]|br|hr|table|blockquote)\b", re.IGNORECASE)
_IMAGE: Final = re.compile(r"<(?:img|video|picture)\b|url\(", re.IGNORECASE)
_TAG: Final = re.compile(r"<[^>]*>")
# The people whose links stand above the list.
_MAX_PEOPLE: Final = 30
_MIN_LINES, _LINE_CHARACTERS, _IMAGE_LINES, _LINE_REM = 4, 60, 12, 1.5
_VIEWS: Final = {"html": "HTML", "text": "Text", "headers": "Headers", "source": "Source"}

_EMPTY: Final = """
<section class="empty">
<h2>Nothing has arrived yet</h2>
<p>Messages that your campaigns send are shown here, and go nowhere else: mails, and those of each channel without a
provider. Webhooks are called, and shown here instead once <code>sojourn providers apply providers.yaml</code> has
chosen <code>providers: {inbox: {kind: console, channel: webhook}}</code>. In a second terminal:</p>
<pre>SETUPsojourn init campaigns
sojourn apply campaigns
sojourn start welcome</pre>
<p>Then report the event that starts it, as <code>campaigns/README.md</code> has it. If nothing comes:</p>
<dl>
<dt><code>sojourn explain USER</code></dt><dd>says what became of a user, and why</dd>
<dt><code>sojourn dev forward 1d</code></dt><dd>lets a day pass, if the campaign still waits</dd>
</dl>
</section>
"""


Shown = tuple[Received, MessageOrigin | None]


@dataclass(frozen=True, slots=True)
class Filters:
    """The filters of a list: a search, a person and a channel.

    The search is for a user, an address or a campaign.
    """

    search: str = ""
    person: str = ""
    channel: str = ""

    def matches(self, item: Received, origin: MessageOrigin | None) -> bool:
        """Whether a message is in the list."""
        if self.person and (origin is None or origin.user != self.person):
            return False
        if self.channel and _channel(item, origin) != self.channel:
            return False
        names = [item.address] if isinstance(item, ReceivedMessage) else list(item.recipients)
        if origin is not None:
            names += [origin.user or "", origin.campaign]
        return any(self.search.casefold() in name.casefold() for name in names)

    def url(self) -> str:
        """Return the address of the list."""
        named = {"q": self.search, "person": self.person, "channel": self.channel}
        query = urlencode({name: value for name, value in named.items() if value})
        return f"/?{query}" if query else "/"


def overview(items: Sequence[Shown], filters: Filters, setup: str) -> str:
    """Return the list of messages, newest first.

    Those of a person are shown by their media.

    `items` are all messages; `setup` is the line that a new terminal needs before commands.
    """
    found = [(item, origin) for item, origin in items if filters.matches(item, origin)]
    if not found and filters != Filters():
        body = f'<p class="note">{_describe_nothing(filters)} <a href="/">Show all</a></p>'
    elif not found:
        body = _EMPTY.replace("SETUP", f"{escape(setup)}\n" if setup else "")
    elif filters.person:
        body = "".join(_place(place, shown, filters) for place, shown in inbox_media.group_by_place(found))
        body = f'<div class="places">{body}</div>'
    else:
        body = f'<ol class="list">{"".join(_row(item, origin) for item, origin in found)}</ol>'
    heading = f"<h1>{escape(filters.person or 'Inbox')}</h1>"
    if filters.person:
        heading = f'<div class="crumb"><a href="/">← Inbox</a>{heading}</div>'
    title = filters.person or "Inbox: messages of all channels"
    return _document(
        title,
        f'<header class="bar">{heading}{_form(items, filters)}</header>'
        f'<main id="live">{_people(items, filters)}{body}</main>',
        live=True,
    )


def _describe_nothing(filters: Filters) -> str:
    """Say that no message fits the filters."""
    about = f" of the user or campaign {escape(filters.search)}" if filters.search else ""
    to = f" to {escape(filters.person)}" if filters.person else ""
    by = f" by {escape(filters.channel)}" if filters.channel else ""
    return f"No message{about}{to}{by}."


def _form(items: Sequence[Shown], filters: Filters) -> str:
    channels = sorted({_channel(item, origin) for item, origin in items} | {filters.channel} - {""})
    options = "".join(
        f"<option{' selected' if channel == filters.channel else ''}>{escape(channel)}</option>"
        for channel in channels
        if channel
    )
    person = f'<input type="hidden" name="person" value="{escape(filters.person)}">' if filters.person else ""
    return (
        f'<form role="search">{person}<input type="search" name="q" aria-label="User or campaign" '
        f'placeholder="User or campaign" value="{escape(filters.search)}">'
        f'<select name="channel" aria-label="Channel"><option value="">All channels</option>{options}</select>'
        "<button>Filter</button></form>"
    )


def _people(items: Sequence[Shown], filters: Filters) -> str:
    """Return links to the people who got messages, the last one first."""
    people = list(dict.fromkeys(origin.user for _, origin in items if origin is not None and origin.user))
    if filters.person or filters.search or not people:
        return ""
    links = "".join(
        f'<li><a href="{escape(Filters(person=person, channel=filters.channel).url())}">{escape(person)}</a></li>'
        for person in people[:_MAX_PEOPLE]
    )
    return f'<nav class="people" aria-label="People"><h2>People</h2><ul>{links}</ul></nav>'


def _place(place: inbox_media.MessagePlace, shown: Sequence[Shown], filters: Filters) -> str:
    blocks = "".join(inbox_media.block(item, origin, filters.url()) for item, origin in shown)
    name = inbox_media.PLACES[place]
    screen = f'<h2>{name}</h2><div class="screen">{blocks}</div>'
    return f'<section class="place at-{place}" aria-label="{name}">{screen}</section>'


def _channel(item: Received, origin: MessageOrigin | None) -> str:
    """Return the channel; a mail that a campaign did not send is one as well."""
    if origin is not None:
        return origin.channel
    return Email.name if isinstance(item, ReceivedMail) else ""


def message(item: Received, origin: MessageOrigin | None, view: str, journey_url: str, *, has_remote: bool) -> str:
    """Return the page of one message, in one of its views."""
    title = title_of(item, origin)
    facts = (
        {"From": _sender(item), "To": ", ".join(item.recipients)}
        if isinstance(item, ReceivedMail)
        else {"To": item.address}
    )
    facts["At"] = f"{received_at(item, origin):%A, %-d %B %Y, %H:%M:%S %Z}"
    listed = "".join(fact(name, escape(value)) for name, value in facts.items() if value)
    shown = inbox_media.block(item, origin, f"/messages/{item.number}")
    body = _mail_views(item, view, has_remote) if isinstance(item, ReceivedMail) else _content(item, shown)
    place = inbox_media.find_place(item, origin)
    return _document(
        title,
        f'<nav class="bar"><a href="/">← Inbox</a>{_person_link(origin)}</nav><main><h1>{escape(title)}</h1>'
        f'<dl class="facts">{listed}</dl><div class="place at-{place}"><div class="screen">{shown}</div></div>'
        f"{_origin(origin, journey_url)}{body}</main>",
    )


def _content(item: ReceivedMessage, shown: str) -> str:
    """Return all that a message holds, unless it is shown already."""
    content = facts_of(item.content)
    return "" if content in shown else f"<details><summary>Content</summary>{content}</details>"


def _person_link(origin: MessageOrigin | None) -> str:
    if origin is None or not origin.user:
        return ""
    return f'<a href="{escape(Filters(person=origin.user).url())}">All messages to {escape(origin.user)}</a>'


def describe_failure(number: int, why: str) -> str:
    """Return the page of a reaction that came to nothing."""
    back = f'<p><a href="/messages/{number}">Back to the message</a></p>'
    text = f"<h1>Nothing was reported</h1><p>{escape(why)}</p>{back}"
    return _document("Nothing was reported", f'<nav class="bar"><a href="/">← Inbox</a></nav><main>{text}</main>')


def not_found() -> str:
    """Return the page of a message that is not there."""
    text = "<h1>No such message</h1><p>It is not here, or no longer: the oldest of 1,000 messages go.</p>"
    return _document("No such message", f'<nav class="bar"><a href="/">← Inbox</a></nav><main>{text}</main>')


def _row(item: Received, origin: MessageOrigin | None) -> str:
    to = ", ".join(item.recipients) if isinstance(item, ReceivedMail) else item.address
    where = "" if origin is None else f"{escape(origin.campaign)} · {escape(origin.step)}"
    name = _channel(item, origin)
    channel = "" if isinstance(item, ReceivedMail) or not name else f'<b class="tag">{escape(name)}</b>'
    who = escape((origin.user if origin else None) or to)
    return (
        f'<li><a href="/messages/{item.number}">'
        f'<span class="who">{who}</span>'
        f'<span class="what">{channel}{escape(title_of(item, origin))}{marks(origin)}</span>'
        f'<span class="where">{where}</span>'
        f'<time datetime="{item.received_at.isoformat()}">{received_at(item, origin):%-d %b %H:%M}</time></a></li>'
    )


def _sender(mail: ReceivedMail) -> str:
    """Return the sender with its name; without a header, that of the envelope."""
    return next((value for name, value in mail.headers if name.lower() == "from" and value), mail.sender)


def _origin(origin: MessageOrigin | None, journey_url: str) -> str:
    if origin is None:
        return ""
    url = link(journey_url, origin.workflow_id)
    facts = {
        "Campaign": f"{escape(origin.campaign)} <small>version {origin.version}</small>",
        "Step": f"{escape(origin.step)} <small>{escape(origin.channel)} {escape(origin.template)}</small>",
        "User": escape(origin.user or "(anonymous)"),
        "Journey": f'<a href="{escape(url)}" target="_blank" rel="noreferrer">in the Temporal UI ↗</a>',
    }
    commands = [f"sojourn journeys show {origin.journey_id}"]
    if origin.user is not None:
        commands.insert(0, f"sojourn explain {shlex.quote(origin.user)}")
    facts["Look closer"] = "".join(f"<code>{escape(command)}</code>" for command in commands)
    return f'<dl class="facts origin">{"".join(fact(name, value) for name, value in facts.items())}</dl>'


def _mail_views(mail: ReceivedMail, wanted: str, has_remote: bool) -> str:
    headers = "".join(fact(name, escape(value)) for name, value in mail.headers)
    views = {
        "html": None if mail.html is None else _frame(mail, has_remote),
        "text": None if mail.text is None else f"<pre>{escape(mail.text)}</pre>",
        "headers": f'<dl class="facts headers">{headers}</dl>',
        "source": f"<pre>{escape(mail.source.decode(errors='replace'))}</pre>",
    }
    there = {name: view for name, view in views.items() if view is not None}
    chosen = wanted if wanted in there else next(iter(there))
    tabs = "".join(
        f'<a href="?view={name}"{" aria-current=page" if name == chosen else ""}>{_VIEWS[name]}</a>' for name in there
    )
    return f'<nav class="tabs">{tabs}</nav>{there[chosen]}'


def _frame(mail: ReceivedMail, has_remote: bool) -> str:
    note = ""
    if not has_remote and _REMOTE.search(mail.html or ""):
        load = '<a href="?view=html&amp;remote">Load them</a>'
        note = f'<p class="note">Images and styles from elsewhere are not loaded. {load}</p>'
    source = f"/messages/{mail.number}/html{'?remote' if has_remote else ''}"
    style = f"height: min(70vh, {_estimate_lines(mail.html or '') * _LINE_REM:.0f}rem)"
    return f'{note}<iframe title="The mail" sandbox="{SANDBOX}" src="{source}" style="{style}"></iframe>'


def _estimate_lines(html: str) -> int:
    """Estimate the lines that HTML takes: a sandboxed frame cannot be measured."""
    body = _HIDDEN.sub("", html)
    images = len(_IMAGE.findall(body))
    text = " ".join(_TAG.sub(" ", body).split())
    return _MIN_LINES + 2 * len(_BLOCK.findall(body)) + len(text) // _LINE_CHARACTERS + _IMAGE_LINES * images


def _document(title: str, body: str, *, live: bool = False) -> str:
    script = f"<script>{SCRIPT}</script>" if live else ""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width"><title>{escape(title)}</title>'
        f"<style>{STYLE}</style></head><body>{body}{script}</body></html>"
    )
