"""The trigger `changed`: a value of the profile or account is another than before."""

import re
from typing import Annotated, Any, Final

from pydantic import BeforeValidator

from domain.campaign.schema import pattern_check, quote_value, refuse
from domain.campaign.triggers.kind import TriggerKind
from domain.people import accounts
from domain.people.derived_events import COMPUTED_PREFIX, STAGE, TRAIT_PREFIX

_NAME: Final = r"[A-Za-z_][A-Za-z0-9_]*"
_QUOTED: Final = r"""\["[^"]+"\]|\['[^']+'\]"""
_PATTERN: Final = rf"(profile\.(stage|computed\.{_NAME})|(profile|account)\.traits(\.{_NAME}|{_QUOTED}))"
_COMPUTED: Final = re.compile(rf"profile\.computed\.{_NAME}")
_TRAIT: Final = re.compile(rf"(profile|account)\.traits(?:\.({_NAME})|({_QUOTED}))")
_WITHIN: Final = re.compile(rf"((?:profile|account)\.traits\.{_NAME})[.\[].*")
_CONSENT: Final = re.compile(rf"(?:profile\.)?(?:traits\.)?consent(?:_given)?(?:\.({_NAME}))?")
_EXAMPLES: Final = f"`{TRAIT_PREFIX}plan`, `{accounts.TRAIT_PREFIX}plan` or `{COMPUTED_PREFIX}orders`"
_FORMS: Final = f"Write a trait, as {_EXAMPLES}, or `{STAGE.name}`"
MAX_LENGTH: Final = 255


def _read(value: Any) -> Any:
    """Read a path of the profile or the account as the trigger's name."""
    if not isinstance(value, str) or value == STAGE.name or _COMPUTED.fullmatch(value):
        return value
    if consent := _CONSENT.fullmatch(value):
        refuse(
            f"{quote_value(value)} is a consent, and neither a trait nor the stage",
            f"Write `consent: {consent[1] or 'email'}`",
        )
    if within := _WITHIN.fullmatch(value):
        remedy = f"Write `{within[1]}`, and compare `event.properties.before` with `event.properties.after`"
        refuse(f"{quote_value(value)} is within a trait, and only a whole trait changes", remedy)
    trait = _TRAIT.fullmatch(value)
    if trait is None or len(value) > MAX_LENGTH:
        refuse(f"{quote_value(value)} is not a value of the profile or the account that changes", _FORMS)
    name = trait[2] or trait[3][2:-2]
    if trait[1] == "account":
        return f"{accounts.TRAIT_PREFIX}{name}"
    if name == "consent":
        refuse("`consent` is not a trait", "Write `consent: email`, or another channel")
    return f"{TRAIT_PREFIX}{name}"


CHANGED = TriggerKind(
    key="changed",
    kind="changed",
    field=Annotated[str, BeforeValidator(_read), pattern_check(_PATTERN, "profile.traits.plan", "profile.stage")],
    description="a trait of the user or their account, a computed trait or the stage, that is another than before: "
    "`profile.traits.plan`",
    example="changed: profile.traits.…",
    properties=("before", "after"),
)
