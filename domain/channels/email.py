"""E-mail: subject, sender and plain text in the front matter, HTML in the body."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from domain.channels.kind import ChannelKind, RewrittenContent, Unreachable
from domain.errors import Problem
from domain.people.addresses import is_reachable, normalize, parse_mailbox
from domain.sending.tracking.links import LinkRewriting, rewrite
from domain.surveys.answers import ANSWERED_EVENT
from domain.templates.front_matter import Field
from domain.templates.liquid_context import Rendering
from domain.templates.liquid_environment import TextForm
from domain.templates.liquid_text import LiquidText, TemplateRenderError, compile_liquid
from domain.templates.preheader import insert_preheader

# RFC 5322's bound of a header line; no mail client shows a longer subject.
MAX_SUBJECT_CHARACTERS = 998
# Gmail shows no more of the HTML, and thus no unsubscribe link at its end.
MAX_SHOWN_BYTES = 102 * 1024
TEST_MARK = "[Test] "

_PATH = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


@dataclass(frozen=True, slots=True)
class EmailTemplate:
    """An e-mail in one language.

    Its addresses are constant, or those of the sender that `owner` names; the rest is rendered.
    """

    sender: str
    reply_to: str | None
    owner: LiquidText | None
    subject: LiquidText
    preheader: LiquidText | None
    text: LiquidText
    html: LiquidText

    def render(self, rendering: Rendering) -> dict[str, Any]:
        """Return {from, reply_to, subject, text, html}. Raises TemplateRenderError."""
        html = self.html.render(rendering)
        if self.preheader is not None:
            html = insert_preheader(html, self.preheader.render(rendering))
        named = None if self.owner is None else rendering.senders.find(self.owner.value(rendering))
        return {
            "from": self.sender if named is None else named.mailbox,
            "reply_to": self.reply_to if named is None else named.reply_to,
            "subject": self._subject(rendering),
            "text": self.text.render(rendering),
            "html": html,
        }

    def texts(self) -> Iterator[LiquidText]:
        texts = (self.owner, self.subject, self.preheader, self.text, self.html)
        return (text for text in texts if text is not None)

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
    optional = ("reply_to", "from_owner", "preheader", "layout")
    composed = ("subject", "preheader", "text")
    structured = ("attachments", "survey")
    forms: ClassVar[Mapping[str, tuple[str, str]]] = {"attachments": ("a list of files", "[a.pdf, b.pdf]")}
    can_attach = True
    known_paths = frozenset({"profile.traits.email"})
    address_traits = frozenset({"email"})
    # As Segment's spec of e-mail events has them, where it does.
    has_scanners: ClassVar[bool] = True
    report_events: ClassVar[Mapping[str, str]] = {
        "delivered": "Email Delivered",
        "opened": "Email Opened",
        "clicked": "Email Link Clicked",
        "bounced": "Email Bounced",
        "complained": "Email Marked as Spam",
        "unsubscribed": "Unsubscribed",
        "replied": "Email Replied",
        "answered": ANSWERED_EVENT,
        "failed": "Email Failed",
    }

    def compile(
        self, fields: Mapping[str, Field], body: Field, problems: list[Problem], warnings: list[Problem]
    ) -> EmailTemplate | None:
        sender, reply_to = (_address(fields.get(key), problems) for key in ("from", "reply_to"))
        owner, subject, preheader, text, html = (
            _owner(fields.get("from_owner"), problems),
            _compile(fields.get("subject"), problems),
            _compile(fields.get("preheader"), problems, form="html"),
            _compile(fields.get("text"), problems),
            _compile(body, problems, form="html"),
        )
        if not body.value.strip():
            problems.append(body.place.problem("the body is empty", "Write the HTML part below the front matter"))
        if (size := len(body.value.encode(errors="replace"))) > MAX_SHOWN_BYTES:
            said = f"the HTML has {size // 1024} KB, and Gmail hides what is beyond {MAX_SHOWN_BYTES // 1024} KB"
            warnings.append(body.place.at(body.value, 0).problem(said, "Make it smaller, or link to the rest"))
        if sender is None or subject is None or text is None or html is None:
            return None
        return EmailTemplate(sender, reply_to, owner, subject, preheader, text, html)

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


def _compile(field: Field | None, problems: list[Problem], *, form: TextForm = "text") -> LiquidText | None:
    if field is None:
        return None
    compiled, faults = compile_liquid(field.value, field.place, form=form)
    problems += faults
    return compiled


def _owner(field: Field | None, problems: list[Problem]) -> LiquidText | None:
    """Compile the name of a variable, so that its value is that of the text."""
    if field is None:
        return None
    path = field.value.strip()
    if not _PATH.fullmatch(path):
        said, remedy = "this is not the name of a variable", "Write it without braces, as account.traits.owner"
        problems.append(field.place.problem(said, remedy))
        return None
    return _compile(Field(f"{{{{ {path} | json }}}}", field.place), problems)


def _address(field: Field | None, problems: list[Problem]) -> str | None:
    if field is None:
        return None
    value = field.value.strip()
    if "{{" in value or "{%" in value:
        problems.append(field.place.problem("an address must be constant", "Write it without Liquid"))
    elif parse_mailbox(value) is None:
        problems.append(field.place.problem("this is not an address", "Write it as Example Shop <hello@example.com>"))
    return value
