"""What a call of a browser key may say, with a user token and without one."""

import json
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import jwt
import pytest

from domain.errors import InvalidRequestError
from domain.people.profile_state import MAX_CLAIMS, ProfileState, Source, fold, merge
from domain.people.registers import stamp, unverified_stamp
from domain.people.statements import claims_of, statements_of
from domain.tracking.browser_calls import BrowserCalls
from domain.tracking.decode import Decoded, decode
from domain.tracking.event import Event, Trust

NOW = datetime(2026, 11, 1, 10, tzinfo=UTC)
SECRET = "0" * 31 + "a"
TOKEN = jwt.encode({"sub": "u-1", "aud": "sojourn", "exp": NOW.timestamp() + 60, "groups": ["acme"]}, SECRET, "HS256")
PERSONAL = [
    "victim@example.com",
    "+49 30 1234",
    "u-victim",
    "g-victim",
    "ga-1",
    "push-1",
    "push.example.com",
    "203.0.113.9",
]


SUBSCRIPTION = {"endpoint": "https://push.example.com/1", "keys": {"p256dh": "push.example.com"}}


def decoded(call: dict[str, Any] | bytes, kind: Any = "track", **browser: Any) -> Decoded:
    options = {"is_trusted": False, "header_token": None, "country": None, **browser}
    return decode(
        call if isinstance(call, bytes) else json.dumps(call).encode(),
        kind=kind,
        source="browser:shop",
        received_at=NOW,
        new_id=uuid4,
        browser=BrowserCalls([SECRET], at=NOW, **options),
    )


def event(call: dict[str, Any], kind: Any = "track", **browser: Any) -> Event:
    [one] = decoded(call, kind, **browser).events
    return one


LOADED = {
    "anonymousId": "a-1",
    "event": "Signed Up",
    "name": "Pricing",
    "userId": "u-victim",
    "previousId": "u-victim",
    "groupId": "g-victim",
    "properties": {"email": "victim@example.com", "value": 3},
    "traits": {
        "email": "victim@example.com",
        "phone": "+49 30 1234",
        "consent": {"email": True, "topics": {"news": {"email": True}}},
        "plan": "pro",
        "__proto__": {"is_admin": True},
    },
    "context": {
        "ip": "203.0.113.9",
        "groupId": "g-victim",
        "locale": "de-DE",
        "traits": {"email": "victim@example.com", "phone": "+49 30 1234", "consent": {"sms": True}, "age": 7},
        "externalIds": [{"id": "ga-1", "type": "ga", "collection": "users"}, {"id": 1, "type": 2}, "x"],
        "device": {"token": "push-1", "subscription": SUBSCRIPTION, "type": "ios"},
        "sojourn": {"campaign": "x"},
    },
}


@pytest.mark.parametrize("kind", ["track", "identify", "page", "screen", "group", "alias"])
def test_without_a_token_nothing_but_an_anonymous_person_is_left_of_a_call(kind: str) -> None:
    one = event(LOADED, kind)
    assert (one.trust, one.anonymous_id) == (Trust.ANONYMOUS, "a-1")
    assert (one.user_id, one.previous_id, one.group_id) == (None, None, None)
    kept = json.dumps([one.properties, one.context])
    assert not [value for value in PERSONAL if value in kept]
    assert "consent" not in kept
    assert one.context == {"locale": "de-DE", "traits": {"age": 7}, "device": {"type": "ios"}}
    assert one.claims["userId"] == "u-victim"
    assert one.claims["context.device.token"] == "push-1"
    assert one.claims["context.device.subscription.endpoint"] == SUBSCRIPTION["endpoint"]
    assert one.claims["context.externalIds.ga"] == "ga-1"
    if kind == "identify":
        assert one.properties == {"plan": "pro", "__proto__": {"is_admin": True}}
        assert (one.claims["traits.email"], one.claims["traits.consent.email"]) == ("victim@example.com", True)
        assert one.claims["traits.consent.topics.news.email"] is True


@pytest.mark.parametrize("browser", [{"header_token": TOKEN}, {"is_trusted": True}])
def test_with_a_token_a_call_about_its_user_counts_as_it_is(browser: dict[str, Any]) -> None:
    one = event({"userId": "u-1", "anonymousId": "a-1", "traits": {"email": "me@example.com"}}, "identify", **browser)
    assert (one.trust, one.user_id, one.properties, one.claims) == (
        Trust.VERIFIED,
        "u-1",
        {"email": "me@example.com"},
        {},
    )


@pytest.mark.parametrize(
    ("token", "header", "fault"),
    [
        ("wrong", None, "not a valid JWT"),
        (TOKEN[:-4] + "AAAA", None, "not signed"),
        (None, TOKEN, "`sub` is not the call's userId"),
        (TOKEN, None, "`sub` is not the call's userId"),
        # The call's own token decides: a good one elsewhere mends nothing.
        ("wrong", TOKEN, "not a valid JWT"),
        ({"sub": "u-2"}, None, "not a JWT"),
    ],
)
def test_a_token_that_does_not_name_the_user_counts_as_none_and_says_so(token: Any, header: Any, fault: str) -> None:
    call = {"userId": "u-2", "anonymousId": "a-1", "event": "x", "context": {"userToken": token} if token else {}}
    found = decoded(call, header_token=header)
    [reject] = found.rejects
    assert (reject.part, reject.user_id, reject.body) == ("context.userToken", None, "null")
    assert fault in reject.error
    [one] = found.events
    assert (one.trust, one.user_id) == (Trust.ANONYMOUS, None)


def test_without_token_and_anonymous_id_nothing_is_left() -> None:
    found = decoded({"userId": "u-1", "event": "x"})
    assert not found.events
    [reject] = found.rejects
    assert "browser key" in reject.error
    assert reject.user_id is None


def test_a_token_is_never_kept_wherever_it_stands() -> None:
    raw = b'{"userId":"u-2","context":{"userToken":"%b","userToken":"%b"},"event":"x"}' % (
        TOKEN.encode(),
        TOKEN.encode(),
    )
    broken = raw[:-1] + b',"nan":NaN}'
    batch = b'{"batch":[%b,%b,{"type":"track","event":"x","anonymousId":"a"}],"context":{"userToken":"%b"}}' % (
        raw,
        broken,
        TOKEN.encode(),
    )
    for body, kind in ((raw, "track"), (broken, "track"), (batch, "batch")):
        try:
            found = decoded(body, kind)
        except InvalidRequestError as error:
            assert "eyJ" not in str(error)  # noqa: PT017
            continue
        kept = repr([found.events, found.rejects])
        assert "eyJ" not in kept
        assert "userToken" not in repr([one.context for one in found.events])


def test_each_call_of_a_batch_is_judged_by_itself() -> None:
    calls = [
        {"type": "track", "event": "x", "messageId": "1", "userId": "u-1", "anonymousId": "a"},
        {"type": "track", "event": "x", "messageId": "2", "userId": "u-2", "anonymousId": "a"},
        {"type": "track", "event": "x", "messageId": "3", "anonymousId": "a"},
        {"type": "track", "event": "x", "messageId": "4", "userId": "u-1", "context": {"userToken": "x"}},
    ]
    found = decoded({"batch": calls, "context": {"userToken": TOKEN}}, "batch")
    assert [(one.message_id, one.trust.value, one.user_id) for one in found.events] == [
        ("1", "verified", "u-1"),
        ("2", "anonymous", None),
        ("3", "anonymous", None),
    ]


def test_a_token_vouches_for_its_user_and_groups_only() -> None:
    ids = {"externalIds": [{"id": "ga-1", "type": "ga"}]}
    mine = event({"userId": "u-1", "groupId": "acme", "context": {"groupId": "acme"}}, "group", header_token=TOKEN)
    assert (mine.group_id, mine.context, mine.claims) == ("acme", {"groupId": "acme"}, {})
    other = event(
        {"userId": "u-1", "groupId": "g-2", "context": {"groupId": "g-2", **ids}}, "group", header_token=TOKEN
    )
    assert (other.trust, other.group_id, other.context) == (Trust.VERIFIED, None, {})
    assert other.claims == {"groupId": "g-2", "context.groupId": "g-2", "context.externalIds.ga": "ga-1"}


def test_a_member_states_neither_the_traits_of_the_account_nor_a_role() -> None:
    call = {"userId": "u-1", "groupId": "acme", "traits": {"plan": "enterprise", "role": "admin", "tags": ["a"]}}
    joining = event(call, "group", header_token=TOKEN)
    assert (joining.group_id, joining.properties) == ("acme", {})
    assert joining.claims == {"traits.plan": "enterprise", "traits.role": "admin"}
    added = {"userId": "u-1", "event": "Account Added User", "properties": {"role": "admin", "by": "u-2"}}
    adding = event({**added, "context": {"groupId": "acme"}}, "track", header_token=TOKEN)
    assert (adding.properties, adding.claims) == ({"by": "u-2"}, {"properties.role": "admin"})


def test_the_country_of_the_address_fills_only_what_the_client_does_not_say() -> None:
    assert event({"anonymousId": "a", "event": "x"}, country="DE").context == {"location": {"country": "DE"}}
    said = {"anonymousId": "a", "event": "x", "context": {"location": {"country": "FR", "city": "Lyon"}}}
    assert event(said, country="DE").context == said["context"]


def _folded(state: ProfileState, one: Event) -> ProfileState:
    source = Source("event", str(one.id), one.timestamp)
    return fold(state, [*statements_of(one, source, NOW), *claims_of(one, source, NOW)]).state


def _identify(traits: dict[str, Any], timestamp: str, **browser: Any) -> Event:
    call = {"userId": "u-1", "anonymousId": "a-1", "traits": traits, "timestamp": timestamp}
    return event(call, "identify", **browser)


def test_an_unverified_trait_never_replaces_a_verified_one_in_any_order_or_merge() -> None:
    first = _identify({"plan": "free"}, "2026-10-01T00:00:00Z")
    second = _identify({"plan": "team", "size": 3}, "2026-10-03T00:00:00Z")
    sure = _identify({"plan": "pro"}, "2026-10-02T00:00:00Z", header_token=TOKEN)
    anonymous = _folded(_folded(ProfileState(), second), first)
    assert anonymous.traits.values == {"plan": "team", "size": 3}
    for order in ((sure, second), (second, sure)):
        state = ProfileState()
        for one in order:
            state = _folded(state, one)
        assert state.traits.values == {"plan": "pro", "size": 3}
    merged = merge(_folded(ProfileState(), sure), anonymous, Source("merge", "1", NOW)).state
    assert merged.traits.values == {"plan": "pro", "size": 3}
    assert merged.claims.values == {"userId": "u-1"}


def test_claims_are_bounded_and_survive_a_merge() -> None:
    def claiming(*numbers: int) -> ProfileState:
        ids = [{"type": f"t{number}", "id": str(number)} for number in numbers]
        return _folded(ProfileState(), event({"anonymousId": "a", "event": "x", "context": {"externalIds": ids}}))

    many = claiming(*range(MAX_CLAIMS + 7))
    assert len(many.claims.values) == MAX_CLAIMS
    merged = merge(claiming(900), many, Source("merge", "1", NOW)).state
    assert len(merged.claims.values) == MAX_CLAIMS


def test_the_time_of_an_unverified_statement_can_be_told() -> None:
    said = stamp(NOW, "m", "shop")
    less = unverified_stamp(said)
    assert less < stamp(datetime(1990, 1, 1, tzinfo=UTC), "m", "shop")
    assert less.instant() == said.instant() == NOW
    assert (less.is_unverified(), said.is_unverified()) == (True, False)
