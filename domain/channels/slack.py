"""Slack: a text to a channel of one's team, or to a colleague."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from domain.channels.kind import ChannelKind
from domain.channels.text_body import compile_text_body
from domain.errors import Problem
from domain.people.addresses import is_reachable
from domain.templates.front_matter import Field
from domain.templates.liquid_context import Rendering
from domain.templates.liquid_text import LiquidText, TemplateRenderError, compile_liquid

# Slack asks for no more in a text.
MAX_CHARACTERS: Final = 4_000
# Slack decodes no other entities than those of `&`, `<` and `>`.
_QUOTES: Final = re.compile("&#39;|&#34;|&quot;")
_CHANNEL: Final = re.compile(r"#?[A-Za-z0-9][A-Za-z0-9._-]{0,79}")

_NO_RECEIVER: Final = (
    "this is neither a channel nor an e-mail address",
    'Write a channel, `"#sales"` or `C0123456789`, or an address, `{{ account.traits.owner_email }}`',
)


@dataclass(frozen=True, slots=True)
class SlackTemplate:
    """A text in one language, to the name of a channel or an e-mail address."""

    to: LiquidText
    text: LiquidText

    def render(self, rendering: Rendering) -> dict[str, Any]:
        """Return {to, text}. Raises TemplateRenderError.

        No value can mention, or give a link another name.
        """
        to = self.to.render(rendering).strip()
        if not _is_receiver(to):
            raise TemplateRenderError(self.to.place, "this is neither a channel nor an e-mail address for this user")
        text = _QUOTES.sub(lambda found: "'" if found[0] == "&#39;" else '"', self.text.render(rendering)).strip()
        if len(text) > MAX_CHARACTERS:
            raise TemplateRenderError(self.text.place, f"the text exceeds {MAX_CHARACTERS:,} characters")
        if not text:
            raise TemplateRenderError(self.text.place, "the text is empty for this user")
        return {"to": to, "text": text}

    def texts(self) -> Iterator[LiquidText]:
        return iter((self.to, self.text))


class Slack(ChannelKind):
    """A text to the channel or the colleague that the template names."""

    name = "slack"
    reaches_people = False
    required = ("to",)

    def compile(
        self, fields: Mapping[str, Field], body: Field, problems: list[Problem], warnings: list[Problem]
    ) -> SlackTemplate | None:
        to, faults = compile_liquid(fields["to"].value, fields["to"].place) if "to" in fields else (None, [])
        problems += faults
        if "to" in fields and "{" not in (written := fields["to"].value) and not _is_receiver(written.strip()):
            problems.append(fields["to"].place.problem(*_NO_RECEIVER))
        # As in HTML, values cannot become mentions and named links: `<!channel>`, `<https://example.com|name>`.
        text = compile_text_body(body, problems, form="html")
        return None if to is None or text is None else SlackTemplate(to, text)


def _is_receiver(to: str) -> bool:
    return is_reachable(to) if "@" in to else _CHANNEL.fullmatch(to) is not None
