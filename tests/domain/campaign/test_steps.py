from datetime import UTC, datetime
from types import SimpleNamespace
from uuid import UUID

import pytest

from domain.campaign.steps.action import ActionFacts, EmitEvent, SetTraits, ValuesRule
from domain.campaign.steps.emit_event import EmitEventRule
from domain.campaign.steps.update_profile import UpdateProfileRule
from domain.conditions.cel_times import EvaluationTime
from domain.tracking.event import Event, Trust
from tests.domain.campaign.documents import problem, problems, steps


@pytest.mark.parametrize(
    ("step", "where", "message", "suggestion"),
    [
        ("send: hello", "send", "`hello` is not a mapping", "Write its keys: channel, template, category"),
        (
            "send: {channel: email, template: hello}, expires: 1d",
            *("expires", "`expires` cannot stand beside `send`", "Move it: `send: {expires: …}`"),
        ),
        (
            "send: {channel: email, template: hello, priority: urgent}",
            *("send.priority", "`urgent` is not allowed", "Allowed: normal, high"),
        ),
        (
            "send: {channel: email, template: folder/hello.de.liquid}",
            *("send.template", "is not a template's name", "Without folder, language and suffix: `hello`"),
        ),
        ("wait_for: Paid", "wait_for", "`Paid` is not a mapping", "Write its keys: event, page,"),
        (
            "wait_for: {event: Paid, timeout: 1d, on_event: []}",
            *("wait_for.on_event", "`on_event` cannot stand within `wait_for`", "beside `id` and `wait_for`"),
        ),
        (
            "wait_for: {events: [Paid], timeout: 1d}",
            *("wait_for.events[0]", "`Paid` is not a mapping", "Write its keys: event, page,"),
        ),
        ("branch: {when: 'true', do: []}", "branch", "a mapping is not a list", "`- {when: …, do: …}`"),
        (
            "branch: [{when: properties.x == 1, do: []}]",
            *("branch[0].when", "`properties` is not known", "Did you mean `entry.properties.x`?"),
        ),
        (
            "branch: [{when: profile.vip == true, do: []}]",
            *("branch[0].when", "`profile` has no field `vip`", "Did you mean `profile.traits.vip`?"),
        ),
        ("split: {arms: [a, b]}", "split.arms", "a list is not a mapping", "the weight of each arm: `{discount: 45"),
        (
            "split: {arms: {a: 0.5, b: 1}}, a: [], b: []",
            *("split.arms.a", "`0.5` is not a whole number", "Write digits only"),
        ),
        ("split: {arms: {a: -1, b: 1}}, a: [], b: []", "split.arms.a", "`-1` is out of bounds", "`a` is at least 0"),
        (
            "split: {arms: {A: 1, b: 1}}, A: [], b: []",
            *("split.arms.A", "`A` is not a slug", "Did you mean `a`?"),
        ),
        ("split: {arms: {a: 1, b: 1}}, a: {}, b: []", "a", "a mapping is not a list", "Write one `- …` line"),
        (
            "repeat: 3, do: [{id: b, delay: 1h}]",
            "repeat",
            "`3` is not a mapping",
            "Write its keys: every, times, until",
        ),
        (
            "repeat: {every: 1d, times: 1}, do: [{id: b, delay: 1h}]",
            *("repeat.times", "`1` is out of bounds", "`times` is at least 2"),
        ),
        (
            "repeat: {every: 1d, times: 1001}, do: [{id: b, delay: 1h}]",
            *("repeat.times", "`1001` is out of bounds", "`times` is at most 1,000"),
        ),
        ("repeat: {every: 1d, times: 2}, do: []", "do", "the list is empty", "at least one item"),
        (
            "repeat: {every: 1d, until: Paid}, do: [{id: b, delay: 1h}]",
            *("repeat.until", "`Paid` is not a mapping", "Write its keys: event, page,"),
        ),
        (
            "repeat: {every: 1d, until: {when: event.name == 'x'}}, do: [{id: b, delay: 1h}]",
            *("repeat.until.when", "`event` is not known here", "the user in is `entry`"),
        ),
        ("update_profile: {}", "update_profile", "nothing is set", "Write at least one `name: value`"),
        ("update_profile: [a]", "update_profile", "a list is not a mapping", "the traits by name"),
        (
            "update_profile: {traits: {a: 1}}",
            *("update_profile.traits", "a mapping is not a value", "a list of those, or `{cel: …}`"),
        ),
        ("update_profile: {a: [[1]]}", "update_profile.a", "a list is not a value", "a list of those"),
        ("update_profile: {consent: true}", "update_profile", "`consent` can only", "with an identify"),
        (
            "update_profile: {a: {cel: event.name}}",
            *("update_profile.a.cel", "`event` is not known here", "Known here: profile, account, entry, journey"),
        ),
        ("set_stage: Very Active", "set_stage", "`Very Active` is not a slug", "Did you mean `very-active`?"),
        ("emit_event: Nudged", "emit_event", "`Nudged` is not a mapping", "Write its keys: event, properties"),
        ("emit_event: {properties: {a: 1}}", "emit_event.event", "`event` is missing", "the event's name"),
        (
            "emit_event: {event: Nudged, properties: }",
            *("emit_event.properties", "`properties` has no value", "leave the line out"),
        ),
        ("exit: [a]", "exit", "a list is not a text", "in quotes"),
    ],
)
def test_each_mistake_has_its_path_and_remedy(step: str, where: str, message: str, suggestion: str) -> None:
    found = problem(steps(f"  - {{id: a, {step}}}\n"))
    assert found.path == f"steps[0].{where}"
    assert message in found.message
    assert suggestion in found.suggestion


@pytest.mark.parametrize(
    ("step", "found"),
    [
        ("{id: a, wait_for: {event: X}, timeout: 1d}", ["wait_for.timeout", "timeout"]),
        ("{id: a, repeat: {every: 1d, times: 2, do: []}}", ["repeat.do", "do"]),
        ("{send: {id: a, channel: email, template: hello}}", ["id", "send.id"]),
        ("{id: a, split: {}, arms: {x: 1, y: 1}}", ["split.arms", "arms"]),
    ],
)
def test_what_stands_in_the_wrong_place_is_said_on_both_sides(step: str, found: list[str]) -> None:
    assert [one.path for one in problems(steps(f"  - {step}\n"))] == [f"steps[0].{path}" for path in found]


@pytest.mark.parametrize(("trust", "is_set"), [("verified", True), ("anonymous", False), ("unverified", False)])
def test_no_address_is_set_from_what_a_browser_reported_without_a_token(trust: str, is_set: bool) -> None:
    rule = UpdateProfileRule(
        ValuesRule({"phone": "+49 30 1"}, {"email": "entry.properties.contact", "seen": "entry.properties.contact"})
    )
    entry = Event(
        id=UUID(int=1),
        message_id="m",
        type="track",
        name="Signed Up",
        user_id=None,
        anonymous_id="a",
        properties={"contact": "e@evil.example"},
        context={},
        timestamp=datetime(2026, 11, 1, tzinfo=UTC),
        trust=Trust(trust),
    )
    found = rule.effects(ActionFacts(EvaluationTime(entry.timestamp), None, None, entry, None))
    [effect] = found.effects
    assert isinstance(effect, SetTraits)
    assert effect.unverified == (set() if is_set else {"seen"})
    assert effect.traits == {"phone": "+49 30 1", "seen": "e@evil.example"} | (
        {"email": "e@evil.example"} if is_set else {}
    )
    assert ("email" in found.errors) is not is_set


@pytest.mark.parametrize(
    ("expression", "is_set"),
    [
        ("profile.traits.mine", True),
        ("profile.traits.theirs", False),
        ("profile.traits['theirs']", False),
        ("journey.answers.ask.why", False),
        ("journey.clicks.ask", False),
        ("journey.saved.contact", True),
        ("'theirs' in profile.traits ? profile.traits.mine : ''", False),
        ("profile.traits[profile.traits.mine]", False),
        ("profile.computed.last_contact", False),
        ("string(profile.computed.orders)", True),
        ("profile.locale", False),
        ("profile.last_campaign.source", False),
        ("entry.properties.contact", True),
    ],
)
def test_no_address_is_made_of_traits_that_a_browser_may_have_stated(expression: str, is_set: bool) -> None:
    values = ValuesRule(computed={"email": expression, "copied": expression, "stated": expression})
    entry = Event(
        id=UUID(int=1),
        message_id="m",
        type="track",
        name="Signed Up",
        user_id="u1",
        anonymous_id=None,
        properties={"contact": "theirs"},
        context={},
        timestamp=datetime(2026, 11, 1, tzinfo=UTC),
    )
    profile = SimpleNamespace(
        traits={"mine": "theirs", "theirs": "e@evil.example"},
        computed={"last_contact": "e@evil.example", "orders": 3},
        locale="e@evil.example",
        last_campaign={"source": "e@evil.example"},
    )
    journey = SimpleNamespace(
        answers={"ask": {"why": "e@evil.example"}}, clicks={"ask": "e@evil.example"}, saved={"contact": "theirs"}
    )
    facts = ActionFacts(
        EvaluationTime(entry.timestamp),
        profile,
        None,
        entry,
        journey,
        unverified=frozenset({"theirs"}),
        unverified_computed=frozenset({"last_contact"}),
        verified=frozenset({"mine", "stated"}),
    )
    [effect], errors = (found := UpdateProfileRule(values).effects(facts)).effects, found.errors
    assert isinstance(effect, SetTraits)
    assert ("email" in effect.traits, "email" in errors) == (is_set, not is_set)
    # A copy of an unverified value is one as well, and replaces none that others have stated.
    assert effect.unverified == (set() if is_set else {"copied"})
    assert ("stated" in effect.traits, "stated" in errors) == (is_set, not is_set)
    [emitted] = EmitEventRule("Told", values).effects(facts).effects
    assert isinstance(emitted, EmitEvent)
    assert emitted.is_unverified is not is_set
