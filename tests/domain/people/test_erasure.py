"""An erasure rejects by the time of an event, and finds ids in texts with their delimiters."""

from datetime import timedelta

import pytest
from msgspec.structs import replace

from domain.people.erasure import drop_erased_claims, find_erased, reject_erased, spell_in_texts
from domain.people.identity import Identity
from tests.engine.ingesting import AT, event

SECOND = timedelta(seconds=1)


@pytest.mark.parametrize(
    ("user", "anonymous", "after", "is_erased"),
    [
        ("u1", None, -SECOND, True),
        ("u1", None, timedelta(0), True),
        ("u1", None, SECOND, False),
        ("u2", "a1", -SECOND, True),
        ("a1", None, -SECOND, False),
        (None, "a2", -SECOND, False),
    ],
)
def test_events_that_happened_before_are_found(
    user: str | None, anonymous: str | None, after: timedelta, is_erased: bool
) -> None:
    erased_at = {Identity("user", "u1"): AT, Identity("anonymous", "a1"): AT}
    one = event("track", user, anonymous=anonymous, name="E", at=AT + after)
    assert find_erased([one], erased_at) == [one] * is_erased


@pytest.mark.parametrize(("after", "is_kept"), [(-SECOND, False), (timedelta(0), False), (SECOND, True)])
def test_claims_about_a_person_erased_since_are_dropped(after: timedelta, is_kept: bool) -> None:
    """The call itself counts for its visitor: a refusal would tell anyone who was erased."""
    claims = {"userId": "u1", "traits.email": "ada@example.com"}
    one = replace(event("track", None, anonymous="a1", name="E", at=AT + after), claims=claims)
    assert drop_erased_claims(one, {Identity("user", "u1"): AT}).claims == (claims if is_kept else {})
    assert drop_erased_claims(one, {Identity("user", "u2"): AT}) is one
    assert find_erased([one], {Identity("user", "u1"): AT}) == []


def test_a_reject_has_its_place_and_no_data() -> None:
    batch = [event("track", f"u{number}", name="E", secret="secret") for number in range(3)]
    rejects, unrecorded = reject_erased(batch[1:], batch, [0, 4, 5])
    assert [one.index for one in rejects] == [4, 5]
    assert unrecorded.number == 0
    for one in rejects:
        assert (one.message_id, one.user_id, one.anonymous_id, one.event_id, one.body) == (None, None, None, None, "")


def test_further_rejects_are_counted() -> None:
    batch = [event("track", "u1", name="E") for _ in range(130)]
    rejects, unrecorded = reject_erased(batch, batch, range(130))
    assert (len(rejects), unrecorded.number) == (100, 30)


@pytest.mark.parametrize(
    ("value", "text", "is_found"),
    [
        ("1", '{"userId":"1"}', True),
        ("1", '{"userId": 11, "a": "21"}', False),
        ("Ü/1", '{"userId":"ü/1"}', True),
        ("Ü/1", '{"userId":"\\u00dc/1"}', True),
        ("u 1", '{"location":"/v1/users/u%201"}', True),
        ("u-1", '"https://t/workflows/cart%2Fu-1%2F2f1c"', True),
        ("u-1", "cart/u-1/2f1c3b5a7e90", True),
        ("u-1", "cart/u-11/2f1c3b5a7e90", False),
        ("p", "an audit of profile-1", True),
        ("a/1", '{"userId":"a\\/1"}', True),
        ("a&b", '{"userId":"a\\u0026b"}', True),
        ("4711", '{"userId":4711,"event":"E"}', True),
        ("4711", '{"event": "E", "anonymousId": 4711}', True),
        ("4711", '{"price":4711,"version": 4711}', False),
    ],
)
def test_ids_are_found_in_texts_in_each_of_their_forms(value: str, text: str, is_found: bool) -> None:
    assert any(form.lower() in text.lower() for form in spell_in_texts([value], "profile-1")) is is_found
