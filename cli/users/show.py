"""sojourn users show: all that is known of a person."""

import json
from typing import Any

import typer

from cli.client import connect
from cli.options import AsJson
from cli.output import as_text, list_text, local_second, number_of, print_facts, print_json, print_table
from cli.users.options import KindOption, PersonArgument

_LEARNED = (
    "sessions",
    "app_version",
    "country",
    "region",
    "first_referrer",
    "last_referrer",
    "first_campaign",
    "last_campaign",
)
_COMPUTED = {"at": None, "source": None, "by": None, "is_verified": True}


def show(context: typer.Context, user: PersonArgument, kind: KindOption = None, as_json: AsJson = False) -> None:
    """Show a person: traits with their sources, ids, activity, consent and journeys."""
    with connect(context) as api:
        person = api.get("users", user, kind=kind)
    if as_json:
        print_json(person)
    else:
        print_person(person)


def print_person(person: dict[str, Any]) -> None:
    """Print a person; `sojourn explain` has the history."""
    others = [each for each in person["identities"] if each["value"] != person["user_id"] or each["kind"] != "user"]
    print_facts(
        {
            "user": as_text(person["user_id"]),
            "ids": ", ".join(_join(each["kind"], each["value"]) for each in others),
            "profile": person["id"],
            "stage": as_text(person["stage"] and person["stage"]["value"]),
            "known since": local_second(person["created_at"]),
            **_activity_facts(person["activity"]),
            **({"rfm": _rfm_text(person["rfm"])} if person["rfm"] else {}),
        }
    )
    computed = person["computed"]
    stated = [("", person["traits"]), ("device: ", person["device"]), ("claim: ", person["claims"])]
    values = [[f"{prefix}{name}", *stated_cells(each)] for prefix, part in stated for name, each in part.items()]
    values += [
        [f"computed: {name}", *stated_cells({"value": value, **_COMPUTED})]
        for name, value in computed["values"].items()
    ]
    values += [[f"computed: {name}", "(being counted)", "", ""] for name in computed["building"]]
    if values:
        typer.echo()
        print_table(["TRAIT", "VALUE", "STATED AT", "BY"], values, folded={"VALUE"})
    if devices := person["activity"]["devices"]:
        typer.echo()
        print_table(["DEVICE", "PLATFORM", "APP", "OS", "LAST SEEN"], list(map(_device_row, devices)))
    if addresses := person["push_addresses"]:
        typer.echo()
        rows = list(map(_address_row, addresses))
        print_table(["PUSH ADDRESS", "KIND", "APP", "DEVICE", "SEEN", "STATE"], rows, folded={"PUSH ADDRESS"})
    typer.echo()
    print_table(
        ["CHANNEL", "ADDRESS", "MARKETING", "WHY", "STATED AT", "BY"],
        [_consent_row(channel, each) for channel, each in person["consent"].items()],
        folded={"WHY"},
    )
    if person["topics"]:
        typer.echo()
        rows = [
            _topic_row(topic, channel, each)
            for topic, by_channel in person["topics"].items()
            for channel, each in by_channel.items()
        ]
        print_table(["TOPIC", "CHANNEL", "STATE", "ALLOWED", "WHY", "STATED AT", "BY"], rows, folded={"WHY"})
    if person["accounts"]:
        typer.echo()
        rows = [[each["id"], as_text(each["role"]), local_second(each["stated_at"])] for each in person["accounts"]]
        print_table(["ACCOUNT", "ROLE", "STATED AT"], rows)
    if person["segments"]:
        typer.echo()
        print_table(
            ["SEGMENT", "NAME", "SINCE", "WHY"], [_segment_row(each) for each in person["segments"]], folded={"WHY"}
        )
    if journeys := _journeys(person):
        typer.echo()
        print_table(["CAMPAIGN", "STATE", "STEP", "ENTERED AT", "JOURNEY"], journeys)


def _activity_facts(activity: dict[str, Any]) -> dict[str, str]:
    """Return what the profile has learned, by the names that conditions use."""
    if activity["last_seen"] is None:
        return {}
    names = {
        part: ", ".join(f"{each['name']} {each['count']}" for each in activity[part] or ())
        for part in ("pages", "features")
    }
    return {
        "first seen": local_second(activity["first_seen"]),
        "last seen": local_second(activity["last_seen"]),
        **{name.replace("_", " "): _learned_text(activity[name]) for name in _LEARNED},
        **names,
    }


def _learned_text(value: Any) -> str:
    return list_text(value) if isinstance(value, dict) else as_text(value)


def _rfm_text(rfm: dict[str, Any]) -> str:
    """Write scores as `5-4-3 rfm.champions: 4 days ago, 3 orders, 187.5`."""
    values, scores = rfm["values"], rfm["scores"]
    written = "-".join(as_text(scores[part]) or "?" for part in ("recency", "frequency", "monetary"))
    said = f"{written} {rfm['segment']}"
    if values is None:
        return said
    days, orders = number_of(values["days"], "day"), number_of(values["orders"], "order")
    said += f": {orders}, the last {days} ago, {values['spent']:,.2f} in all"
    if (expected := rfm["expected"]) is not None:
        said += f"; alive {expected['p_alive']:.0%}, worth {expected['clv']:,.2f} in {expected['days']:.0f} days"
    return said


def _device_row(device: dict[str, Any]) -> list[str]:
    return [
        device["id"],
        as_text(device["platform"]),
        _join(device["app"], device["app_version"]),
        _join(device["os"], device["os_version"]),
        local_second(device["last_seen"]),
    ]


def _address_row(address: dict[str, Any]) -> list[str]:
    if address["removed_at"] is not None:
        state = f"removed {local_second(address['removed_at'])}: {address['removed_reason']}"
    else:
        state = "reached" if address["is_reached"] else "not reached"
    device, seen = as_text(address["device_id"]), local_second(address["seen_at"])
    return [as_text(address["value"]), address["kind"], address["app"], device, seen, state]


def _join(*texts: str | None) -> str:
    return " ".join(filter(None, texts))


def stated_cells(stated: dict[str, Any]) -> list[str]:
    """Return the cells of a stated value: itself, when it was stated, and the source."""
    value = stated["value"]
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return [text, local_second(stated["at"]), _source(stated)]


def _source(stated: dict[str, Any]) -> str:
    """Name the source, as `event backend`."""
    return " ".join(filter(None, (stated["source"], stated["by"], "" if stated["is_verified"] else "(unverified)")))


def _consent_row(channel: str, consent: dict[str, Any]) -> list[str]:
    stated = consent["suppressed"] or consent["given"]
    return [
        channel,
        as_text(consent["address"]),
        "yes" if consent["is_allowed"] else "no",
        as_text(consent["refusal"]),
        local_second(stated["at"]) if stated else "",
        _source(stated) if stated else "",
    ]


def _topic_row(topic: str, channel: str, subscription: dict[str, Any]) -> list[str]:
    stated = subscription["given"]
    return [
        topic,
        channel,
        as_text(subscription["state"]),
        "yes" if subscription["is_allowed"] else "no",
        as_text(subscription["refusal"]),
        local_second(stated["at"]) if stated else "",
        _source(stated) if stated else "",
    ]


def _segment_row(segment: dict[str, Any]) -> list[str]:
    return [segment["key"], segment["name"], local_second(segment["since"]), as_text(segment["summary"])]


def _journeys(person: dict[str, Any]) -> list[list[str]]:
    """Return a row for each journey, active ones first."""
    shown = {each["id"]: each for each in (*person["active_journeys"], *person["latest_journeys"])}
    return [
        [
            each["campaign"],
            as_text(each["outcome"] or each["state"]),
            as_text(each["step"]),
            local_second(each["entered_at"]),
            each["id"],
        ]
        for each in shown.values()
    ]
