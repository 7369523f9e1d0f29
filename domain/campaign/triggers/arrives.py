"""The trigger `arrives`: a person arrives at a place."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, WithJsonSchema

from domain.campaign.schema import quote_value, refuse
from domain.campaign.triggers.kind import TriggerKind
from domain.people.places.deployed import ARRIVES
from domain.people.places.keys import KEY_PATTERN, check_place_key

_FORM = "Write the key or a tag of a place: `{place: harbour-shop}`"


def _read(value: Any) -> str:
    """Read `{place: key or tag}` as the trigger's name."""
    if isinstance(value, str):
        return check_place_key(value)
    if not isinstance(value, Mapping) or list(value) != ["place"] or not isinstance(value["place"], str):
        refuse(f"{quote_value(value)} names no place", _FORM)
    return check_place_key(value["place"])


_SCHEMA = {
    "type": "object",
    "properties": {"place": {"type": "string", "pattern": f"^{KEY_PATTERN}$", "examples": ["harbour-shop"]}},
    "required": ["place"],
    "additionalProperties": False,
}

ARRIVES_AT = TriggerKind(
    key=ARRIVES,
    kind="arrives",
    field=Annotated[str, BeforeValidator(_read), WithJsonSchema(_SCHEMA)],
    description="a place at which the user arrives, by its key or a tag: `{place: harbour-shop}`",
    example="arrives: {place: harbour-shop}",
    properties=("place", "name", "tags", "distance"),
    given=("place", "name", "tags", "distance"),
)
