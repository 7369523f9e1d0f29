"""Changes of a person by an operator: an identify, by the rules of all others."""

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import replace

from domain.errors import InvalidRequestError, PayloadTooLargeError
from domain.people.profile_state import STAGE
from domain.tracking.decode import decode
from domain.tracking.event import OUR_CONTEXT, SOJOURN_SOURCE, Event
from domain.tracking.item import MAX_ITEM_BYTES

# Any id: the event gets those of the person.
_STAND_IN = "operator"


class OperatorChanges(Struct, frozen=True):
    """Traits, consent by channel, suppressions, and the stage.

    The consent has subscriptions under `topics`, by topic and channel. None deletes a trait, and lifts a suppression. A
    stage of None forgets the one that was set by hand.
    """

    traits: Mapping[str, Any] = {}
    consent: Mapping[str, Any] = {}
    suppressed: Mapping[str, str | None] = {}
    stage: str | UnsetType | None = UNSET

    def names(self) -> dict[str, list[str]]:
        """Return the names of all that is changed, for the audit log."""
        parts = {"traits": self.traits, "consent": self.consent, "suppressed": self.suppressed}
        names = {part: sorted(given) for part, given in parts.items() if given}
        return names if self.stage is UNSET else {**names, "stage": [STAGE]}

    def event(
        self, *, user_id: str | None, anonymous_id: str | None, by: str, at: datetime, new_id: Callable[[], UUID]
    ) -> Event | None:
        """Return the identify that states traits and consent; None without any.

        Raises InvalidRequestError if anything would be left out: the operator can correct it.
        """
        if not self.traits and not self.consent:
            return None
        if "consent" in self.traits:
            raise InvalidRequestError("`consent` is not a trait: give it beside `traits`")
        call = {"userId": _STAND_IN, "traits": {**self.traits, **({"consent": self.consent} if self.consent else {})}}
        try:
            body = json.dumps(call, ensure_ascii=False, allow_nan=False).encode()
            decoded = decode(body, kind="identify", source=SOJOURN_SOURCE, received_at=at, new_id=new_id)
        except PayloadTooLargeError as error:
            raise PayloadTooLargeError(
                f"the changes may have {MAX_ITEM_BYTES:,} bytes: make them one after the other", limit=MAX_ITEM_BYTES
            ) from error
        except (ValueError, RecursionError) as error:
            raise InvalidRequestError("the traits cannot be written as JSON") from error
        if decoded.rejects:
            raise InvalidRequestError(decoded.rejects[0].error)
        [event] = decoded.events
        return replace(
            event,
            message_id=str(event.id),
            user_id=user_id,
            anonymous_id=None if user_id else anonymous_id,
            context={OUR_CONTEXT: {"by": by}},
        )
