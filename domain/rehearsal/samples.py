"""A sample of simulated messages, rendered as their people would get them."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from heapq import heappush, heappushpop
from typing import Final
from uuid import UUID

from msgspec import Struct, field

from domain.campaign.plan import Plan
from domain.campaign.rules import Rules
from domain.journey.active import VersionRef
from domain.people.profile import Profile
from domain.rehearsal.journeys import SimulatedJourney
from domain.rehearsal.messages import SimulatedMessage
from domain.sending.previewed_people import PreviewedPerson
from domain.sending.previews import (
    MessagePreview,
    PreviewedMessage,
    PreviewOptions,
    find_message,
    load_template,
    render_loaded,
)
from domain.templates.parts import CompiledBody
from domain.templates.template_sets import TemplateSet

MAX_SAMPLES: Final = 1_000


class SampledMessage(Struct, frozen=True):
    """A granted message with its person as they were at the grant."""

    id: UUID
    version: VersionRef
    step: str
    channel: str
    person: PreviewedPerson
    options: PreviewOptions


class MessageFault(Struct, frozen=True):
    """A fault of rendered messages: how many have it, and one of their people.

    The message failed, or the text prints nothing in the place of a variable without a value.
    """

    campaign: str
    step: str
    channel: str
    said: str
    number: int
    user_id: str | None
    fails: bool


class MessageFaults(Struct):
    """Counts faults of rendered messages.

    They are named by campaign, step, channel, the fault, and whether the message fails.
    """

    numbers: Counter[tuple[str, str, str, str, bool]] = field(default_factory=Counter)
    people: defaultdict[tuple[str, str, str, str, bool], set[str]] = field(default_factory=lambda: defaultdict(set))

    def note(self, preview: MessagePreview, user_id: str | None) -> None:
        """Count each fault of one message once."""
        faults = {(str(problem), True) for problem in preview.problems} | {
            (f"{missing.variable} has no value at {missing.file}:{missing.line}", False)
            for missing in preview.missing
            if missing.printed is not None and not missing.printed.strip()
        }
        for said, fails in faults:
            place = (preview.campaign, preview.step, preview.channel, said, fails)
            self.numbers[place] += 1
            if user_id is not None:
                self.people[place].add(user_id)

    def list_by_number(self) -> list[MessageFault]:
        """List the faults, the most frequent first.

        A fault names the first of its people by their user id: ids of messages depend on shards.
        """
        ordered = sorted(self.numbers.items(), key=lambda each: (-each[1], each[0]))
        return [
            MessageFault(*place[:4], number, min(self.people[place], default=None), place[4])
            for place, number in ordered
        ]


class CampaignTemplates(Struct, frozen=True):
    """The templates of a version."""

    files: Mapping[str, str]
    compiled_bodies: Mapping[str, CompiledBody]


class Sampler(Struct):
    """Keeps the messages with the smallest ids, which are hashes."""

    kept: list[tuple[int, SampledMessage]] = field(default_factory=list)

    def offer(self, message: SimulatedMessage, journey: SimulatedJourney, person: Profile, timezone: str) -> None:
        """Take a message into the sample, unless that has MAX_SAMPLES that come first."""
        place = -message.id.int
        if len(self.kept) >= MAX_SAMPLES and place <= self.kept[0][0]:
            return
        granted = message.granted
        shown = PreviewedPerson(
            user_id=person.user_id,
            traits=person.traits,
            context=person.context,
            computed=person.computed,
            stage=person.stage,
            learned=person.learned,
            entry=journey.entry,
            is_real=True,
        )
        options = PreviewOptions(granted.at, deployment_timezone=timezone)
        self._put(place, SampledMessage(message.id, message.version, granted.step, granted.channel, shown, options))

    def add(self, other: "Sampler") -> None:
        """Add the sample of another shard."""
        for place, one in other.kept:
            self._put(place, one)

    def _put(self, place: int, one: SampledMessage) -> None:
        if len(self.kept) < MAX_SAMPLES:
            heappush(self.kept, (place, one))
        elif place > self.kept[0][0]:
            heappushpop(self.kept, (place, one))


def render_samples(
    samples: Iterable[SampledMessage], campaigns: Mapping[VersionRef, tuple[Plan, Rules, CampaignTemplates]]
) -> list[MessageFault]:
    """Render messages, and return their faults, the most frequent first."""
    faults = MessageFaults()
    messages: dict[tuple[VersionRef, str, str], tuple[PreviewedMessage, TemplateSet]] = {}
    for one in samples:
        place = (one.version, one.step, one.channel)
        if place not in messages:
            plan, rules, templates = campaigns[one.version]
            message = find_message(
                one.version[0], plan, rules, templates.files, one.step, one.channel, templates.compiled_bodies
            )
            messages[place] = (message, load_template(message))
        message, template = messages[place]
        faults.note(render_loaded(template, message, one.person, one.options), one.person.user_id)
    return faults.list_by_number()
