"""Calls: a task for a colleague to call the person, with a script and a time."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from math import ceil
from typing import Any, ClassVar, Final
from zoneinfo import ZoneInfo

from msgspec.structs import replace

from domain.campaign.durations import DurationError, parse_duration
from domain.channels.kind import ChannelKind, Unreachable
from domain.channels.phone import find_legal_hours
from domain.errors import Problem
from domain.local_time.legal_hours import LegalHours, next_allowed
from domain.templates.front_matter import Field
from domain.templates.liquid_context import Rendering
from domain.templates.liquid_text import LiquidText, TemplateRenderError, compile_liquid

MAX_SUBJECT_CHARACTERS: Final = 200
MAX_SCRIPT_CHARACTERS: Final = 10_000
MAX_DUE_SECONDS: Final = 90 * 86_400
_DEFAULT_DUE: Final = "1d"
_NUMBER: Final = re.compile(r"\+?[0-9(][0-9 ()./-]{3,38}[0-9]")


@dataclass(frozen=True, slots=True)
class CallTemplate:
    """A task in one language.

    `owner` names the colleague by e-mail address or id. The call is due `due_seconds` after the grant, at the earliest.
    """

    subject: LiquidText
    script: LiquidText
    owner: LiquidText | None
    due_seconds: int

    def render(self, rendering: Rendering) -> dict[str, Any]:
        """Return {subject, script, owner, due_seconds}. Raises TemplateRenderError."""
        subject = " ".join(self.subject.render(rendering).split())
        if not subject:
            raise TemplateRenderError(self.subject.place, "the subject is empty for this user")
        script = self.script.render(rendering).strip()
        if len(script) > MAX_SCRIPT_CHARACTERS:
            raise TemplateRenderError(self.script.place, f"the script exceeds {MAX_SCRIPT_CHARACTERS:,} characters")
        return {
            "subject": subject[:MAX_SUBJECT_CHARACTERS],
            "script": script,
            # A task without an owner waits for one.
            "owner": None if self.owner is None else self.owner.render(rendering).strip() or None,
            "due_seconds": self._find_due(rendering),
        }

    def _find_due(self, rendering: Rendering) -> int:
        """Return the seconds until the call is due, which is in legal hours."""
        local = rendering.localization
        if local.now is None:
            return self.due_seconds
        hours = find_legal_hours(rendering.variables["profile"]["traits"])
        zone = local.zone if isinstance(local.zone, ZoneInfo) else ZoneInfo("UTC")
        hours = replace(hours, zones=hours.zones or (zone.key,))
        due = next_allowed(hours, None, zone, local.now + timedelta(seconds=self.due_seconds))
        return ceil((due - local.now).total_seconds())

    def texts(self) -> Iterator[LiquidText]:
        return (text for text in (self.subject, self.script, self.owner) if text is not None)


class CallTask(ChannelKind):
    """A task to call the number of the trait `phone`."""

    name = "call"
    known_paths = frozenset({"profile.traits.phone"})
    address_traits = frozenset({"phone"})
    silence_allows = False
    required = ("subject",)
    optional = ("owner", "due")
    report_events: ClassVar[Mapping[str, str]] = {"completed": "Call Completed"}

    def compile(
        self, fields: Mapping[str, Field], body: Field, problems: list[Problem], warnings: list[Problem]
    ) -> CallTemplate | None:
        subject, owner, script = (
            _compile(field, problems) for field in (fields.get("subject"), fields.get("owner"), body)
        )
        if not body.value.strip():
            problems.append(body.place.problem("the body is empty", "Write what to say below the front matter"))
        due = _read_due(fields.get("due"), problems)
        if subject is None or script is None or due is None:
            return None
        return CallTemplate(subject, script, owner, due)

    def addresses(self, traits: Mapping[str, Any]) -> tuple[str, ...] | Unreachable:
        phone = traits.get("phone")
        if not isinstance(phone, str) or not phone.strip():
            return Unreachable("the profile has no trait phone")
        # The colleague dials it: national numbers are as good.
        return (phone.strip(),) if _NUMBER.fullmatch(phone.strip()) else Unreachable("the trait phone is not a number")

    def legal_hours(self, traits: Mapping[str, Any]) -> LegalHours | None:
        return find_legal_hours(traits)


def _compile(field: Field | None, problems: list[Problem]) -> LiquidText | None:
    if field is None:
        return None
    compiled, faults = compile_liquid(field.value, field.place)
    problems += faults
    return compiled


def _read_due(field: Field | None, problems: list[Problem]) -> int | None:
    """Return the seconds after the grant at which the call is due."""
    written = _DEFAULT_DUE if field is None else field.value.strip()
    try:
        seconds = parse_duration(written)
    except DurationError as error:
        if field is not None:
            problems.append(field.place.problem(error.message, error.suggestion))
        return None
    if 0 < seconds <= MAX_DUE_SECONDS:
        return seconds
    if field is not None:
        problems.append(field.place.problem(f"`{written}` is out of bounds", "A call is due within 90d"))
    return None
