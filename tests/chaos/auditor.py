"""Compares what must have happened with what has. Each promise has a name, under which a breach of it is reported."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise

from tests.chaos.campaigns import CAMPAIGNS, CAP, STEPS
from tests.chaos.history import History, JourneyRow, MessageRow
from tests.chaos.ledger import Ledger, Violation
from tests.chaos.model import Call, Expected, Link, Move, Say, expect, pauses
from tests.chaos.pages import Reading
from tests.chaos.providers import Arrival, ProviderName
from tests.chaos.report_audit import ReportAudit

# An attempt that nobody knows the end of: the answer was lost, or who waited for it died.
LOST = frozenset({"answer_lost", "attempt_died"})
# The providers that know by its key a message that comes again.
KEYED: frozenset[ProviderName] = frozenset({"http", "keyed"})
# Why a journey may stay on its version: it rested at a step that the other one does not have, or that one was
# superseded before it came to rest.
STAYS = frozenset({"step_removed", "superseded", "version_changed"})


def audit(
    calls: Sequence[Call], moves: Sequence[Move], history: History, links: Sequence[Link] = ()
) -> list[Violation]:
    """Every breach of a promise; none, if all of them were kept."""
    return list(_Auditor(calls, moves, history, links).violations())


class _Auditor:
    def __init__(self, calls: Sequence[Call], moves: Sequence[Move], history: History, links: Sequence[Link]) -> None:
        self._calls = calls
        self._moves = moves
        self._history = history
        self._expected = expect(calls, moves)
        self._users_of: dict[str, set[str]] = defaultdict(set)
        for link in links:
            self._users_of[link.device].add(link.user)
        self._ledger = Ledger(history.notes)
        self._journeys: dict[str, list[JourneyRow]] = defaultdict(list)
        self._ref: dict[str, str] = {}
        for journey in history.journeys:
            self._journeys[journey.ref].append(journey)
            self._ref[journey.id] = journey.ref
        self._reports = ReportAudit(history, self._ledger)
        self._messages: dict[str, list[MessageRow]] = defaultdict(list)
        for message in history.messages:
            self._messages[message.journey_id].append(message)
        self._arrivals: dict[str, list[Arrival]] = defaultdict(list)
        for arrival in sorted(history.arrivals, key=lambda arrival: arrival.at):
            self._arrivals[arrival.message_id].append(arrival)
        self._readings: dict[str, list[Reading]] = defaultdict(list)
        for reading in history.readings:
            self._readings[reading.user].append(reading)

    def violations(self) -> Iterator[Violation]:
        yield from self._lost()
        for expected in self._expected.values():
            yield from self._journey(expected, self._journeys[expected.ref])
        yield from self._uncalled_for()
        yield from self._temporal()
        for message in self._history.messages:
            yield from self._message(message)
        yield from self._handed_over()
        yield from self._providers()
        yield from self._withheld()
        yield from self._reports.violations()
        yield from self._ledger.violations
        yield from self._people()
        yield from self._moved()
        yield from self._migrated()
        for kind, count in self._history.waiting.items():
            yield Violation("stuck", f"{count} {kind} were under way when nobody waited any longer")

    def _lost(self) -> Iterator[Violation]:
        for id in {call.message_id for call in self._calls if call.acknowledged is not None}:
            if (times := self._history.stored[id]) != 1:
                yield Violation("lost-event", f"event {id} was acknowledged and is stored {times} times")

    def _people(self) -> Iterator[Violation]:
        """Each user is one person and no other: by the names, addresses and devices, by the events, by what arrived."""
        for person in self._history.people:
            if set(person.users) - {person.user}:
                yield Violation("people-merged", f"{', '.join(person.users)} are one person, {person.user}")
            if person.email not in (None, f"{person.user}@example.com"):
                yield Violation("people-merged", f"{person.user} has the address {person.email}")
            for device in person.devices:
                if person.user not in self._users_of[device]:
                    yield Violation("people-merged", f"{device} belongs to {person.user}, who never used it")
        for (named, kept_for), number in self._history.astray.items():
            yield Violation("people-merged", f"{number} events of {named} are kept for {kept_for}")
        for arrival in self._history.arrivals:
            expected = self._expected.get(arrival.ref)
            if expected is not None and arrival.user != expected.user:
                said = f"{arrival.channel} {arrival.message_id} of {arrival.ref} went to {arrival.user}"
                yield Violation("people-merged", f"{said}, and is about {expected.user}")

    def _journey(self, expected: Expected, journeys: list[JourneyRow]) -> Iterator[Violation]:
        named = f"{expected.campaign.key} {expected.ref} of {expected.user}"
        if len(journeys) > 1:
            yield Violation("double-journey", f"{named} has {len(journeys)} journeys")
        if not journeys:
            if expected.journey is Say.MUST:
                yield Violation("missing-journey", f"{named} was acknowledged and has no journey")
            return
        if expected.journey is Say.NEVER:
            yield Violation("uncalled-journey", f"{named} was to stay out and has a journey")
            return
        [journey, *_] = journeys
        if journey.user != expected.user:
            yield Violation("uncalled-journey", f"{named} is the journey of {journey.user}")
        if journey.state == "active":
            yield Violation("stuck-journey", f"{named} is active still")
        elif journey.outcome not in expected.outcomes:
            yield Violation("wrong-outcome", f"{named} ended {journey.outcome}, not {sorted(expected.outcomes)}")
        for channel, say in expected.messages.items():
            sent = [message for message in self._messages[journey.id] if message.channel == channel]
            is_capped = (journey.id, STEPS[channel]) in self._ledger.capped
            if channel == "email" and say is Say.MUST and expected.user in self._reports.refusing:
                # The first of them did.
                say = Say.MAY
            yield from self._sent(f"{channel} of {named}", say, sent, is_capped=is_capped)
        if expected.silent_from is not None:
            yield from self._silence(named, expected.silent_from, journey)

    def _sent(self, named: str, say: Say, messages: list[MessageRow], *, is_capped: bool) -> Iterator[Violation]:
        """That a message went, which must have; a lost answer, a cap or the end of the journey is a reason not to."""
        if say is Say.NEVER and messages:
            yield Violation("uncalled-message", f"{named} is in the ledger")
        if len(messages) > 1:
            yield Violation("uncalled-message", f"{named} is {len(messages)} times in the ledger")
        if say is not Say.MUST:
            return
        states = {message.state for message in messages}
        if not (is_capped and not messages) and not states & {"sent", "unknown"}:
            yield Violation("missing-message", f"{named} was to go and is {sorted(states) or 'in no ledger'}")

    def _silence(self, named: str, since: float, journey: JourneyRow) -> Iterator[Violation]:
        """From the acknowledgement on the journey has ended, and nothing arrives that was not claimed before."""
        ended = self._ledger.ended.get(journey.id)
        stopped = self._ledger.stopped.get((journey.campaign, journey.version))
        instants = [note.at for note in (ended, stopped) if note is not None]
        if not instants or min(instants) > since + self._history.ahead:
            yield Violation("not-in-force", f"{named} went on after its end was acknowledged")
        kind = "sent-after-exit" if stopped is None else "sent-after-stop"
        # A journey that came to its end before leaves its messages in the inbox.
        is_read = stopped is not None or journey.state == "exited"
        yield from self._late(kind, named, journey, since, is_read=is_read)

    def _late(
        self,
        kind: str,
        named: str,
        journey: JourneyRow,
        since: float,
        until: float = float("inf"),
        *,
        is_read: bool = True,
    ) -> Iterator[Violation]:
        """Hand-overs between two instants that no claim before the first of them accounts for; readings of pages."""
        for message in self._messages[journey.id]:
            for reading in self._readings[journey.user] if is_read else ():
                if since < reading.asked and reading.answered < until and message.id in reading.open:
                    late = f"{reading.asked - since:.3f} s after the acknowledgement"
                    yield Violation(kind.replace("sent", "read", 1), f"{message.id} of {named} was read {late}")
            before = [note for note in self._ledger.claims[message.id] if note.at <= since + self._history.ahead]
            for number, arrival in enumerate(self._arrivals[message.id], 1):
                if since < arrival.at < until and number > len(before):
                    late = f"{arrival.at - since:.3f} s after the acknowledgement"
                    yield Violation(kind, f"{message.channel} {message.id} of {named} was handed over {late}")

    def _uncalled_for(self) -> Iterator[Violation]:
        for ref, journeys in self._journeys.items():
            if ref not in self._expected:
                yield Violation("uncalled-journey", f"{journeys[0].campaign} {ref} was never asked for")
        known = {message.id for message in self._history.messages}
        for id in set(self._arrivals) - known:
            yield Violation("ledger-disagrees", f"{id} was handed over and is in no ledger")

    def _temporal(self) -> Iterator[Violation]:
        """Each journey's workflow ended as its row did, and on the same version.

        One that never began belongs to a journey that was ended.
        """
        for journey in self._history.journeys:
            end = self._history.workflows.get(journey.workflow_id)
            named = f"{journey.workflow_id} is {journey.state} {journey.outcome or ''}"
            if end is None:
                if journey.state != "exited":
                    yield Violation("temporal-disagrees", f"{named}, and there is no workflow")
            elif (end.status, end.result) != ("COMPLETED", journey.outcome):
                yield Violation("temporal-disagrees", f"{named}, and its workflow {end.status} {end.result or ''}")
            elif end.version != journey.version:
                said = f"{named} on version {journey.version}, and its workflow on {end.version}"
                yield Violation("temporal-disagrees", said)

    def _message(self, message: MessageRow) -> Iterator[Violation]:
        """The ledger's word on one message against the provider's."""
        arrivals = self._arrivals[message.id]
        done = sum(arrival.effect == "done" for arrival in arrivals) + (message.id in self._history.inbox)
        named = f"{message.channel} {message.id} of {self._ref.get(message.journey_id)}"
        match message.state:
            case "sent" if done == 0 and message.channel == "in_app":
                yield Violation("not-in-inbox", f"{named} is sent, and is not in the inbox")
            case "sent" if done == 0:
                yield Violation("ledger-disagrees", f"{named} is sent, and the provider has not got it")
            case "failed" | "cancelled" if done:
                yield Violation("ledger-disagrees", f"{named} is {message.state}, and the provider has got it")
            case "reserved" | "sending":
                yield Violation("stuck-message", f"{named} is {message.state} still")
            case "failed":
                yield Violation("missing-message", f"{named} failed: {message.reason} {message.detail}")
            case "unknown" if message.reason not in LOST or not self._may_be_unknown(message):
                yield Violation("unexplained-unknown", f"{named} is unknown: {message.reason} {message.detail}")
        if done > 1:
            yield from self._doubled(message, named, done)

    def _may_be_unknown(self, message: MessageRow) -> bool:
        """Where a repetition could reach somebody twice, or could come after the end of the journey or a refusal."""
        # What is in the inbox is known: it was written with the outcome.
        is_unkeyed = message.provider not in {*KEYED, "in_app"} and message.category == "marketing"
        is_over = message.journey_id in self._ledger.ended or self._reports.refuses(message)
        return (is_unkeyed or is_over) and not self._reports.proves(message)

    def _doubled(self, message: MessageRow, named: str, done: int) -> Iterator[Violation]:
        """A message that was delivered more than once."""
        of_each = Counter(arrival.provider for arrival in self._arrivals[message.id] if arrival.effect == "done")
        if any(of_each[provider] > 1 for provider in KEYED):
            yield Violation("duplicate-at-idempotent-provider", f"{named} was done {done} times")
        elif message.category == "marketing":
            yield Violation("duplicate-marketing", f"{named} was delivered {done} times")
        elif done - 1 > (repeats := len(self._ledger.repeats[message.id])):
            yield Violation("unmarked-duplicate", f"{named} was delivered {done} times, with {repeats} repeats marked")

    def _handed_over(self) -> Iterator[Violation]:
        """Nothing without a claim of its own; nothing by another provider but after a refusal."""
        for id, arrivals in self._arrivals.items():
            for before, after in pairwise(arrivals):
                if before.provider != after.provider and before.effect != "refused":
                    said = f"{id} of {after.ref} went by {after.provider}, and {before.provider} may have had it"
                    yield Violation("failed-over-late", said)
            if len(arrivals) > (claims := len(self._ledger.claims[id])):
                said = f"{arrivals[0].channel} {id} of {arrivals[0].ref} was handed over {len(arrivals)} times"
                yield Violation("unclaimed", f"{said} under {claims} claims")

    def _providers(self) -> Iterator[Violation]:
        """What people got, by the providers' logs alone."""
        got: dict[tuple[str, str], set[str]] = defaultdict(set)
        marketing: Counter[str] = Counter()
        for arrival in self._history.arrivals:
            ids = got[arrival.ref, arrival.channel]
            if arrival.effect == "done" and arrival.message_id not in ids:
                ids.add(arrival.message_id)
                marketing[arrival.user] += CAMPAIGNS[arrival.campaign].category == "marketing"
        for (ref, channel), ids in got.items():
            if len(ids) > 1:
                kind = "duplicate-at-idempotent-provider" if channel == "webhook" else "duplicate-marketing"
                yield Violation(kind, f"{ref} got {len(ids)} messages for one")
        for user, count in marketing.items():
            if count > CAP:
                yield Violation("cap-exceeded", f"{user} got {count} marketing messages, and the cap is {CAP}")

    def _withheld(self) -> Iterator[Violation]:
        """Each message that nothing has withdrawn is given to the page that looks at last."""
        last = {reading.user: reading for reading in self._history.readings if reading.is_last}
        kept = {journey.id: journey for journey in self._history.journeys if journey.state != "exited"}
        for message in self._history.messages:
            is_due = message.id in self._ledger.given or message.category == "transactional"
            if message.id in self._history.inbox and is_due and message.id not in self._ledger.followed:
                journey = kept.get(message.journey_id)
                if journey is not None and journey.user in last and message.id not in last[journey.user].open:
                    yield Violation("withheld", f"{message.id} of {journey.ref} is in the inbox of {journey.user} only")

    def _moved(self) -> Iterator[Violation]:
        """Pauses and stops held from their acknowledgement on."""
        wanted = {"pause": "paused", "stop": "stopping"}
        for move in self._moves:
            if move.verb in wanted and move.acknowledged is not None:
                between = (move.asked + self._history.ahead, move.acknowledged + self._history.ahead)
                if not self._ledger.was(move.campaign, wanted[move.verb], between):
                    yield Violation("not-in-force", f"{move.verb} of {move.campaign} was acknowledged and not made")
        for campaign, since, until in pauses(self._moves):
            theirs = [journey for journey in self._history.journeys if journey.campaign == campaign]
            for journey in theirs:
                yield from self._late("sent-in-pause", journey.ref, journey, since, until)

    def _migrated(self) -> Iterator[Violation]:
        """Nobody stayed on another version without a reason."""
        for fate, count in self._history.migrations.items():
            if fate.startswith("stayed/") and fate.rpartition("/")[2] not in STAYS:
                yield Violation("left-behind", f"{count} journeys did not migrate: {fate}")


def kinds(violations: Iterable[Violation]) -> Mapping[str, int]:
    """How many of each."""
    return Counter(violation.kind for violation in violations)
