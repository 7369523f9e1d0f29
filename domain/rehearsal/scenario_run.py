"""Run a scenario by the simulator."""

from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import count
from typing import Any, Final
from uuid import NAMESPACE_URL, UUID, uuid5
from zoneinfo import ZoneInfo

from msgspec import Struct

from domain.campaign.rules import Rules
from domain.channels.kinds import CHANNELS
from domain.errors import InvalidDocumentError, Problem
from domain.journey.bucketing import assign_arm
from domain.local_time.zones import recipient_zone
from domain.people.identity import Identity
from domain.people.profile import Profile
from domain.rehearsal.messages import SimulatedMessage
from domain.rehearsal.observations import Difference, Observed, compare, observe
from domain.rehearsal.people import SimulatedPerson
from domain.rehearsal.records import ProviderOutcome, Record
from domain.rehearsal.rulebook import Rulebook, RunningCampaign
from domain.rehearsal.scenarios import CampaignScenario, DoneLine, Reacts, ReportedCall, ScenarioPerson
from domain.rehearsal.simulator import Simulator
from domain.sending.ledger_marks import LedgerMarks
from domain.tracking.event import Event
from domain.tracking.reactions import is_reaction
from domain.tracking.traits import CONSENT

# The first day of a simulated scenario that names none: a Monday, far from a change of clocks in any zone.
FIRST_DAY: Final = datetime(2026, 1, 12, tzinfo=UTC)
USER_ID: Final = "scenario"
_NAMESPACE: Final = uuid5(NAMESPACE_URL, "sojourn:scenario")
# Arms of 1 in 10,000 are found among so many people.
MAX_DRAWS: Final = 100_000


class ScenarioResult(Struct, frozen=True):
    """Everything that came of a scenario, and where that is not what it expects."""

    scenario: CampaignScenario
    observed: list[Observed]
    differences: list[Difference]


class ArrivedLine(Struct, frozen=True):
    """A line of a scenario at the instant at which it was reported."""

    at: datetime
    line: int
    what: ReportedCall | Reacts


def run_scenario(scenario: CampaignScenario, rulebook: Rulebook, campaign: str, file: str) -> ScenarioResult:
    """Simulate a scenario of a campaign. Raises InvalidDocumentError for unknown arms."""
    rules = find_campaign(rulebook, campaign).rules
    began_at = scenario.at.find(FIRST_DAY, recipient_zone(scenario.person.traits, rules.timezone, rulebook.timezone))
    player = ScenarioPlayer(scenario, rulebook, campaign, file, find_person(scenario, rules, file), USER_ID, began_at)
    at = began_at
    player.report(ArrivedLine(at, scenario.line, introduce(scenario.person)))
    player.start(at)
    for done in scenario.when:
        at = find_next(done, at, player.zone)
        player.report(ArrivedLine(at, done.line, done.what))
    player.pass_time(at + scenario.watched)
    differences = compare(scenario.then, player.observed, began_at, player.zone, scenario.line)
    return ScenarioResult(scenario, player.observed, differences)


def find_campaign(rulebook: Rulebook, key: str) -> RunningCampaign:
    """Return a campaign that runs."""
    return next(one for one in rulebook.campaigns.values() if one.key == key)


def introduce(person: ScenarioPerson) -> ReportedCall:
    """Return the call that makes the person of a scenario known."""
    consent = {CONSENT: dict(person.consent)} if person.consent else {}
    return ReportedCall("identify", None, {**person.traits, **consent}, person.context)


def find_next(done: DoneLine, at: datetime, zone: ZoneInfo) -> datetime:
    """Return when a line comes, after the one before."""
    after = at + done.after
    return after if done.at is None else done.at.find(after, zone)


def find_person(scenario: CampaignScenario, rules: Rules, file: str) -> UUID:
    """Return the id of a person that splits send into the arms of a scenario.

    Raises InvalidDocumentError if there is no such split or arm.
    """
    wanted = dict(scenario.person.arms)
    for step, arm in wanted.items():
        arms = rules.splits[step].arms if step in rules.splits else {}
        if not arms.get(arm):
            known = ", ".join(f"`{name}`" for name in arms) or "none, since it does not split"
            said = f"`{step}` has no arm `{arm}` that people are drawn for"
            raise InvalidDocumentError([Problem(file, scenario.line, "given.arms", said, f"Its arms: {known}")])
    for number in range(MAX_DRAWS):
        id = uuid5(_NAMESPACE, str(number))
        if has_arms(scenario, rules, id):
            return id
    said = f"no person of {MAX_DRAWS:,} is drawn into all of these arms"
    raise InvalidDocumentError([Problem(file, scenario.line, "given.arms", said, "Leave one of them out")])


def has_arms(scenario: CampaignScenario, rules: Rules, id: UUID) -> bool:
    """Whether the splits send a person into the arms of a scenario."""
    return all(_draw(rules, step, id) == arm for step, arm in scenario.person.arms.items())


def _draw(rules: Rules, step: str, id: UUID) -> str:
    rule = rules.splits[step]
    return list(rule.arms)[assign_arm(rule.seed, str(id), rule.arms)]


class ScenarioPlayer:
    """A person in the simulator, and what was observed of them."""

    def __init__(
        self,
        scenario: CampaignScenario,
        rulebook: Rulebook,
        campaign: str,
        file: str,
        profile_id: UUID,
        user_id: str,
        at: datetime,
    ) -> None:
        self._scenario = scenario
        self._rulebook = rulebook
        self._campaign = campaign
        self._file = file
        self._user_id = user_id
        self._at = at
        self._numbers = count()
        self._messages: dict[str, SimulatedMessage] = {}
        self.observed: list[Observed] = []
        self._simulator = Simulator(rulebook, self._record, self._settle)
        self._person = SimulatedPerson(Profile(profile_id, user_id, {}, {}, {}, None, at), profile_id)
        self._simulator.people.add(self._person, [Identity("user", user_id)])

    @property
    def zone(self) -> ZoneInfo:
        """The zone of the person now."""
        rules = find_campaign(self._rulebook, self._campaign).rules
        return recipient_zone(self._person.profile.traits, rules.timezone, self._rulebook.timezone)

    def pass_time(self, until: datetime) -> None:
        """Let the time pass."""
        self._at = until
        self._simulator.pass_time(until)

    def report(self, arrival: ArrivedLine) -> None:
        """Report a line. Raises InvalidDocumentError for a reaction to no message."""
        self.pass_time(arrival.at)
        call = arrival.what if isinstance(arrival.what, ReportedCall) else self._react(arrival.what, arrival.line)
        id = uuid5(_NAMESPACE, f"event {next(self._numbers)}")
        event = Event(
            id=id,
            message_id=str(id),
            type=call.type,
            name=call.name,
            user_id=self._user_id,
            anonymous_id=None,
            properties=dict(call.properties),
            context=dict(call.context),
            timestamp=arrival.at,
        )
        self._simulator.take(event, arrival.at)

    def start(self, at: datetime) -> None:
        """Start the campaigns, whose audiences enter from now on."""
        self._simulator.start(at)

    def _react(self, reacts: Reacts, line: int) -> ReportedCall:
        message = self._messages.get(reacts.step)
        if message is None:
            said = f"no message of the step `{reacts.step}` has gone by then"
            raise InvalidDocumentError([Problem(self._file, line, "when", said, "Let them react later")])
        granted = message.granted
        about = {
            "message_id": str(granted.id),
            "channel": granted.channel,
            "campaign": granted.campaign_key,
            "step": granted.step,
            "template": granted.template,
        }
        call = react(reacts, about, self._file, line)
        if not is_reaction(call.name or ""):
            # Instead of a call by a client, it is a report, which marks the message itself.
            clicked_at = self._at if reacts.kind == "clicked" else None
            message.mark(LedgerMarks(id=granted.id, opened_at=self._at, clicked_at=clicked_at))
        return call

    def _record(self, record: Record) -> None:
        self.observed += observe(record, self._campaign, self._at)

    def _settle(self, message: SimulatedMessage) -> ProviderOutcome:
        if message.granted.campaign_key != self._campaign:
            return ProviderOutcome()
        self._messages[message.granted.step] = message
        refusals, granted = self._scenario.refusals, message.granted
        match refusals.get(granted.step, refusals.get(granted.channel)):
            case "refused":
                return ProviderOutcome("failed", "refused")
            case "unknown":
                return ProviderOutcome("unknown", "answer_lost")
            case _:
                return ProviderOutcome()


def react(reacts: Reacts, message: Mapping[str, Any], file: str, line: int) -> ReportedCall:
    """Return the event of a reaction to a message, with the properties of its reports.

    Raises InvalidDocumentError if messages of its channel have no such reaction.
    """
    name = CHANNELS[message["channel"]].find_event(reacts.kind, None)
    if name is None:
        said = f"a message by {message['channel']} is not {reacts.kind}"
        raise InvalidDocumentError([Problem(file, line, "when", said, "Name a message of another channel")])
    return ReportedCall("track", name, dict(message))
