"""Changes of a profile in words, for the timeline."""

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

# Characters of a value in a line of the timeline; its data has all of it.
MAX_VALUE_CHARACTERS: Final = 80
# The undo of a merge may give back that nothing was said.
_CONSENTS: Final = {True: "yes", False: "no", None: "not said"}


def change_text(part: str, changes: Mapping[str, Any]) -> str:
    """Describe a change in one part of a profile: the values before and after."""
    match part:
        case "identity":
            linked = [f"{one['kind']} id {one['value']}" for one in changes.get("linked", ())]
            merged = [f"profile {id} was merged into this one" for id in changes.get("merged", ())]
            separated = [f"profile {id} was separated again" for id in changes.get("separated", ())]
            return f"identity: {', '.join([*linked, *merged, *separated])}"
        case "traits" | "claims":
            said = [f"{name} {_before_and_after(one, _value_text)}" for name, one in changes.items()]
            return f"{part}: {', '.join(said)}"
        case "consent":
            said = [f"{channel} {_before_and_after(one, _CONSENTS.__getitem__)}" for channel, one in changes.items()]
            return f"consent: {', '.join(said)}"
        case "preferences":
            said = [f"{name} {_before_and_after(one, _preference_text)}" for name, one in changes.items()]
            return f"preferences: {', '.join(said)}"
        case "suppressed":
            said = [f"{channel} {_suppression_text(one['after'])}" for channel, one in changes.items()]
            return f"suppression: {', '.join(said)}"
        case "addresses":
            said = [
                f"{address} {kind.replace('_', '-')} {_suppression_text(why)}"
                for address, one in changes.items()
                for kind, why in one["after"].items()
            ]
            return f"address: {', '.join(said)}"
        case "accounts":
            return f"accounts: {', '.join(_member_text(account, one['after']) for account, one in changes.items())}"
        case _:
            return f"{part}: {', '.join(_before_and_after(one, _value_text) for one in changes.values())}"


def _before_and_after(change: Mapping[str, Any], text: Callable[[Any], str]) -> str:
    """Describe a value as `free → pro`; the first one as itself."""
    after = text(change["after"])
    return after if change["before"] is None else f"{text(change['before'])} → {after}"


def _preference_text(value: Any) -> str:
    return _CONSENTS[value] if value is None or isinstance(value, bool) else str(value)


def _value_text(value: Any) -> str:
    """Write a value in one line: a text as it is, others as JSON, a long one cut."""
    if value is None:
        return "none"
    shown = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return shown if len(shown) <= MAX_VALUE_CHARACTERS else f"{shown[:MAX_VALUE_CHARACTERS]}…"


def _member_text(account: str, place: Mapping[str, Any] | None) -> str:
    if place is None:
        return f"left {account}"
    return account if place["role"] is None else f"{account} as {place['role']}"


def _suppression_text(why: str | None) -> str:
    return "lifted" if why is None else f"({why})"
