"""Calls of a browser key, which anyone can read in the page that uses it.

A call counts about a user only with a token for this user. Any other call is reduced to what an anonymous person may
report, so that nothing behind this module sees the rest: the ids of users and groups, addresses and consent become
claims, which are kept and otherwise unused.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, Final

from msgspec.structs import replace

from domain.channels.kinds import ADDRESS_TRAITS
from domain.people.accounts import ADDED_USER
from domain.tracking.event import NAMED_CALLS, Event, Trust
from domain.tracking.item import Item
from domain.tracking.item_error import ItemError
from domain.tracking.traits import ROLE, LeftOut
from domain.tracking.user_token import TokenFault, VerifiedUser, verify_user_token

# For one claim. An e-mail address has 254 at most, the token of a device some hundreds.
MAX_CLAIM_CHARACTERS: Final = 1_024
MAX_CLAIM_NAME_CHARACTERS: Final = 120

_NEEDED: Final = "a browser key reports about a user only with a user token"


class BrowserCalls:
    """Judges the calls of one request by a browser key."""

    def __init__(
        self,
        secrets: Sequence[str],
        *,
        is_trusted: bool,
        header_token: str | None,
        country: str | None,
        at: datetime,
    ) -> None:
        """`header_token` counts for calls without a token of their own.

        `country` is that of the client's address, and `at` the time for tokens. A trusted key needs none.
        """
        self._secrets = secrets
        self._is_trusted = is_trusted
        self._header_token = header_token
        self._country = country
        self._at = at
        self._verified: dict[str, VerifiedUser | TokenFault] = {}

    def judge(self, item: Item) -> Item:
        """Return a call as far as it counts. Raises ItemError if nothing is left."""
        event = replace(item.event, context=_add_country(item.event.context, self._country))
        if self._is_trusted:
            return replace(item, event=event)
        left_out = item.left_out
        token = self._header_token if item.user_token is None else item.user_token
        if token is not None and event.user_id is not None:
            user = self._verify(token)
            if isinstance(user, VerifiedUser) and user.user_id == event.user_id:
                return replace(item, event=_limit_to_user(event, user))
            fault = user.reason if isinstance(user, TokenFault) else "its `sub` is not the call's userId"
            left_out = [
                *left_out,
                LeftOut("context.userToken", f"the call counts as one without a token: {fault}", None),
            ]
        if event.anonymous_id is None:
            raise ItemError(f"{_NEEDED}: send its token as context.userToken, or an anonymousId")
        return replace(item, event=_reduce(event), left_out=left_out)

    def _verify(self, token: object) -> VerifiedUser | TokenFault:
        if not isinstance(token, str):
            return verify_user_token(token, self._secrets, self._at)
        if token not in self._verified:
            self._verified[token] = verify_user_token(token, self._secrets, self._at)
        return self._verified[token]


def _add_country(context: dict[str, Any], country: str | None) -> dict[str, Any]:
    """Return a context without the client's address, and with its country if unknown."""
    found = {name: value for name, value in context.items() if name != "ip"}
    location = found.get("location")
    if country is not None and not (isinstance(location, dict) and location.get("country")):
        found["location"] = {**(location if isinstance(location, dict) else {}), "country": country}
    return found


def _limit_to_user(event: Event, user: VerifiedUser) -> Event:
    """Return the event of a verified user, without what the token does not say."""
    claims: dict[str, Any] = {}
    context = _without_external_ids(event.context, claims)
    if context.get("groupId") not in (None, *user.groups):
        _claim(claims, "context.groupId", context.pop("groupId"))
    group_id = event.group_id
    if group_id is not None and group_id not in user.groups:
        _claim(claims, "groupId", group_id)
        group_id = None
    properties = _without_account_values(event, claims)
    return replace(event, properties=properties, context=context, external_ids=(), group_id=group_id, claims=claims)


def _without_account_values(event: Event, claims: dict[str, Any]) -> dict[str, Any]:
    """Return the properties without an account's traits and roles."""
    if event.type == "group":
        for name, value in event.properties.items():
            _claim(claims, f"traits.{name}", value)
        return {}
    if event.type == "track" and event.name == ADDED_USER and ROLE in event.properties:
        _claim(claims, f"properties.{ROLE}", event.properties[ROLE])
        return {name: value for name, value in event.properties.items() if name != ROLE}
    return event.properties


def _reduce(event: Event) -> Event:
    """Return the event of an anonymous person, with everything else as claims."""
    claims: dict[str, Any] = {}
    for path, value in (("userId", event.user_id), ("previousId", event.previous_id), ("groupId", event.group_id)):
        _claim(claims, path, value)
    part = "properties" if event.type in NAMED_CALLS else "traits"
    properties = _without_addresses(event.properties, part, claims)
    context = _without_external_ids(event.context, claims)
    if "groupId" in context:
        _claim(claims, "context.groupId", context.pop("groupId"))
    if isinstance(traits := context.get("traits"), dict):
        context["traits"] = _without_addresses(traits, "context.traits", claims)
    if isinstance(device := context.get("device"), dict):
        context["device"] = _without_push_address(device, claims)
    return replace(
        event,
        user_id=None,
        previous_id=None,
        external_ids=(),
        group_id=None,
        properties=properties,
        context=context,
        trust=Trust.ANONYMOUS,
        claims=claims,
    )


def _without_external_ids(context: dict[str, Any], claims: dict[str, Any]) -> dict[str, Any]:
    """Return a copy without the ids of other systems, by which a person may be found."""
    if "externalIds" not in context:
        return dict(context)
    listed = context["externalIds"]
    for one in listed if isinstance(listed, list) else ():
        if isinstance(one, dict) and isinstance(one.get("type"), str):
            _claim(claims, f"context.externalIds.{one['type']}", one.get("id"))
    return {name: value for name, value in context.items() if name != "externalIds"}


def _without_push_address(device: dict[str, Any], claims: dict[str, Any]) -> dict[str, Any]:
    """Return a copy without the token of an app and the subscription of a browser."""
    kept = dict(device)
    if "token" in kept:
        _claim(claims, "context.device.token", kept.pop("token"))
    if isinstance(subscription := kept.pop("subscription", None), dict):
        _claim(claims, "context.device.subscription.endpoint", subscription.get("endpoint"))
    return kept


def _without_addresses(values: dict[str, Any], path: str, claims: dict[str, Any]) -> dict[str, Any]:
    """Return a copy without addresses, phone numbers and consent."""
    kept = dict(values)
    for name in ADDRESS_TRAITS & values.keys():
        _claim(claims, f"{path}.{name}", kept.pop(name))
    if path != "properties" and "consent" in kept:
        for name, value in _consents(kept.pop("consent")):
            _claim(claims, f"{path}.consent.{name}", value)
    return kept


def _consents(consent: object) -> Iterator[tuple[str, object]]:
    """Iterate over the consents of a call by path, with the subscriptions to topics."""
    for name, value in consent.items() if isinstance(consent, dict) else ():
        if isinstance(value, dict):
            yield from ((f"{name}.{path}", inner) for path, inner in _consents(value))
        else:
            yield name, value


def _claim(claims: dict[str, Any], path: str, value: object) -> None:
    """Keep a claim, unless it has another form than ids, addresses and consents."""
    if isinstance(value, bool | int) or (isinstance(value, str) and 0 < len(value) <= MAX_CLAIM_CHARACTERS):
        claims[path[:MAX_CLAIM_NAME_CHARACTERS]] = value
