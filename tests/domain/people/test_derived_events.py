"""Events derived from the changes of profiles."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct
from msgspec.structs import replace

from domain.people.derived_events import Cause, cause_of, derived_event, value_changes
from domain.people.profile_state import PartChange, ProfileState, Source, Statement, fold, merge
from domain.people.registers import Stamp, stamp, unverified_stamp
from domain.tracking.event import Trigger, Trust

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
SOURCE = Source("event", "e1", NOON)
CAUSE = Cause(UUID(int=7), "u1", None, NOON, context={"chain": 3})


def change(part: Any, name: str, before: Any, after: Any) -> PartChange:
    return PartChange(part, name, before, after, SOURCE)


class Before(Struct):
    """A person before the changes."""

    consent_given: dict[str, bool] = {}
    suppressed: dict[str, str | None] = {}
    preferences: dict[str, Any] = {}


NEW = Before()


def changes(*made: PartChange, **before: Any) -> list[tuple[Trigger, Any, Any]]:
    return [(one.trigger, one.before, one.after) for one in value_changes(Before(**before), made)]


def test_a_trait_is_named_as_in_conditions_and_a_context_not_at_all() -> None:
    made = [change("traits", "plan", "free", None), change("context", "timezone", None, "UTC")]
    assert changes(*made) == [(Trigger("changed", "profile.traits.plan"), "free", None)]


def test_a_suppression_is_a_refusal_until_it_is_lifted() -> None:
    email = Trigger("consent", "email")
    suppressed, lifted = change("suppressed", "email", None, "x"), change("suppressed", "email", "x", None)
    assert changes(suppressed, lifted, consent_given={"email": True}) == [(email, True, False), (email, False, True)]
    assert changes(suppressed, consent_given={"email": False}) == []
    # A consent that a suppression outweighs changes nothing, until the suppression is lifted.
    agreed = change("consent", "email", None, True)
    assert changes(agreed, lifted, suppressed={"email": "x"}) == [(email, False, True)]


def test_an_event_is_the_same_whenever_it_is_made_and_takes_the_time_and_the_chain_of_its_cause() -> None:
    [made] = value_changes(NEW, [change("traits", "plan", None, "pro")])
    event = derived_event(made, CAUSE)
    assert event == derived_event(made, CAUSE)
    assert (event.source, event.trigger, event.user_id) == ("sojourn", Trigger("changed", "profile.traits.plan"), "u1")
    assert (event.timestamp, event.properties) == (NOON, {"before": None, "after": "pro"})
    assert event.context == {"sojourn": {"chain": 3, "caused_by": str(CAUSE.id)}}
    of_merge = derived_event(replace(made, source=replace(SOURCE, kind="merge")), CAUSE)
    assert of_merge.id != event.id
    late = derived_event(made, replace(cause_of(event), is_history=True, reported_timestamp=NOON))
    assert (late.is_history, late.reported_timestamp) == (True, NOON)


def test_the_event_of_an_unverified_value_is_not_verified_whichever_call_reveals_it() -> None:
    """A verified alias merges an anonymous person whose trait anyone may have stated."""
    anonymous = fold(
        ProfileState(),
        [
            Statement("traits", "contact", "e@evil.example", unverified_stamp(stamp(NOON, "m", "")), SOURCE),
            Statement("traits", "plan", "pro", stamp(NOON, "m", ""), SOURCE),
        ],
    )
    for folded in (anonymous, merge(ProfileState(), anonymous.state, SOURCE)):
        made = value_changes(NEW, folded.changes)
        trust = {event.name: event.trust for event in (derived_event(one, CAUSE) for one in made)}
        assert trust == {"profile.traits.contact": Trust.ANONYMOUS, "profile.traits.plan": Trust.VERIFIED}
    # A verified value replaces it: the event still holds the one before.
    stated = [Statement("traits", "contact", "u@example.com", stamp(NOON, "n", ""), SOURCE)]
    replaced = fold(ProfileState(), stated).state
    for folded in (fold(anonymous.state, stated), merge(anonymous.state, replaced, SOURCE)):
        [revealed] = value_changes(NEW, folded.changes)
        assert derived_event(revealed, CAUSE).trust is Trust.ANONYMOUS


STATEMENTS = st.lists(
    st.tuples(
        st.sampled_from(["consent", "suppressed"]),
        st.sampled_from(["email", "sms"]),
        st.sampled_from([True, False]),
        st.integers(0, 5),
    )
)


@given(STATEMENTS)
def test_the_changes_of_a_consent_lead_from_what_was_to_what_is(drawn: list[tuple[Any, str, bool, int]]) -> None:
    """Each begins where the one before ended, and the last ends at the answer of the profile."""
    said = [
        Statement(part, channel, value if part == "consent" else ("why" if value else None), Stamp(at, str(n)), SOURCE)
        for n, (part, channel, value, at) in enumerate(drawn)
    ]
    folded = fold(ProfileState(), said)
    for channel in ("email", "sms"):
        steps = [one for one in value_changes(NEW, folded.changes) if one.trigger.name == channel]
        answers = [None, *(one.after for one in steps)]
        assert [one.before for one in steps] == answers[:-1]
        assert all(one.before is not one.after for one in steps)
        state = folded.state
        refused = state.suppressed.values.get(channel) is not None
        assert answers[-1] is (False if refused else state.consent.values.get(channel))
