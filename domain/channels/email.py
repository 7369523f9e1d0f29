"""E-mail: subject, sender and plain text in the front matter, HTML in the body."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from domain.channels.kind import ChannelKind, RewrittenContent, Unreachable
from domain.errors import Problem
from domain.people.addresses import is_reachable, normalize, parse_mailbox
from domain.sending.tracking.links import LinkRewriting, rewrite
from domain.templates.front_matter import Field
from domain.templates.liquid_context import Rendering
from domain.templates.liquid_text import LiquidText, TemplateRenderError, compile_liquid
from domain.templates.preheader import insert_preheader

# RFC 5322's bound of a header line; no mail client shows a longer subject.
MAX_SUBJECT_CHARACTERS = 998
# Gmail shows no more of the HTML, and thus no unsubscribe link at its end.
MAX_SHOWN_BYTES = 102 * 1024
TEST_MARK = "[Test] "

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
# Up to its end, or that of the text: `sub` must not search inside it again.
_COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)
_MJML = re.compile(r"<mj(?:ml|-[a-z]+)\b", re.IGNORECASE)
_TO_HTML = "Put the HTML here that `mjml` makes of it"


@dataclass(frozen=True, slots=True)
class EmailTemplate:
    """An e-mail in one language. The addresses are constant; the rest is rendered."""

    sender: str
    reply_to: str | None
    subject: LiquidText
    preheader: LiquidText | None
    text: LiquidText
    html: LiquidText

    def render(self, rendering: Rendering) -> dict[str, Any]:
        """Return {from, reply_to, subject, text, html}. Raises TemplateRenderError."""
        html = self.html.render(rendering)
        if self.preheader is not None:
            html = insert_preheader(html, self.preheader.render(rendering))
        return {
            "from": self.sender,
            "reply_to": self.reply_to,
            "subject": self._subject(rendering),
            "text": self.text.render(rendering),
            "html": html,
        }

    def texts(self) -> Iterator[LiquidText]:
        return (text for text in (self.subject, self.preheader, self.text, self.html) if text is not None)

    def _subject(self, rendering: Rendering) -> str:
        # Any white space becomes one space: a line break in a value would begin another header.
        subject = _CONTROL.sub("", " ".join(self.subject.render(rendering).split()))
        if not subject:
            raise TemplateRenderError(self.subject.place, "the subject is empty for this user")
        if len(subject) > MAX_SUBJECT_CHARACTERS:
            raise TemplateRenderError(self.subject.place, f"the subject exceeds {MAX_SUBJECT_CHARACTERS} characters")
        return subject


class Email(ChannelKind):
    """Mail to the trait `email`."""

    name = "email"
    required = ("subject", "from", "text")
    optional = ("reply_to", "preheader")
    known_paths = frozenset({"profile.traits.email"})
    address_traits = frozenset({"email"})
    # As Segment's spec of e-mail events has them, where it does.
    report_events: ClassVar[Mapping[str, str]] = {
        "delivered": "Email Delivered",
        "opened": "Email Opened",
        "clicked": "Email Link Clicked",
        "bounced": "Email Bounced",
        "complained": "Email Marked as Spam",
        "unsubscribed": "Unsubscribed",
        "replied": "Email Replied",
        "failed": "Email Failed",
    }

    def compile(
        self, fields: Mapping[str, Field], body: Field, problems: list[Problem], warnings: list[Problem]
    ) -> EmailTemplate | None:
        sender, reply_to = (_address(fields.get(key), problems) for key in ("from", "reply_to"))
        subject, preheader, text, html = (
            _compile(fields.get("subject"), problems),
            _compile(fields.get("preheader"), problems, is_html=True),
            _compile(fields.get("text"), problems),
            _compile(body, problems, is_html=True),
        )
        if not body.value.strip():
            problems.append(body.place.problem("the body is empty", "Write the HTML part below the front matter"))
        elif mjml := _MJML.search(_COMMENT.sub(_blank_out, body.value)):
            line = body.place.line_at(body.value, mjml.start())
            problems.append(body.place.problem(f"`{mjml[0]}` is MJML, which no mail client shows", _TO_HTML, line))
        if sender is None or subject is None or text is None or html is None:
            return None
        return EmailTemplate(sender, reply_to, subject, preheader, text, html)

    def addresses(self, traits: Mapping[str, Any]) -> tuple[str, ...] | Unreachable:
        if not isinstance(address := traits.get("email"), str) or not address:
            return Unreachable("the profile has no trait email")
        return (address,) if is_reachable(address) else Unreachable("the trait email is not an e-mail address")

    def rewrite_links(self, content: Mapping[str, Any], wanted: LinkRewriting) -> RewrittenContent:
        found = rewrite(content["html"], wanted)
        return RewrittenContent({**content, "html": found.html}, found.targets)

    def normalized_address(self, traits: Mapping[str, Any]) -> str | None:
        address = traits.get("email")
        return normalize(address) if isinstance(address, str) else None

    def find_doubts(self, content: Mapping[str, Any]) -> Iterator[str]:
        size = len(content["html"].encode())
        if size > MAX_SHOWN_BYTES:
            yield f"the HTML has {-(-size // 1024)} KB: Gmail cuts a mail off at {MAX_SHOWN_BYTES // 1024} KB"

    def mark_as_test(self, content: Mapping[str, Any]) -> Mapping[str, Any] | None:
        # A subject of the greatest length would be refused with a prefix.
        return {**content, "subject": f"{TEST_MARK}{content['subject']}"[:MAX_SUBJECT_CHARACTERS]}


def _compile(field: Field | None, problems: list[Problem], *, is_html: bool = False) -> LiquidText | None:
    if field is None:
        return None
    compiled, faults = compile_liquid(field.value, field.place, is_html=is_html)
    problems += faults
    return compiled


def _address(field: Field | None, problems: list[Problem]) -> str | None:
    if field is None:
        return None
    value = field.value.strip()
    if "{{" in value or "{%" in value:
        problems.append(field.place.problem("an address must be constant", "Write it without Liquid"))
    elif parse_mailbox(value) is None:
        problems.append(field.place.problem("this is not an address", "Write it as Example Shop <hello@example.com>"))
    return value


def _blank_out(found: re.Match[str]) -> str:
    return re.sub(r"[^\n]", " ", found[0])
