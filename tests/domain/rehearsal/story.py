"""People in a simulation of campaigns, told as a story: who does what when, and what comes of it."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any
from uuid import UUID

from domain.campaign.publication import check
from domain.deployment_documents import DEPLOYMENT_DOCUMENTS
from domain.people.segment_document import parse_segment
from domain.rehearsal.messages import SimulatedMessage
from domain.rehearsal.records import ProviderOutcome, Results
from domain.rehearsal.rulebook import DeployedRules, Rulebook, RunningCampaign, build_rulebook
from domain.rehearsal.simulator import Simulator
from domain.sending.routes import DEVELOPMENT_PROVIDERS
from domain.tracking.event import CallType, Event
from tests.domain.campaign.documents import EMAIL

# A Monday afternoon.
START = datetime(2026, 3, 2, 15, tzinfo=UTC)
SMS = "---\nchannel: sms\n---\nHello"
TEMPLATES = {"hello.liquid": EMAIL, "both.email.liquid": EMAIL, "both.sms.liquid": SMS}
_PARTS = {
    "frequency-caps": "caps",
    "computed": "computed",
    "lifecycle": "stages",
    "topics": "topics",
    "places": "places",
}


def campaign(steps: str, key: str = "tested", head: str = "entry: {event: Begun}") -> str:
    """A campaign of these steps, an indented YAML list."""
    return f"key: {key}\nname: Tested\n{head}\nsteps:\n{steps}"


def compiled(source: str) -> RunningCampaign:
    published = check(source, "a.yaml", TEMPLATES)
    return RunningCampaign(published.definition.key, 1, published.plan, published.rules)


def deployed(documents: Mapping[str, str], segments: Sequence[str] = ()) -> DeployedRules:
    """The rules of documents by their kinds, and of segments."""
    rules: dict[str, Any] = {
        _PARTS.get(kind, kind): DEPLOYMENT_DOCUMENTS[kind].parse(source, kind) for kind, source in documents.items()
    }
    known = {one.key: one.rule for one in (parse_segment(source, "segment") for source in segments)}
    return DeployedRules(**rules, segments=known)


class Story:
    """People, and what is simulated of them. `at` is what the clock shows."""

    def __init__(
        self, *campaigns: str, segments: Sequence[str] = (), outcomes: Mapping[str, str] | None = None, **documents: str
    ) -> None:
        named = {kind.replace("_", "-"): source for kind, source in documents.items()}
        self.rulebook: Rulebook = build_rulebook(
            map(compiled, campaigns), deployed(named, segments), "UTC", DEVELOPMENT_PROVIDERS
        )
        self.results = Results()
        self.outcomes = dict(outcomes or {})
        self.simulator = Simulator(self.rulebook, self.results.add, self._settle)
        self.at = START
        self._ids = map(UUID, (f"{number:032x}" for number in count(1)))

    def _settle(self, message: SimulatedMessage) -> ProviderOutcome:
        state = self.outcomes.get(message.granted.channel, "sent")
        return ProviderOutcome("failed" if state == "failed" else "sent")

    def call(
        self,
        type: CallType,
        user: str | None,
        name: str | None = None,
        anonymous: str | None = None,
        context: Mapping[str, Any] | None = None,
        **values: Any,
    ) -> None:
        id = next(self._ids)
        self.simulator.pass_time(self.at)
        event = Event(
            id=id,
            message_id=str(id),
            type=type,
            name=name,
            user_id=user,
            anonymous_id=anonymous,
            properties=values,
            context=dict(context or {}),
            timestamp=self.at,
        )
        self.simulator.take(event, self.at)

    def knows(self, user: str, **traits: Any) -> None:
        """Have somebody known by an address, a phone number and these traits."""
        self.call("identify", user, **{"email": f"{user}@example.com", "phone": "+4915112345678"} | traits)

    def does(self, user: str, event: str, **properties: Any) -> None:
        self.call("track", user, event, **properties)

    def waits(self, **duration: float) -> None:
        self.at += timedelta(**duration)
        self.simulator.pass_time(self.at)

    def told(self) -> list[str]:
        """The decisions with the hours since the start, by the time of each; a message with its outcome."""
        decided = [
            (one.at, " ".join(filter(None, (one.step, one.outcome, one.reason)))) for one in self.results.decisions
        ]
        sent = [
            (one.at, f"{one.message.granted.step} {one.message.state} by {one.message.granted.channel}")
            for one in self.results.messages
        ]
        ended = [(one.ending.ended_at, f"{one.ending.state}: {one.ending.outcome}") for one in self.results.ends]
        goals = [(one.event.timestamp, "goal") for one in self.results.goals]
        told = sorted([*decided, *sent, *ended, *goals], key=lambda one: one[0])
        return [f"{(at - START) / timedelta(hours=1):g} {text}" for at, text in told]
