"""People as the API shows them."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field

from api.dependencies import RequestModel, ResponseModel, TextField, example
from api.journeys import JOURNEY, Journey
from api.personal_fields import PeopleAnswer, Personal
from domain.campaign.schema import SLUG
from domain.people.topics.subscription import SubscriptionState

_AT = "2026-11-22T08:00:00Z"
_STATED: dict[str, Any] = {"value": "pro", "at": _AT, "source": "event", "by": "backend", "is_verified": True}
_CONSENT: dict[str, Any] = {
    "is_allowed": False,
    "refusal": "no_consent: the profile refuses email",
    "given": {**_STATED, "value": False, "source": "link", "by": None},
    "suppressed": None,
    "address": "ada@example.com",
    "address_refusals": {"opt_out": {**_STATED, "value": "unsubscribed by link", "source": "link", "by": None}},
}
_CONSENT_CHANGE: dict[str, Any] = {
    "at": _AT,
    "recorded_at": _AT,
    "part": "consent",
    "source": "link",
    "source_id": "019a4d6c-2b7a-7c31-9b0e-5f1f6f0c9a11",
    "source_name": None,
    "changes": {"email": {"before": True, "after": False}},
    "proof": None,
}
_SUBSCRIPTION: dict[str, Any] = {
    "is_allowed": True,
    "refusal": None,
    "state": "confirmed",
    "given": {**_STATED, "value": True, "source": "link", "by": None},
}
_LISTED: dict[str, Any] = {
    "id": "019a4d6c-1111-7c31-9b0e-5f1f6f0c9a11",
    "user_id": "u-4711",
    "anonymous_id": None,
    "addresses": {"email": "ada@example.com"},
    "stage": "conversion",
    "created_at": "2026-11-01T10:00:00Z",
    "updated_at": _AT,
}
_DEVICE: dict[str, Any] = {
    "id": "7e6bd0a1",
    "platform": "ios",
    "app": "Shop",
    "app_version": "4.2.0",
    "os": "iOS",
    "os_version": "19.1",
    "model": "iPhone17,1",
    "locale": "de-DE",
    "timezone": "Europe/Berlin",
    "first_seen": "2026-11-01T10:00:00Z",
    "last_seen": _AT,
}
_USER: dict[str, Any] = {
    **{name: _LISTED[name] for name in ("id", "user_id", "created_at", "updated_at")},
    "stage": {**_STATED, "value": "conversion", "source": "step", "by": "abandoned-cart/offer"},
    "traits": {"plan": _STATED},
    "computed": {"as_of": _AT, "values": {"orders": 3, "last_order_at": _AT}, "building": []},
    "rfm": {
        "values": {"days": 4, "orders": 3, "spent": 187.5},
        "scores": {"recency": 5, "frequency": 4, "monetary": 4},
        "segment": "rfm.champions",
        "scored_by": _AT,
        "expected": {"p_alive": 0.94, "orders": 1.3, "clv": 81.2, "days": 121.7},
    },
    "device": {"timezone": {**_STATED, "value": "Europe/Berlin"}},
    "activity": {
        "first_seen": "2026-11-01T10:00:00Z",
        "last_seen": _AT,
        "sessions": 12,
        "app_version": "4.2.0",
        "country": "DE",
        "region": "BE",
        "first_referrer": "https://search.example/",
        "last_referrer": None,
        "first_campaign": {"source": "newsletter", "name": "may"},
        "last_campaign": None,
        "pages": [{"name": "Cart", "count": 7, "last_at": _AT}],
        "features": [{"name": "Product Added", "count": 9, "last_at": _AT}],
        "devices": [_DEVICE],
    },
    "push_addresses": [
        {
            "kind": "token",
            "value": "fMEP0vJqS0:APA91bHqX",
            "app": "com.example.shop",
            "device_id": "7e6bd0a1",
            "environment": None,
            "seen_at": _AT,
            "is_reached": True,
            "removed_at": None,
            "removed_reason": None,
        }
    ],
    "claims": {"traits.email": {**_STATED, "value": "a@example.net", "by": "browser:shop", "is_verified": False}},
    "identities": [{"kind": "user", "value": "u-4711"}, {"kind": "anonymous", "value": "a-1"}],
    "consent": {"email": _CONSENT},
    "topics": {"newsletter": {"email": _SUBSCRIPTION}},
    "pace": None,
    "consent_log": [_CONSENT_CHANGE],
    "accounts": [{"id": "acme", "role": "admin", "stated_at": _AT}],
    "segments": [
        {
            "key": "lapsing-buyers",
            "name": "Lapsing buyers",
            "since": _AT,
            "cause": {
                "kind": "event",
                "id": "019a4d6c-2b7a-7c31-9b0e-5f1f6f0c9a11",
                "name": "Order Completed",
                "at": _AT,
            },
            "summary": "by Order Completed of 2026-11-22 08:00:00 UTC",
        }
    ],
    "active_journeys": [JOURNEY],
    "latest_journeys": [JOURNEY],
}


class StatedValue(ResponseModel):
    value: Any
    at: datetime | None = Field(description="when it was stated; null if unknown")
    source: str | None = Field(
        examples=["event"],
        description="event, import, link, operator, step, lifecycle (a judged stage); null if it was not kept",
    )
    by: str | None = Field(
        examples=["backend"], description="the source of the event's key, the operator, or the campaign and its step"
    )
    is_verified: bool = Field(description="false if a browser stated it without a user token")


class PersonalValue(StatedValue):
    """A stated value that tells of the person."""

    value: Personal[Any]


class PersonIdentity(ResponseModel):
    kind: str = Field(examples=["anonymous"])
    value: Personal[str]


class ChannelConsent(ResponseModel):
    is_allowed: bool = Field(description="whether a message that is not transactional may be sent")
    refusal: Personal[str | None] = Field(description="why it may not")
    given: StatedValue | None = Field(description="what the person has said: true or false; null for nothing")
    suppressed: PersonalValue | None = Field(description="why an operator has suppressed the channel")
    address: Personal[str | None] = Field(examples=["ada@example.com"], description="the present address, normalised")
    address_refusals: dict[str, PersonalValue] = Field(
        description="`suppression` and `opt_out` of that address, in whichever profile it stands, with the reason"
    )
    can_lift: bool = Field(description="whether `DELETE …/suppressions/{channel}` lifts any of these")


class SubscriptionView(ResponseModel):
    is_allowed: bool = Field(description="whether a message about the topic may be sent on the channel")
    refusal: Personal[str | None] = Field(description="why it may not")
    state: SubscriptionState | None = Field(description="null if nothing was said")
    given: StatedValue | None = Field(description="what the person has said: true or false")


class ConsentChange(ResponseModel):
    at: datetime = Field(description="when it was stated")
    recorded_at: datetime
    part: str = Field(examples=["consent"], description="consent, preferences, suppressed or addresses")
    source: str = Field(examples=["event"], description="event, import, link, operator, step or merge")
    source_id: str = Field(description="the id of the event or decision, or the operator")
    source_name: str | None = Field(examples=["backend"])
    changes: Personal[dict[str, Any]] = Field(description="the values before and after, by channel, topic or address")
    proof: Personal[dict[str, str] | None] = Field(
        description="how it was given: the form, the version of its wording, the keyed hash of the client's address"
    )


class ComputedTraitValues(ResponseModel):
    as_of: datetime = Field(description="the instant of the values: some change by time alone")
    values: dict[str, Personal[Any]] = Field(description="by key; null is unknown")
    building: list[str] = Field(description="traits without a value yet: their earlier events are being counted")


class UserRfmValues(ResponseModel):
    days: int = Field(description="whole days since the last order")
    orders: int = Field(description="within the window of the document")
    spent: float = Field(description="the sum of their values")


class UserRfmScores(ResponseModel):
    recency: int = Field(description="from 1 to 5, which is best")
    frequency: int
    monetary: int | None = Field(description="null where the sums of buyers are too equal")


class UserExpectedValue(ResponseModel):
    p_alive: float = Field(description="the probability that the person still orders")
    orders: float = Field(description="expected in the next days")
    clv: float = Field(description="their expected value")
    days: float = Field(description="how far ahead the model was tested")


class UserRfm(ResponseModel):
    values: Personal[UserRfmValues]
    scores: UserRfmScores
    segment: str = Field(examples=["rfm.champions"], description="the segment of the scores")
    scored_by: datetime = Field(description="the instant of the breakpoints")
    expected: Personal[UserExpectedValue | None] = Field(description="null without a model that has passed its test")


class UsedName(ResponseModel):
    name: str = Field(examples=["Cart"], description="of the page, screen or event; a page without one has its path")
    count: int
    last_at: datetime


class UsedDevice(ResponseModel):
    id: str = Field(description="the client's, or the anonymous id of a browser")
    platform: str | None = Field(examples=["ios"], description="ios, android, …; web for a browser")
    app: str | None
    app_version: str | None
    os: str | None
    os_version: str | None
    model: str | None
    locale: str | None
    timezone: str | None
    first_seen: datetime
    last_seen: datetime


class PushAddress(ResponseModel):
    kind: str = Field(examples=["token"], description="token, fid, apns or endpoint")
    value: Personal[str]
    app: str = Field(description="empty if unknown")
    device_id: str | None
    environment: str | None = Field(description="of a token of Apple's, if it was said")
    seen_at: datetime = Field(description="when it was registered last, to five minutes")
    is_reached: bool = Field(description="whether a push goes there now")
    removed_at: datetime | None
    removed_reason: str | None = Field(examples=["unregistered"], description="why no push goes there any more")


class Activity(ResponseModel):
    first_seen: datetime | None = Field(description="the first event that the person caused; null for none")
    last_seen: datetime | None = Field(description="the last one, to five minutes")
    sessions: int = Field(description="their number: 30 minutes of silence end one")
    app_version: str | None
    country: Personal[str | None] = Field(description="as the client reported it last")
    region: Personal[str | None]
    first_referrer: Personal[str | None] = Field(
        description="the page of another site that led here first, without its query"
    )
    last_referrer: Personal[str | None]
    first_campaign: Personal[dict[str, str] | None] = Field(
        description="the first UTM campaign: name, source, medium, …"
    )
    last_campaign: Personal[dict[str, str] | None]
    pages: Personal[list[UsedName]] = Field(
        description="the ten most viewed among the last 1,000 events; screens as well"
    )
    features: Personal[list[UsedName]] = Field(description="the ten most reported events among them")
    devices: Personal[list[UsedDevice]] = Field(description="the last 20, the latest first")


class UserAccount(ResponseModel):
    id: str = Field(description="the `groupId` of the calls")
    role: str | None
    stated_at: datetime | None = Field(description="when the membership was last stated; null if unknown")


class UserSegment(ResponseModel):
    key: str
    name: str
    since: datetime
    cause: Personal[dict[str, Any] | None] = Field(
        description="why the person joined: its `kind` is time, definition, breakpoints, or the source of a change"
    )
    summary: Personal[str | None] = Field(description="the cause for people")


class User(PeopleAnswer):
    model_config = example(_USER)

    id: UUID = Field(description="Sojourn's own id of the profile")
    user_id: str | None = Field(description="null for a person known by anonymous ids only")
    created_at: datetime
    updated_at: datetime
    stage: StatedValue | None
    traits: dict[str, PersonalValue]
    computed: ComputedTraitValues
    rfm: UserRfm | None = Field(description="the scores of a buyer; null without an order, or without breakpoints")
    device: dict[str, PersonalValue] = Field(description="time zone and language, which count where no trait says them")
    activity: Activity = Field(description="what the profile has learned by itself, some seconds behind the events")
    push_addresses: list[PushAddress] = Field(description="of devices, the last 20, those seen last first")
    claims: dict[str, PersonalValue] = Field(
        description="what a browser claimed without a user token, by its path in the call; nothing uses it"
    )
    identities: list[PersonIdentity]
    consent: dict[str, ChannelConsent] = Field(description="by channel")
    topics: dict[str, dict[str, SubscriptionView]] = Field(description="subscriptions by topic and channel")
    pace: StatedValue | None = Field(description="`weekly` if the person wants one message a week at most")
    consent_log: list[ConsentChange] = Field(
        description="the last 100 changes of consent, subscriptions, suppressions and refusals of addresses"
    )
    accounts: list[UserAccount] = Field(
        description="the last 100 of which the person was said to be a member, newest first"
    )
    segments: list[UserSegment] = Field(description="by key")
    active_journeys: list[Journey] = Field(description="the newest 100")
    latest_journeys: list[Journey] = Field(description="the newest 20, active or over")


class ListedUser(ResponseModel):
    id: UUID = Field(description="Sojourn's own id of the profile: `?kind=profile` in the paths of a user")
    user_id: str | None
    anonymous_id: str | None = Field(description="of a person without a user id: the first of them")
    addresses: dict[str, Personal[str]] = Field(description="normalised, by channel")
    stage: str | None
    created_at: datetime
    updated_at: datetime


class UserList(PeopleAnswer):
    model_config = example({"users": [_LISTED], "next": None})

    users: list[ListedUser]
    next: str | None = Field(description="pass it as `after`; null at the end. A page may be empty and have one")


class UserChangeRequest(RequestModel):
    model_config = example(
        {"traits": {"plan": "pro", "trial_ends": None}, "consent": {"email": True}, "suppressed": {"email": None}}
    )

    traits: dict[TextField, Any] = Field({}, description="null removes a trait; those not named stay")
    consent: dict[TextField, bool | dict[TextField, dict[TextField, bool]]] = Field(
        {}, description="by channel; subscriptions under `topics`: `{topics: {newsletter: {email: true}}}`"
    )
    suppressed: dict[TextField, Annotated[TextField, Field(min_length=1, max_length=255)] | None] = Field(
        {}, description="the reason by channel; null lifts the suppression, and the refusals of the present address"
    )
    stage: Annotated[str, Field(pattern=SLUG, max_length=64)] | None = Field(
        None,
        description="a stage that is set by hand; null forgets it. One that the life cycle judges cannot be set",
    )
