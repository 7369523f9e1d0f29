"""The preferences of the user of a token, inside the app."""

from datetime import datetime
from itertools import groupby
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Header
from msgspec import UNSET
from pydantic import Field

from api.auth import allow
from api.client.callers import ClientRoute, UserCaller
from api.dependencies import InstantField, RequestModel, ResponseModel, TextField, Using, example
from api.problems import refusals
from application.own_preferences import ChoiceState, OwnPreferencesView, PreferenceRequest
from domain.access import Scope
from domain.errors import InvalidRequestError, NotFoundError
from domain.people.topics.subscription import WEEKLY, SubscriptionRef

router = APIRouter(
    prefix="/v1/client/preferences",
    tags=["Client"],
    dependencies=[Depends(allow(Scope.CLIENT))],
    route_class=ClientRoute,
)

MAX_TOPICS = 100
MAX_CHANNELS = 50

_PREFERENCES: dict[str, Any] = {
    "topics": [
        {
            "key": "newsletter",
            "name": "Newsletter",
            "channels": [{"channel": "email", "state": "on", "can_change": True}],
        }
    ],
    "pace": None,
    "paused_until": None,
}

Language = Annotated[
    TextField | None,
    Header(
        alias="Accept-Language",
        max_length=255,
        description="The language of the names of topics, where the user's own is unknown.",
        examples=["de-AT, en;q=0.5"],
    ),
]


class TopicChannel(ResponseModel):
    channel: str
    state: ChoiceState = Field(description="`pending` waits for the confirmation by a mail")
    can_change: bool = Field(
        description="not that of a required topic, nor where the address has refused by a link or a word"
    )


class TopicChoices(ResponseModel):
    key: str
    name: str
    channels: list[TopicChannel]


class ClientPreferences(ResponseModel):
    model_config = example(_PREFERENCES)

    topics: list[TopicChoices]
    pace: Literal["weekly"] | None = Field(description="how often at most; null for as often as it comes")
    paused_until: datetime | None


class WantedChannel(RequestModel):
    channel: Annotated[TextField, Field(max_length=64)]
    state: Literal["on", "off"]


class WantedTopic(RequestModel):
    key: Annotated[TextField, Field(max_length=255)]
    channels: Annotated[list[WantedChannel], Field(max_length=MAX_CHANNELS)]


class PreferenceChanges(RequestModel):
    model_config = example(
        {"topics": [{"key": "newsletter", "channels": [{"channel": "email", "state": "off"}]}], "pace": "weekly"}
    )

    topics: Annotated[list[WantedTopic], Field(default_factory=list, max_length=MAX_TOPICS)]
    pace: Literal["weekly"] | None = None
    paused_until: Annotated[InstantField | None, Field(description="within 30 days; null ends the pause")] = None


@router.get("", responses=refusals(NotFoundError))
async def read_own_preferences(caller: UserCaller, services: Using, language: Language = None) -> ClientPreferences:
    """Return the topics of the user of the token, the pace, and the pause."""
    return _show(await services.own_preferences.describe(caller.identity.value, _first(language)))


@router.put("", responses=refusals(NotFoundError, InvalidRequestError))
async def change_own_preferences(
    changes: PreferenceChanges, caller: UserCaller, services: Using, language: Language = None
) -> ClientPreferences:
    """Change the preferences that are given, and no others.

    Once it answers, the gate goes by them. A choice here binds the user, and not an address.
    """
    wanted = {
        SubscriptionRef(topic.key, one.channel): one.state == "on" for topic in changes.topics for one in topic.channels
    }
    given = changes.model_fields_set
    request = PreferenceRequest(
        wanted,
        pace=changes.pace if "pace" in given else UNSET,
        paused_until=changes.paused_until if "paused_until" in given else UNSET,
    )
    await services.own_preferences.save(caller.identity.value, request)
    return _show(await services.own_preferences.describe(caller.identity.value, _first(language)))


def _first(languages: str | None) -> str | None:
    """Return the first language of a header."""
    return None if languages is None else languages.partition(",")[0].partition(";")[0].strip()


def _show(view: OwnPreferencesView) -> ClientPreferences:
    topics = [
        TopicChoices(
            key=key,
            name=name,
            channels=[
                TopicChannel(channel=one.ref.channel, state=one.state, can_change=one.can_change) for one in choices
            ],
        )
        for (key, name), choices in groupby(view.choices, key=lambda one: (one.ref.topic, one.name))
    ]
    return ClientPreferences(topics=topics, pace=WEEKLY if view.pace else None, paused_until=view.paused_until)
