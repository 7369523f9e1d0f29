"""The preferences of a user inside the app: topics, a pause, and the pace.

A user token vouches for the user and not for an address, so a choice here binds the profile alone. The refusal of an
address by a link is lifted by a link again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from msgspec import UNSET, Struct, UnsetType
from uuid_utils.compat import uuid7

from application.catalogue import Catalogue
from application.ingest import Ingest
from application.pauses import PAUSE, find_pause, set_pause
from application.people import read_people, unknown_person
from domain.errors import InvalidRequestError
from domain.people.consent import OPT_OUT, STOP, ConsentFacts, topic_opt_out
from domain.people.identity import PersonRef
from domain.people.profile import Profile
from domain.people.surroundings import recipient_locale
from domain.people.topics.choices import Choice, choose, list_choices, pace_of
from domain.people.topics.subscription import PACE, SubscriptionRef
from domain.tracking.event import OUR_CONTEXT, SOJOURN_SOURCE, Event
from domain.tracking.traits import CONSENT
from store import profiles
from store.database import Database

# The name of the form and the version of its wording, for proofs.
FORM: Final = "app"
WORDING: Final = "1"

ChoiceState = Literal["on", "off", "pending"]


@dataclass(frozen=True, slots=True)
class OwnChoice:
    """A topic on a channel as its user finds it.

    It cannot be changed here if the topic is required, or if the address refuses what the user would accept.
    """

    ref: SubscriptionRef
    name: str
    state: ChoiceState
    can_change: bool


@dataclass(frozen=True, slots=True)
class OwnPreferencesView:
    """The choices of a user, in the order of the topics."""

    choices: Sequence[OwnChoice]
    pace: str | None
    paused_until: datetime | None


class PreferenceRequest(Struct, frozen=True):
    """The preferences that a user changes: those of `wanted`, and what is set."""

    wanted: Mapping[SubscriptionRef, bool]
    pace: str | UnsetType | None = UNSET
    paused_until: datetime | UnsetType | None = UNSET


class OwnPreferences:
    """Shows and changes the preferences of the user of a token."""

    def __init__(self, database: Database, catalogue: Catalogue, ingest: Ingest) -> None:
        self._database = database
        self._catalogue = catalogue
        self._ingest = ingest

    async def describe(self, user_id: str, language: str | None) -> OwnPreferencesView:
        """Return the present choices; `language` counts if the user's own is unknown.

        Raises NotFoundError for an unknown user.
        """
        person, choices = await self._load(user_id)
        locale = recipient_locale(person.traits, person.context) or language
        async with self._database.transaction() as connection:
            pause = await find_pause(connection, person.id)
        return OwnPreferencesView(
            [_describe(one, person, locale) for one in choices],
            pace_of(person.preferences),
            None if pause is None else pause.until,
        )

    async def save(self, user_id: str, request: PreferenceRequest) -> None:
        """Change what differs from the present choices; once it returns, it holds.

        Raises NotFoundError, and InvalidRequestError for what cannot be changed here.
        """
        now = await self._database.now()
        if isinstance(request.paused_until, datetime) and not now < request.paused_until <= now + PAUSE:
            raise InvalidRequestError(f"`paused_until` must be an instant of the next {PAUSE.days} days, or null")
        person, choices = await self._load(user_id)
        known = {one.ref: _describe(one, person, None) for one in choices}
        for ref, is_wanted in request.wanted.items():
            _require_changeable(ref, known.get(ref), is_wanted=is_wanted)
        chosen = {one.ref for one in choices if request.wanted.get(one.ref, one.is_on)}
        refused = [channel for channel, is_given in person.consent_given.items() if is_given is False]
        change = choose(choices, chosen, refused, "")
        pace = {} if request.pace in (UNSET, pace_of(person.preferences)) else {PACE: request.pace}
        async with self._database.one_transaction():
            if change.consent or pace:
                event = _build_statement(user_id, change.consent, pace, now)
                await self._ingest([event], received_at=now)
            if not isinstance(request.paused_until, UnsetType):
                await set_pause(self._database, person.id, request.paused_until)

    async def _load(self, user_id: str) -> tuple[Profile, list[Choice]]:
        ref = PersonRef(user_id, "user")
        async with self._database.transaction() as connection:
            topics = (await self._catalogue.load_segments(connection)).topics
            profile_id = await profiles.find(connection, ref)
            people = {} if profile_id is None else await read_people(connection, [profile_id])
        if profile_id is None or profile_id not in people:
            raise unknown_person(ref)
        person = people[profile_id]
        return person, list_choices(_facts(person), topics)


def _facts(person: Profile) -> ConsentFacts:
    return ConsentFacts(
        person.consent_given, person.suppressed, person.refused_addresses, person.preferences, person.traits
    )


def _describe(choice: Choice, person: Profile, locale: str | None) -> OwnChoice:
    state: ChoiceState = "pending" if choice.is_pending else "on" if choice.is_on else "off"
    refusals = person.refused_addresses.get(choice.channel, {})
    is_refused = any(refusals.get(name) is not None for name in (STOP, OPT_OUT, topic_opt_out(choice.topic.key)))
    can_change = not choice.topic.is_required and not is_refused
    return OwnChoice(choice.ref, choice.topic.name(locale), state, can_change)


def _require_changeable(ref: SubscriptionRef, known: OwnChoice | None, *, is_wanted: bool) -> None:
    if known is None:
        raise InvalidRequestError(f"there is no topic {ref.topic} by {ref.channel}")
    if not known.can_change and is_wanted != (known.state != "off"):
        raise InvalidRequestError(
            f"{ref.topic} by {ref.channel} cannot be changed here: the topic is required, or the address has refused "
            "by a link or a word, which only a link or a word lifts"
        )


def _build_statement(user_id: str, consent: Mapping[str, Any], ours: Mapping[str, Any], at: datetime) -> Event:
    id = uuid7()
    return Event(
        id=id,
        source=SOJOURN_SOURCE,
        message_id=str(id),
        type="identify",
        name=None,
        user_id=user_id,
        anonymous_id=None,
        properties={CONSENT: dict(consent)} if consent else {},
        context={CONSENT: {"form": FORM, "wording": WORDING}, **({OUR_CONTEXT: dict(ours)} if ours else {})},
        timestamp=at,
    )
