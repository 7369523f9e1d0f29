"""Campaign documents for tests: the head of one, one with everything in it, and a strategy for random valid ones."""

import json
from collections.abc import Sequence
from copy import deepcopy
from typing import Any

import yaml
from hypothesis import strategies as st

from domain.campaign.definition import CampaignDocument
from domain.campaign.publication import Published, check
from domain.document.yaml_source import read
from domain.errors import InvalidDocumentError, Problem

EMAIL = "---\nchannel: email\nfrom: Example <hello@example.com>\nsubject: Hello\ntext: Hello\n---\n<p>Hello</p>\n"
WEBHOOK = "---\nchannel: webhook\nurl: https://crm.example.com/hook\n---\nuser: x\n"

HEAD = """\
key: abandoned-cart
name: Abandoned cart
entry: {event: Cart Abandoned}
"""


COMPLETE = """\
key: abandoned-cart
name: Abandoned cart
stage: conversion
schedule: {starts_at: 2026-11-01T00:00:00+01:00, ends_at: "2027-01-01T00:00:00Z", at_end: drain}
entry:
  event: Cart Abandoned
  where: event.properties.value > 100
  key: event.properties.cart_id
  reentry: {after: 7d}
exit:
  - event: Order Completed
    where: event.properties.cart_id == entry.properties.cart_id
steps:
  - {id: cool-off, delay: 30m}
  - id: nudge
    send: {channel: email, template: hello, category: news, expires: 6h, on_capped: wait}
  - id: reacted
    wait_for: {event: Email Link Clicked, where: event.properties.step == 'nudge', timeout: 1d}
    on_event: [{exit: engaged}]
    on_timeout:
      - id: which
        branch:
          - when: profile.traits.vip == true
            do: [{id: vip, send: {channel: email, template: hello}}]
        otherwise: [{id: last, exit: ignored}]
"""


def steps(text: str) -> str:
    """A document of these steps, an indented YAML list that begins on line 5."""
    return f"{HEAD}steps:\n{text}"


def publish(text: str, templates: dict[str, str] | None = None) -> Published:
    """Check a document against one e-mail template, or the given ones."""
    return check(text, "campaign.yaml", {"hello.liquid": EMAIL} if templates is None else templates)


def problems(text: str, templates: dict[str, str] | None = None) -> list[Problem]:
    """What is wrong with a document; empty for a valid one."""
    try:
        publish(text, templates)
    except InvalidDocumentError as refused:
        return refused.problems
    return []


def problem(text: str, templates: dict[str, str] | None = None) -> Problem:
    """The one thing that is wrong with a document."""
    (found,) = problems(text, templates)
    return found


def campaign(text: str) -> CampaignDocument:
    """A campaign of these steps, given as an indented YAML list."""
    return publish(steps(text)).definition


_WHEN = st.sampled_from(["profile.traits.vip == true", "journey.entered_at > profile.created_at", "true"])
_WHERE = st.sampled_from([{}, {"where": "event.properties.a == entry.properties.a"}])
_SECONDS = st.sampled_from(["1s", "30m", "1d12h", "366d"])
_DELAYS = st.one_of(
    _SECONDS,
    st.sampled_from([{"for": "1h..3h"}, {"until": "09:00"}, {"until": "23:59", "days": ["sat", "mon"]}]),
    st.sampled_from(
        [
            {"date": "profile.traits.ends_at", "if_past": "go_on", "if_unreadable": "go_on"},
            {"date": "entry.timestamp", "offset": "-3d", "at": "00:00", "if_past": "go_on", "if_unreadable": "go_on"},
        ]
    ),
)
_VALUES = st.sampled_from([{"a": 1}, {"b": [True, "x", None], "c": {"cel": "profile.traits.n + 1"}}])


_AUDIENCES = st.sampled_from(
    [
        {"where": "true"},
        {"where": "profile.traits.vip == true", "rate": 5, "again": {"every": "day", "at": "09:00"}},
        {"where": "true", "again": {"every": "week", "days": ["mon", "sun"], "at": "00:00"}},
        {"where": "true", "again": {"every": "month", "day": 31, "at": "23:59"}},
    ]
)
_ENTRIES = st.one_of(
    st.just({"event": "Started"}),
    st.fixed_dictionaries({"audience": _AUDIENCES}),
    st.fixed_dictionaries({"event": st.just("Started"), "audience": _AUDIENCES}),
)


class _Drawer:
    """Draws steps with ids of their own, and never one that nothing leads to."""

    def __init__(self, draw: st.DrawFn) -> None:
        self._draw = draw
        self._count = 0

    def block(self, depth: int, least: int = 0) -> tuple[list[Any], bool]:
        """A list of steps and whether the flow never comes to its end."""
        steps: list[Any] = []
        for _ in range(self._draw(st.integers(least, 3))):
            some, ends = self._some(depth)
            steps += some
            if ends:
                return steps, True
        return steps, False

    def _some(self, depth: int) -> tuple[list[Any], bool]:
        """A step, or one that may skip the one after it."""
        if not self._draw(st.integers(0, 7)):
            skipping = {"id": self._id(), "delay": {"date": "profile.traits.ends_at", "if_past": "skip_next"}}
            return [skipping, self._step(depth)[0]], False
        step, ends = self._step(depth)
        return [step], ends

    def _id(self) -> str:
        self._count += 1
        return f"s{self._count}"

    def _step(self, depth: int) -> tuple[dict[str, Any], bool]:
        id, draw = self._id(), self._draw
        single = ["delay", "send", "exit", "update_profile", "set_stage", "emit_event"]
        match draw(st.sampled_from(single + (["wait_for", "events", "branch", "split", "repeat"] if depth else []))):
            case "delay":
                return {"id": id, "delay": draw(_DELAYS)}, False
            case "send":
                more = draw(st.sampled_from([{}, {"expires": "6h", "on_capped": "wait"}, {"priority": "high"}]))
                return {"id": id, "send": {"channel": "email", "template": "hello", **more}}, False
            case "update_profile":
                return {"id": id, "update_profile": draw(_VALUES)}, False
            case "set_stage":
                return {"id": id, "set_stage": "activated"}, False
            case "emit_event":
                return {"id": id, "emit_event": {"event": "Nudged", "properties": draw(_VALUES)}}, False
            case "wait_for":
                on_event, event_ends = self.block(depth - 1)
                on_timeout, timeout_ends = self.block(depth - 1)
                wait = {"id": id, "wait_for": {"event": "Seen", "timeout": "1d", **draw(_WHERE)}}
                step = wait | self._written(on_event=on_event, on_timeout=on_timeout)
                return step, event_ends and timeout_ends
            case "events":
                ways = [self.block(depth - 1) for _ in range(draw(st.integers(1, 3)))]
                on_timeout, timeout_ends = self.block(depth - 1)
                events = [{"event": "Seen", "do": do, **draw(_WHERE)} for do, _ in ways]
                wait = {"id": id, "wait_for": {"events": events, "timeout": draw(_SECONDS)}}
                return wait | self._written(on_timeout=on_timeout), timeout_ends and all(
                    way_ends for _, way_ends in ways
                )
            case "split":
                arms = {name: self.block(depth - 1) for name in draw(st.sampled_from(["ab", "xyz"]))}
                weights = {name: draw(st.integers(1, 100)) for name in arms}
                seed = draw(st.sampled_from([{}, {"seed": "spring"}]))
                step = {"id": id, "split": {"arms": weights, **seed}, **{name: do for name, (do, _) in arms.items()}}
                return step, all(way_ends for _, way_ends in arms.values())
            case "repeat":
                return self._repeat(id, depth)
            case "branch":
                ways = [self.block(depth - 1) for _ in range(draw(st.integers(1, 3)))]
                otherwise, otherwise_ends = self.block(depth - 1)
                cases = [{"when": draw(_WHEN), "do": do} for do, _ in ways]
                ends = otherwise_ends and all(way_ends for _, way_ends in ways)
                return {"id": id, "branch": cases} | self._written(otherwise=otherwise), ends
            case _:
                named = {"id": id} if draw(st.booleans()) else {}
                return {**named, "exit": "done"}, True

    def _written(self, **lists: list[Any]) -> dict[str, list[Any]]:
        """An empty list may as well be left out."""
        return {key: steps for key, steps in lists.items() if steps or bool(self._draw(st.booleans()))}

    def _repeat(self, id: str, depth: int) -> tuple[dict[str, Any], bool]:
        body, ends = self.block(depth - 1, least=1)
        if ends:
            # Nothing would lead to a second round.
            body[-1] = {"id": self._id(), "delay": "1h"}
        until = self._draw(
            st.sampled_from(
                [{}, {"until": {"event": "Paid", "where": "event.properties.a == 1"}}, {"until": {"when": "true"}}]
            )
        )
        times = self._draw(st.sampled_from([{}, {"times": 2}, {"times": 5}]))
        step = {"id": id, "repeat": {"every": self._draw(st.sampled_from(["1h", "7d"])), **times, **until}, "do": body}
        return step, not times and not until


@st.composite
def documents(draw: st.DrawFn) -> str:
    """The text of a valid campaign document of random steps of all kinds."""
    steps, _ = _Drawer(draw).block(depth=3, least=1)
    some: dict[str, Any] = {
        "stage": "conversion",
        "timezone": "Europe/Berlin",
        "schedule": {"starts_at": "2026-11-01T00:00:00Z", "ends_at": "2027-01-01T00:00:00+01:00", "at_end": "exit"},
        "exit": [{"event": "Paid"}, {"event": "Left", "where": "event.properties.a == entry.properties.a"}],
        "goal": {"event": "Paid", "within": "7d", "exit_on_goal": True},
        "send_window": {"from": "09:00", "to": "24:00", "days": ["mon", "tue"]},
        "on_resume": draw(st.sampled_from(["skip", "retime", {"overdue": "skip", "rate": 5}, {"rate": 10_000}])),
        "track": draw(st.sampled_from([{"clicks": True}, {"opens": True, "categories": ["news", "offers"]}])),
        "utm": draw(st.sampled_from([{}, {"source": "mail", "hosts": ["shop.example.com"]}])),
    }
    document = {
        "key": "random",
        "name": "Random",
        **{key: some[key] for key in draw(st.sets(st.sampled_from(sorted(some))))},
        "entry": draw(_ENTRIES) | {"reentry": draw(st.sampled_from(["never", "always", {"after": "9d"}]))},
        "steps": steps,
    }
    # By way of JSON, where nothing is shared: YAML would write an alias.
    return yaml.safe_dump(json.loads(json.dumps(document)), sort_keys=False)


_ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.sampled_from(["1h", "x", "", "<send>"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["id", "event", "do", "when"]), inner),
    max_leaves=4,
)


@st.composite
def mistaken(draw: st.DrawFn) -> str:
    """The text of a document in which something was replaced, moved, left out or called otherwise."""
    document = read(draw(st.just(COMPLETE) | documents()), "a.yaml").data
    for _ in range(draw(st.integers(1, 3))):
        paths = _paths(document)
        if not paths:
            break
        *way, last = draw(st.sampled_from(paths))
        holder = _at(document, way)
        match draw(st.sampled_from(["replaced", "moved", "left out", "called otherwise"])):
            case "replaced":
                holder[last] = draw(_ANYTHING)
            case "moved":
                holder[last] = deepcopy(_at(document, draw(st.sampled_from(paths))))
            case "left out":
                del holder[last]
            case _ if isinstance(holder, dict):
                holder[draw(st.sampled_from(_KEYS))] = holder.pop(last)
    return yaml.safe_dump(json.loads(json.dumps(document)), sort_keys=False)


_KEYS = ["event", "events", "where", "when", "do", "a", "exit", "send", "split", "repeat", "until", "times", "on_event"]


def _at(value: Any, path: Sequence[Any]) -> Any:
    for part in path:
        value = value[part]
    return value


def _paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [one for key, item in items for one in ((*path, key), *_paths(item, (*path, key)))]
