"""Requests for subscriptions that wait for a confirmation.

Anyone can make them for any address, and each sends a mail. So they are limited by the address that gets it and by the
client that asks ("list bombing").
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final, Literal

from msgspec import Struct

from domain.channels.kinds import CHANNELS
from domain.people.profile_state import Refusal, Statement
from domain.people.topics.deployed import DeployedTopics
from domain.people.topics.subscription import CONFIRMED, PENDING, read_register

WINDOW: Final = timedelta(days=1)
Asker = Literal["address", "client"]
# Requests of one day for an address, and by a client.
MAX_REQUESTS: Final[Mapping[Asker, int]] = {"address": 5, "client": 100}
_TOO_MANY: Final[Mapping[Asker, str]] = {
    "address": f"an address may be asked to confirm {MAX_REQUESTS['address']} subscriptions a day",
    "client": f"a client may ask for {MAX_REQUESTS['client']} subscriptions a day",
}


class SubscriptionRequest(Struct, frozen=True):
    """A statement that sends a mail, with those that its limits count by."""

    statement: Statement
    keys: Sequence[tuple[Asker, str]]


def find_requests(
    traits: Mapping[str, Any], preferences: Mapping[str, Any], statements: Iterable[Statement], topics: DeployedTopics
) -> Iterator[SubscriptionRequest]:
    """Find the statements of calls that make a subscription of a person wait.

    The address is that of the traits as the same statements leave them.
    """
    stated = dict(traits)
    for one in statements:
        if one.part == "traits":
            stated[one.name] = one.value
        found = read_register(one.name) if one.part == "preferences" and one.value is True else None
        if found is None or found[1] or one.source.kind != "event":
            continue
        ref, rule = found[0], topics.topics.get(found[0].topic)
        if rule is None or rule.default != "double" or topics.state_of(preferences, ref) in (PENDING, CONFIRMED):
            continue
        kind = CHANNELS.get(ref.channel)
        address = None if kind is None else kind.normalized_address(stated)
        keys: list[tuple[Asker, str]] = [] if address is None else [("address", f"{ref.channel} {address}")]
        if one.source.proof is not None and one.source.proof.ip is not None:
            keys.append(("client", one.source.proof.ip))
        yield SubscriptionRequest(one, keys)


def refuse_excess(
    requests: Iterable[SubscriptionRequest], numbers: Mapping[tuple[Asker, str], int]
) -> Iterator[Refusal]:
    """Return the refusals of requests beyond the limits.

    `numbers` are those of the window by key, with these requests.
    """
    listed = list(requests)
    left = Counter(key for request in listed for key in request.keys)
    for request in listed:
        beyond: Asker | None = None
        for key in request.keys:
            left[key] -= 1
            if numbers.get(key, 0) - left[key] > MAX_REQUESTS[key[0]]:
                beyond = beyond or key[0]
        if beyond is not None:
            yield Refusal(request.statement, _TOO_MANY[beyond])
