"""The HTML of the embedded inbox. All content of messages is escaped here."""

import base64
import hashlib
import json
import re
import shlex
from collections.abc import Mapping, Sequence
from datetime import datetime
from html import escape
from typing import Any, Final
from urllib.parse import urlsplit

from application.whereabouts import link
from runtime.embedded.inbox_look import SCRIPT, STYLE
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
_MIN_LINES, _LINE_CHARACTERS, _IMAGE_LINES, _LINE_REM = 4, 60, 12, 1.5
_VIEWS: Final = {"html": "HTML", "text": "Text", "headers": "Headers", "source": "Source"}

_EMPTY: Final = """
<section class="empty">
<h2>Nothing has arrived yet</h2>
<p>Mails that your campaigns send are shown here, and go nowhere else. Webhooks are called, and shown here instead once
<code>sojourn providers apply providers.yaml</code> has chosen <code>providers: {inbox: {kind: console, channel:
webhook}}</code>. In a second terminal:</p>
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


def overview(items: Sequence[tuple[Received, MessageOrigin | None]], search: str, setup: str) -> str:
    """Return the list of messages, newest first.

    `search` is empty or what was searched for; `setup` is the line that a new terminal needs before commands.
    """
    rows = "".join(_row(item, origin) for item, origin in items)
    if rows:
        body = f'<ol class="list">{rows}</ol>'
    elif search:
        body = f'<p class="note">No message of the user or campaign {escape(search)}. <a href="/">Show all</a></p>'
    else:
        body = _EMPTY.replace("SETUP", f"{escape(setup)}\n" if setup else "")
    form = (
        '<form role="search"><input type="search" name="q" aria-label="User or campaign" '
        f'placeholder="User or campaign" value="{escape(search)}"></form>'
    )
    return _document(
        "Inbox: mails and webhooks",
        f'<header class="bar"><h1>Inbox</h1>{form}</header><main id="live">{body}</main>',
        live=True,
    )


def matches(search: str, item: Received, origin: MessageOrigin | None) -> bool:
    """Whether a search is a part of the user, an address or the campaign."""
    names = [item.address] if isinstance(item, ReceivedMessage) else list(item.recipients)
    if origin is not None:
        names += [origin.user or "", origin.campaign]
    return any(search.casefold() in name.casefold() for name in names)


def message(item: Received, origin: MessageOrigin | None, view: str, journey_url: str, *, has_remote: bool) -> str:
    """Return the page of one message, in one of its views."""
    title = _title(item, origin)
    facts = (
        {"From": _sender(item), "To": ", ".join(item.recipients)}
        if isinstance(item, ReceivedMail)
        else {"To": item.address}
    )
    facts["At"] = f"{_at(item, origin):%A, %-d %B %Y, %H:%M:%S %Z}"
    body = _mail_views(item, view, has_remote) if isinstance(item, ReceivedMail) else _content(item.content)
    return _document(
        title,
        f'<nav class="bar"><a href="/">← Inbox</a></nav><main><h1>{escape(title)}</h1>'
        f'<dl class="facts">{"".join(_fact(name, escape(value)) for name, value in facts.items() if value)}</dl>'
        f"{_origin(origin, journey_url)}{body}</main>",
    )


def not_found() -> str:
    """Return the page of a message that is not there."""
    text = "<h1>No such message</h1><p>It is not here, or no longer: the oldest of 1,000 messages go.</p>"
    return _document("No such message", f'<nav class="bar"><a href="/">← Inbox</a></nav><main>{text}</main>')


def _row(item: Received, origin: MessageOrigin | None) -> str:
    to = ", ".join(item.recipients) if isinstance(item, ReceivedMail) else item.address
    where = "" if origin is None else f"{escape(origin.campaign)} · {escape(origin.step)}"
    channel = "" if origin is None or isinstance(item, ReceivedMail) else f'<b class="tag">{escape(origin.channel)}</b>'
    who = escape((origin.user if origin else None) or to)
    return (
        f'<li><a href="/messages/{item.number}">'
        f'<span class="who">{who}</span>'
        f'<span class="what">{channel}{escape(_title(item, origin))}</span>'
        f'<span class="where">{where}</span>'
        f'<time datetime="{item.received_at.isoformat()}">{_at(item, origin):%-d %b %H:%M}</time></a></li>'
    )


def _title(item: Received, origin: MessageOrigin | None) -> str:
    if isinstance(item, ReceivedMail):
        return item.subject or "(no subject)"
    for name in ("title", "subject", "text"):
        if isinstance(value := item.content.get(name), str) and value:
            return value
    if isinstance(url := item.content.get("url"), str) and url:
        return f"{item.content.get('method', '')} {_path(url)}".strip()
    return origin.template if origin else "(no title)"


def _path(url: str) -> str:
    """Return the path of a URL with its query; all of it if it has none."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return url
    return f"{parts.path}?{parts.query}" if parts.query else parts.path.rstrip("/") or url


def _sender(mail: ReceivedMail) -> str:
    """Return the sender with its name; without a header, that of the envelope."""
    return next((value for name, value in mail.headers if name.lower() == "from" and value), mail.sender)


def _at(item: Received, origin: MessageOrigin | None) -> datetime:
    """Format a time by the journey's clock in this machine's zone."""
    return (origin.at if origin else item.received_at).astimezone()


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
    return f'<dl class="facts origin">{"".join(_fact(name, value) for name, value in facts.items())}</dl>'


def _mail_views(mail: ReceivedMail, wanted: str, has_remote: bool) -> str:
    headers = "".join(_fact(name, escape(value)) for name, value in mail.headers)
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


def _content(content: Mapping[str, Any]) -> str:
    """Return short texts as facts, and everything else below them as JSON."""
    short = {name: value for name, value in content.items() if isinstance(value, str) and "\n" not in value}
    facts = "".join(_fact(_label(name), escape(value)) for name, value in short.items())
    long = "".join(
        f"<h2>{escape(_label(name))}</h2><pre>{escape(value if isinstance(value, str) else _json(value))}</pre>"
        for name, value in content.items()
        if name not in short and value not in (None, {}, [])
    )
    return f'<dl class="facts">{facts}</dl>{long}'


def _label(name: str) -> str:
    return "URL" if name == "url" else name[:1].upper() + name[1:].replace("_", " ")


def _json(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


def _fact(name: str, value: str) -> str:
    return f"<dt>{escape(name)}</dt><dd>{value}</dd>"


def _document(title: str, body: str, *, live: bool = False) -> str:
    script = f"<script>{SCRIPT}</script>" if live else ""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width"><title>{escape(title)}</title>'
        f"<style>{STYLE}</style></head><body>{body}{script}</body></html>"
    )
