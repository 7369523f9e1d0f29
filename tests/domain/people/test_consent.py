"""Either of profile and address refuses, and what conditions see of it is what the gate says."""

from itertools import product

import pytest

from domain.channels.kinds import CHANNELS
from domain.people.consent import ConsentFacts, ConsentRefusal, consent_by_channel, find_refusal
from domain.sending.objections import Recipient, find_objection

GIVEN = (None, True, False)
SUPPRESSED = (None, "hard bounce")
OPTED_OUT = (None, "unsubscribed by link")


def facts(given: bool | None, suppressed: str | None, bounced: str | None, opted_out: str | None) -> ConsentFacts:
    return ConsentFacts(
        {} if given is None else {"email": given},
        {"email": suppressed},
        {"email": {"suppression": bounced, "opt_out": opted_out}},
    )


def test_the_whole_table_of_what_refuses() -> None:
    for given, suppressed, bounced, opted_out in product(GIVEN, SUPPRESSED, SUPPRESSED, OPTED_OUT):
        known = facts(given, suppressed, bounced, opted_out)
        stopped = suppressed or bounced
        assert (find_refusal("email", "transactional", known) is None) == (not stopped)
        marketing = find_refusal("email", "marketing", known)
        assert (marketing is None) == (not stopped and given is not False and not opted_out)
        assert find_refusal("webhook", "marketing", known) is None


def test_what_conditions_see_is_the_gates_own_answer_for_every_channel() -> None:
    home = {"street": "1 Harbour Road", "city": "Kiel", "postalCode": "24103", "country": "DE"}
    traits = {"email": "ada@example.com", "phone": "+4915112345678", "name": "Ada Byron", "address": home}
    for given, suppressed, bounced, opted_out in product(GIVEN, SUPPRESSED, SUPPRESSED, OPTED_OUT):
        known = facts(given, suppressed, bounced, opted_out)
        seen = consent_by_channel(known)
        assert seen.keys() == set(CHANNELS)
        recipient = Recipient(traits, known.given, known.suppressed, known.refused_addresses)
        for channel, allows in seen.items():
            assert allows == (find_objection(channel, "marketing", recipient) is None)


def test_a_channel_of_which_the_person_has_said_something_is_seen_although_nothing_is_sent_on_it() -> None:
    assert consent_by_channel(ConsentFacts({"sms": False, "push": True}, {})) == {
        **{name: kind.silence_allows for name, kind in CHANNELS.items()},
        "sms": False,
        "push": True,
    }


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        (facts(None, "asked us", "bounced", None), ConsentRefusal("suppressed", "profile", "asked us")),
        (
            facts(False, None, "bounced", None),
            ConsentRefusal("suppressed", "address", "the address is suppressed: bounced"),
        ),
        (facts(False, None, None, "link"), ConsentRefusal("no_consent", "profile", "the profile refuses email")),
        (facts(True, None, None, "link"), ConsentRefusal("no_consent", "address", "the address refuses email: link")),
    ],
)
def test_it_says_which_of_the_two_refuses(known: ConsentFacts, expected: ConsentRefusal) -> None:
    assert find_refusal("email", "marketing", known) == expected
