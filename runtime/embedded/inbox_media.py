"""The messages of the inbox as phones, letters, chats and mails show them.

Told apart by their content, so that a new channel is shown as well. All content is escaped here.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from html import escape
from typing import Any, Final, Literal
from urllib.parse import urlsplit

from domain.channels.kinds import CHANNELS
from domain.channels.phone import PhoneChannel
from runtime.embedded.inbox_reactions import REPLIED, InboxReaction, list_reactions
from runtime.embedded.mail import Received, ReceivedMail, ReceivedMessage
from store.message_origins import MessageOrigin

MessagePlace = Literal["phone", "mail", "talk", "letters", "desk"]
# The places of a person, in the order of their page.
PLACES: Final[Mapping[MessagePlace, str]] = {
    "phone": "Phone",
    "mail": "Mail",
    "talk": "Chat",
    "letters": "Letter box",
    "desk": "Other systems",
}
_EXCERPT: Final = 240
_HTML: Final = re.compile(r"<[a-z!/]", re.IGNORECASE)


def find_place(item: Received, origin: MessageOrigin | None) -> MessagePlace:
    """Return where a person sees a message."""
    if isinstance(item, ReceivedMail) or ("subject" in item.content and "script" not in item.content):
        return "mail"
    channel = CHANNELS.get(origin.channel) if origin else None
    if isinstance(channel, PhoneChannel) or {"title", "body"} <= item.content.keys():
        return "phone"
    if "text" in item.content:
        return "talk"
    return "letters" if _pages(item.content) else "desk"


def title_of(item: Received, origin: MessageOrigin | None) -> str:
    """Return what a message is about, in one line."""
    if isinstance(item, ReceivedMail):
        return item.subject or "(no subject)"
    for name in ("title", "subject", "text"):
        if isinstance(value := item.content.get(name), str) and value:
            return value
    if (approved := _approved_template(item.content)) is not None:
        return _name_of(approved)
    if isinstance(url := item.content.get("url"), str) and url:
        return f"{item.content.get('method', '')} {_path(url)}".strip()
    return origin.template if origin else "(no title)"


def received_at(item: Received, origin: MessageOrigin | None) -> datetime:
    """Return the time by the journey's clock, in this machine's zone."""
    return (origin.at if origin else item.received_at).astimezone()


def medium(item: Received, origin: MessageOrigin | None) -> str:
    """Return a message as its medium shows it."""
    if isinstance(item, ReceivedMail):
        text = " ".join((item.text or "").split())
        excerpt = f"{text[:_EXCERPT]}…" if len(text) > _EXCERPT else text
        return f'<div class="mail"><h3>{escape(title_of(item, origin))}</h3><p>{escape(excerpt)}</p></div>'
    content = item.content
    match find_place(item, origin):
        case "phone" if "title" in content:
            return _notification(content)
        case "phone" | "talk" if isinstance(content.get("text"), str):
            return _bubbles(item)
        case "phone" if (approved := _approved_template(content)) is not None:
            return f'<p class="bubble">{_describe(approved)}</p>{_replies(item)}'
        case "letters":
            return "".join(_sheet(name, page, content) for name, page in _pages(content).items())
        case _:
            return f'<div class="card">{facts_of(content)}</div>{_replies(item)}'


def block(item: Received, origin: MessageOrigin | None, back: str) -> str:
    """Return a message in its medium, with what was done with it and what can be.

    `back` is the page that a reaction leads back to.
    """
    title = escape(f"{origin.channel if origin else 'message'}: {title_of(item, origin)}"[:120])
    at = received_at(item, origin)
    where = f"{escape(origin.campaign)} · {escape(origin.step)}" if origin else "of no campaign"
    channel = f"{escape(origin.channel)} · " if origin else ""
    return (
        f'<article class="message" id="m{item.number}" aria-label="{title}">{medium(item, origin)}'
        f'<p class="about"><time datetime="{at.isoformat()}">{at:%-d %b %H:%M}</time> '
        f'<a href="/messages/{item.number}">{channel}{where}</a>{marks(origin)}</p>'
        f"{_actions(item, origin, back)}</article>"
    )


def marks(origin: MessageOrigin | None) -> str:
    """Return what was reported of a message."""
    found = sorted((origin.marks if origin else {}).items(), key=lambda one: one[1])
    return "".join(f' <b class="mark {mark}" title="{at.isoformat()}">{mark}</b>' for mark, at in found)


def facts_of(content: Mapping[str, Any]) -> str:
    """Return short texts as facts, and everything else below them as JSON."""
    short = {name: value for name, value in content.items() if isinstance(value, str) and "\n" not in value}
    facts = "".join(fact(_label(name), escape(value)) for name, value in short.items())
    long = "".join(
        f"<h2>{escape(_label(name))}</h2><pre>{escape(value if isinstance(value, str) else _json(value))}</pre>"
        for name, value in content.items()
        if name not in short and value not in (None, {}, [])
    )
    return f'<dl class="facts">{facts}</dl>{long}'


def fact(name: str, value: str) -> str:
    return f"<dt>{escape(name)}</dt><dd>{value}</dd>"


def _notification(content: Mapping[str, Any]) -> str:
    image = content.get("image")
    shown = f'<p class="image">Image: {_link(image)}</p>' if isinstance(image, str) and image else ""
    url = content.get("url")
    target = f'<p class="target">Opens {_link(url)}</p>' if isinstance(url, str) and url else ""
    text = f"<h3>{escape(str(content['title']))}</h3><p>{escape(str(content.get('body', '')))}</p>"
    return f'<div class="notification">{text}{shown}{target}</div>'


def _bubbles(item: ReceivedMessage) -> str:
    to = item.content.get("to")
    receiver = f'<p class="target">To {escape(to)}</p>' if isinstance(to, str) and to else ""
    return f'{receiver}<p class="bubble">{escape(str(item.content["text"]))}</p>{_replies(item)}'


def _approved_template(content: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the template that a message names; only WhatsApp knows its text."""
    found = content.get("template")
    return found if isinstance(found, Mapping) else None


def _describe(approved: Mapping[str, Any]) -> str:
    """Return the name of a template and the values that fill it, a line each."""
    language = approved.get("language")
    lines = [f"Template {_name_of(approved)}" + (f", {language}" if language else "")]
    for part in ("header", "variables"):
        lines += [f"{name}: {value}" for name, value in (approved.get(part) or {}).items()]
    for button in approved.get("buttons") or []:
        lines.append(f"Button {button['index']}: {button.get('url') or button.get('payload')}")
    return escape("\n".join(lines))


def _name_of(approved: Mapping[str, Any]) -> str:
    return str(approved.get("name") or approved.get("content_sid"))


def _replies(item: ReceivedMessage) -> str:
    return "".join(
        f'<p class="bubble own"><span class="hidden">Reply: </span>{escape(reply.text)}</p>' for reply in item.replies
    )


def _pages(content: Mapping[str, Any]) -> dict[str, str]:
    """Return the printed pages of a message, by name."""
    found = {name: content.get(name) for name in ("front", "back", "file")}
    return {name: page for name, page in found.items() if isinstance(page, str) and page}


def _sheet(name: str, page: str, content: Mapping[str, Any]) -> str:
    format = escape(str(content.get("format") or "letter"))
    caption = format if name == "file" else f"{format}: {escape(name)}"
    if not _HTML.search(page):
        return f'<figure class="sheet"><figcaption>{caption}</figcaption><p>{_link(page)}</p></figure>'
    # Neither scripts nor requests: the frame has the policy of this page, and a sandbox without any rights.
    return (
        f'<figure class="sheet"><figcaption>{caption}</figcaption>'
        f'<iframe title="{caption}" sandbox srcdoc="{escape(page)}"></iframe></figure>'
    )


def _actions(item: Received, origin: MessageOrigin | None, back: str) -> str:
    reactions = list_reactions(item, origin)
    buttons = "".join(_button(reaction) for reaction in reactions if reaction.kind != REPLIED)
    hidden = f'<input type="hidden" name="back" value="{escape(back)}">'
    action = f'action="/messages/{item.number}/reactions" method="post"'
    forms = f'<form class="actions" {action}>{hidden}{buttons}</form>' if buttons else ""
    if any(reaction.kind == REPLIED for reaction in reactions):
        label = escape(f"Reply to {title_of(item, origin)}"[:80])
        forms += (
            f'<form class="reply" {action}>{hidden}<textarea name="text" rows="1" required maxlength="2000" '
            f'placeholder="Reply" aria-label="{label}"></textarea>'
            f'<button name="reaction" value="{REPLIED}">Reply</button></form>'
        )
    return forms


def _button(reaction: InboxReaction) -> str:
    return f'<button name="reaction" value="{escape(reaction.name)}">{escape(reaction.label)}</button>'


def _link(url: str) -> str:
    """Return a link to a web page; the text of any other."""
    shown = escape(url)
    is_web = url.lower().startswith(("https://", "http://"))
    return f'<a href="{shown}" target="_blank" rel="noreferrer">{shown}</a>' if is_web else shown


def _path(url: str) -> str:
    """Return the path of a URL with its query; all of it if it has none."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return url
    return f"{parts.path}?{parts.query}" if parts.query else parts.path.rstrip("/") or url


def _label(name: str) -> str:
    return "URL" if name == "url" else name[:1].upper() + name[1:].replace("_", " ")


def _json(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


def group_by_place(
    items: Sequence[tuple[Received, MessageOrigin | None]],
) -> Iterator[tuple[MessagePlace, list[tuple[Received, MessageOrigin | None]]]]:
    """Yield the places that have messages, with these, the newest first."""
    for place in PLACES:
        if found := [(item, origin) for item, origin in items if find_place(item, origin) == place]:
            yield place, found
