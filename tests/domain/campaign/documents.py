"""Campaign documents for tests: the head of one, one with everything in it, and a strategy for random valid ones."""

from typing import Any

import yaml
from hypothesis import strategies as st

from domain.campaign.definition import Campaign
from domain.campaign.publishing import Published, check
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


def campaign(steps: str) -> Campaign:
    """A campaign of these steps, given as an indented YAML list."""
    return publish(f"{HEAD}steps:\n{steps}").definition


class _Drawer:
    """Draws steps with ids of their own, and never one that follows an end."""

    def __init__(self, draw: st.DrawFn) -> None:
        self._draw = draw
        self._count = 0

    def block(self, depth: int, least: int = 0) -> tuple[list[Any], bool]:
        """A list of steps and whether it always ends the journey."""
        steps: list[Any] = []
        for _ in range(self._draw(st.integers(least, 3))):
            step, ends = self._step(depth)
            steps.append(step)
            if ends:
                return steps, True
        return steps, False

    def _step(self, depth: int) -> tuple[dict[str, Any], bool]:
        self._count += 1
        id = f"s{self._count}"
        kinds = ["delay", "send", "exit"] + (["wait_for", "branch"] if depth else [])
        match self._draw(st.sampled_from(kinds)):
            case "delay":
                return {"id": id, "delay": self._draw(st.sampled_from(["1s", "30m", "1d12h", "366d"]))}, False
            case "send":
                return {"id": id, "send": {"channel": "email", "template": "hello"}}, False
            case "exit":
                named = {"id": id} if self._draw(st.booleans()) else {}
                return {**named, "exit": "done"}, True
            case "wait_for":
                on_event, event_ends = self.block(depth - 1)
                on_timeout, timeout_ends = self.block(depth - 1)
                step = {"id": id, "wait_for": {"event": "Seen", "timeout": "1d"}}
                return {**step, "on_event": on_event, "on_timeout": on_timeout}, event_ends and timeout_ends
            case _:
                ways = [self.block(depth - 1) for _ in range(self._draw(st.integers(1, 3)))]
                otherwise, otherwise_ends = self.block(depth - 1)
                cases = [{"when": "profile.traits.vip == true", "do": do} for do, _ in ways]
                ends = otherwise_ends and all(way_ends for _, way_ends in ways)
                return {"id": id, "branch": cases, "otherwise": otherwise}, ends


@st.composite
def documents(draw: st.DrawFn) -> str:
    """The text of a valid campaign document of random steps."""
    steps, _ = _Drawer(draw).block(depth=3, least=1)
    document = {
        "key": "random",
        "name": "Random",
        "entry": {"event": "Started", "reentry": draw(st.sampled_from(["never", "always", {"after": "7d"}]))},
        "steps": steps,
    }
    return yaml.safe_dump(document, sort_keys=False)
