"""The check of the demo's results, as a pure function."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from cli.demo.cast import DESK, DEVIATIONS, FORWARDED, Expected, Performance
from cli.demo.receiver import ReceivedCall
from cli.demo.story import StoryVerdict
from runtime.embedded.mail import ReceivedMail

# The demo itself takes real seconds, on a busy machine many, and moves the clock for verdicts by some minutes; the
# shortest delay of the examples is 30 minutes.
TOLERANCE = timedelta(minutes=8)


def failures(
    performances: Sequence[Performance],
    mails: Sequence[ReceivedMail],
    calls: Sequence[ReceivedCall],
    *,
    refused_calls: int,
    running_journeys: int,
    has_empty_outbox: bool,
    deviations: Sequence[str],
) -> list[str]:
    """Describe each unexpected result, of users and of the whole."""
    found: list[str] = []
    for performance in performances:
        found += [f"{performance.scenario.user}: {wrong}" for wrong in _check_user(performance, mails, calls)]
    desk = [mail.subject for mail in mails if DESK in mail.recipients]
    found += _difference(f"in the inbox of {DESK}", FORWARDED, desk)
    addresses = {DESK} | {performance.person.address for performance in performances}
    found += [
        f"a mail went to {address}, an unknown user: {mail.subject}"
        for mail in mails
        for address in mail.recipients
        if address not in addresses
    ]
    if refused_calls:
        found.append(f"{refused_calls} webhooks were not signed as they should be")
    if running_journeys:
        found.append(f"{running_journeys} journeys are still running in Temporal")
    if not has_empty_outbox:
        found.append("the outbox holds what Temporal was never told")
    found += _difference("among the moves outside the designed life cycle", DEVIATIONS, deviations)
    return found


def deviations(flow: Mapping[str, Any]) -> list[str]:
    """List the moves of people in a flow of the life cycle that are not designed."""
    return [f"{move['before']} > {move['after']}" for move in flow["deviations"] for _ in range(move["people"])]


def _check_user(
    performance: Performance, mails: Sequence[ReceivedMail], calls: Sequence[ReceivedCall]
) -> Iterator[str]:
    scenario, person = performance.scenario, performance.person
    if performance.error is not None:
        yield performance.error
    yield from _difference("on the timeline", scenario.verdicts, map(str, person.verdicts))
    in_inbox = [mail.subject for mail in mails if person.address in mail.recipients]
    yield from _difference("in the inbox", [mail.title for mail in scenario.mails], in_inbox)
    received = [str(call.data["action"]) for call in calls if call.data["user_id"] == person.id]
    yield from _difference("at the webhooks' receiver", [call.title for call in scenario.calls], received)
    for expected in (*scenario.mails, *scenario.calls):
        came = [verdict for verdict in person.verdicts if _title(verdict) == expected.title]
        if came and not any(_is_in_time(verdict, expected, person.timezone) for verdict in came):
            times = ", ".join(f"{verdict.after}" for verdict in came)
            yield f"“{expected.title}” came after {times} and not {_describe(expected)}"


def _is_in_time(verdict: StoryVerdict, expected: Expected, timezone: str) -> bool:
    match verdict.at, verdict.after, expected.when:
        case datetime() as at, _, time() as clock:
            local = at.astimezone(ZoneInfo(timezone))
            return abs(local - datetime.combine(local, clock, local.tzinfo)) <= TOLERANCE
        case _, timedelta() as after, timedelta() as wanted:
            return abs(after - wanted) <= TOLERANCE
        case _:
            return False


def _describe(expected: Expected) -> str:
    return f"at {expected.when:%H:%M}" if isinstance(expected.when, time) else f"after {expected.when}"


def _title(verdict: StoryVerdict) -> str | None:
    return verdict.arrival.title if verdict.arrival else None


def _difference(where: str, expected: Iterable[str], actual: Iterable[str]) -> Iterator[str]:
    wanted, found = Counter(expected), Counter(actual)
    yield from (f"missing {where}: {what}" for what in (wanted - found).elements())
    yield from (f"not expected {where}: {what}" for what in (found - wanted).elements())
