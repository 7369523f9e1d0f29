"""Whether the demo came out as it must: what is wrong, in words. Touches nothing but its arguments."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from cli.demo.cast import Performance
from cli.demo.receiver import Call
from runtime.embedded.mail import ReceivedMail


def failures(
    performances: Sequence[Performance],
    mails: Sequence[ReceivedMail],
    calls: Sequence[Call],
    *,
    refused_calls: int,
    running_journeys: int,
    has_empty_outbox: bool,
) -> list[str]:
    """Everything that is not as expected, of each user and of the whole; empty if all is right."""
    found: list[str] = []
    for performance in performances:
        found += [f"{performance.scenario.user}: {wrong}" for wrong in _of_user(performance, mails, calls)]
    addresses = {performance.person.address for performance in performances}
    found += [
        f"a mail went to {address}, who is nobody here: {mail.subject}"
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
    return found


def _of_user(performance: Performance, mails: Sequence[ReceivedMail], calls: Sequence[Call]) -> Iterator[str]:
    scenario, person = performance.scenario, performance.person
    if performance.error is not None:
        yield performance.error
    yield from _difference("on the timeline", scenario.verdicts, map(str, person.verdicts))
    in_inbox = [mail.subject for mail in mails if person.address in mail.recipients]
    yield from _difference("in the inbox", scenario.mails, in_inbox)
    received = [str(call.data["action"]) for call in calls if call.data["user_id"] == person.id]
    yield from _difference("at the webhook's receiver", scenario.calls, received)


def _difference(where: str, expected: Iterable[str], actual: Iterable[str]) -> Iterator[str]:
    wanted, found = Counter(expected), Counter(actual)
    yield from (f"missing {where}: {what}" for what in (wanted - found).elements())
    yield from (f"not expected {where}: {what}" for what in (found - wanted).elements())
