"""The socket of a delay: the author's form, its node in the plan, and its rule."""

from abc import abstractmethod
from collections.abc import Mapping
from datetime import datetime, time
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

from msgspec import Struct

from domain.campaign.plan import Delay, Until
from domain.campaign.schema import DocumentModel
from domain.journey.protocol import Unreadable


class DelayFacts(Struct, frozen=True):
    """The facts that a rule may use: roots of conditions, and two times."""

    reached_at: datetime
    at: datetime
    profile: Any
    account: Any
    entry: Any


class DelayEnd(Struct, frozen=True):
    """The instant at which a delay ends, perhaps past.

    None if there is no such instant, Unreadable if the value is not a date; `error` then says why.
    """

    until: datetime | Unreadable | None
    error: str | None = None


class DelayRule(Struct, frozen=True, tag_field="kind", omit_defaults=True):
    """A rule evaluated outside the workflow: when the delay begins, and on waking."""

    @abstractmethod
    def until(self, facts: DelayFacts, zone: ZoneInfo) -> DelayEnd:
        """Return the end of a delay that began at `reached_at`, in the recipient's zone."""

    def local_time(self) -> tuple[time, tuple[int, ...]] | None:
        """Return the time and the weekdays (Monday 0) of the end, if they are fixed."""
        return None


class StepLinks(Struct, frozen=True):
    """The id of a step and the ids of the next two steps; None where the flow ends."""

    id: str
    next: str | None
    after_next: str | None


class DelayForm(DocumentModel):
    """A mapping that an author writes as a delay.

    `key` identifies the form, and `example` shows one. `skip_keys` are the keys whose value `skip_next`, their default,
    skips the next step.
    """

    key: ClassVar[str]
    example: ClassVar[str]
    skip_keys: ClassVar[tuple[str, ...]] = ()
    rule_type: ClassVar[type[DelayRule] | None] = None

    @abstractmethod
    def node(self, links: StepLinks) -> Delay | Until:
        """Return the node of the plan."""

    def rule(self) -> DelayRule | None:
        """Return the rule that computes the instant; None if the node is enough."""
        return None

    @classmethod
    def about_unknown_key(cls, key: str) -> tuple[str, str]:
        # The registry imports the kinds, and these import this module.
        from domain.campaign.delays.kinds import DELAYS, examples

        if not any(key in form.named_fields() for form in DELAYS):
            return super().about_unknown_key(key)
        return f"`{key}` cannot stand beside `{cls.key}`", f"{examples()}{cls.hint(key)}"

    @classmethod
    def hint(cls, key: str) -> str:
        """Return an addition to the remedy for a key of another form."""
        return ""


def skipping_keys(form: type[DelayForm], delay: Mapping[str, Any]) -> list[str]:
    """Return the keys that may skip the next step, whether written or by default."""
    return [key for key in form.skip_keys if delay.get(key, "skip_next") == "skip_next"]
