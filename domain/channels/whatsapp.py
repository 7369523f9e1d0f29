"""WhatsApp: a template that it has approved, or a free text within its window.

https://developers.facebook.com/docs/whatsapp/cloud-api/guides/send-message-templates
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, ClassVar, Final

from domain.channels.approved_template import ApprovedTemplate, compile_approved
from domain.channels.phone import PhoneChannel
from domain.channels.text_body import PlainText, compile_text_body
from domain.errors import Problem
from domain.templates.front_matter import Field

# After a person's last message.
WINDOW: Final = timedelta(hours=24)
MAX_CHARACTERS: Final = 4_096
TEST_MARK: Final = "[Test] "


class WhatsApp(PhoneChannel):
    """A message to the trait `phone` by WhatsApp."""

    name = "whatsapp"
    structured = ("template",)
    has_window = True
    report_events: ClassVar[Mapping[str, str]] = {
        "delivered": "WhatsApp Delivered",
        "opened": "WhatsApp Opened",
        "bounced": "WhatsApp Failed",
        "unsubscribed": "Unsubscribed",
        "failed": "WhatsApp Failed",
        "replied": "WhatsApp Replied",
    }

    def compile(
        self, fields: Mapping[str, Field], body: Field, problems: list[Problem], warnings: list[Problem]
    ) -> ApprovedTemplate | PlainText | None:
        if "template" not in fields:
            text = compile_text_body(body, problems)
            return None if text is None else PlainText(text, MAX_CHARACTERS)
        if body.value.strip():
            said = "the text of an approved template is the provider's"
            problems.append(body.place.problem(said, "Leave the text out, or the key `template`"))
        return compile_approved(fields["template"], problems)

    def find_closed_window(self, content: Mapping[str, Any], wrote_at: datetime | None, at: datetime) -> str | None:
        if "text" not in content or (wrote_at is not None and at < wrote_at + WINDOW):
            return None
        since = "the person has written nothing" if wrote_at is None else f"the person wrote at {wrote_at.isoformat()}"
        return f"{since}, and a free text goes within {WINDOW // timedelta(hours=1)} hours of that: use a template"

    def mark_as_test(self, content: Mapping[str, Any]) -> Mapping[str, Any] | None:
        # An approved template has its words and no other.
        return {"text": f"{TEST_MARK}{content['text']}"} if "text" in content else content
