from domain.campaign.compile import compile_plan, outline
from domain.campaign.definition import CampaignDocument
from domain.campaign.plan import Plan
from domain.document.yaml_source import read
from domain.journey.dominators import END, find_dominators, find_outcome_dominators

HEAD = "key: a\nname: A\nentry: {event: Started}\nsteps:\n"
STEPS = """
  - {id: rest, delay: 1h}
  - id: reply
    wait_for: {event: Replied, timeout: 1d}
    on_event:
      - {id: thank, send: {channel: email, template: note}}
      - {exit: replied}
    on_timeout:
      - id: arm
        split: {arms: {one: 1, two: 1, none: 1}}
        one: [{id: first, send: {channel: email, template: note}}]
        two: [{id: second, delay: {date: entry.timestamp, if_past: skip_next}}, {id: third, delay: 1h}]
        none: [{exit: held-out}]
  - id: again
    repeat: {every: 1d, times: 3}
    do: [{id: ping, send: {channel: email, template: note}}]
  - {id: last, set_stage: won}
"""


def campaign(steps: str) -> CampaignDocument:
    return CampaignDocument.model_validate(read(HEAD + steps, "a.yaml").data)


def test_a_step_has_passed_those_that_no_way_goes_around() -> None:
    plan = compile_plan(campaign(STEPS))
    found = {str(step): set(passed) for step, passed in find_dominators(plan).items()}
    before = {"rest", "reply"}
    assert found["rest"] == {"rest"}
    assert found["thank"] == before | {"thank"}
    assert found["arm"] == before | {"arm"}
    assert found["first"] == before | {"arm", "first"}
    assert found["third"] == before | {"arm", "second", "third"}
    # Those who replied are gone: whoever comes here went through the split, on whichever arm.
    assert found["again"] == before | {"arm", "again"}
    assert found["ping"] == before | {"arm", "again", "ping"}
    assert found["last"] == before | {"arm", "again", "last"}
    assert found[str(END)] == found["last"]


def test_a_step_that_may_be_skipped_is_not_passed_for_certain() -> None:
    steps = [
        "{id: day, delay: {date: entry.timestamp, if_past: skip_next}}",
        "{id: a, delay: 1h}",
        "{id: b, delay: 1h}",
    ]
    plan = compile_plan(campaign("".join(f"  - {step}\n" for step in steps)))
    assert find_dominators(plan)["b"] == {"day", "b"}


def test_an_outcome_tells_the_way_to_it() -> None:
    plan = compile_plan(campaign(STEPS))
    found = find_dominators(plan)
    assert find_outcome_dominators(plan, "replied", found) == found["thank"] | {"reply.on_event.2"}
    assert find_outcome_dominators(plan, "completed", found) == found["last"]
    assert find_outcome_dominators(plan, "capped", found) == set()
    twice = compile_plan(campaign(STEPS.replace("held-out", "replied")))
    assert find_outcome_dominators(twice, "replied", find_dominators(twice)) == {"rest", "reply"}


def test_a_plan_without_steps_passes_nothing() -> None:
    assert find_dominators(Plan(start=None, nodes={})) == {END: frozenset()}


def test_a_document_is_outlined_in_its_order() -> None:
    shown = [(one.id, one.kind, one.within, one.block) for one in outline(campaign(STEPS))]
    assert shown == [
        ("rest", "delay", None, None),
        ("reply", "wait_for", None, None),
        ("thank", "send", "reply", "on_event"),
        ("reply.on_event.2", "exit", "reply", "on_event"),
        ("arm", "split", "reply", "on_timeout"),
        ("first", "send", "arm", "one"),
        ("second", "delay", "arm", "two"),
        ("third", "delay", "arm", "two"),
        ("arm.none.1", "exit", "arm", "none"),
        ("again", "repeat", None, None),
        ("ping", "send", "again", "do"),
        ("last", "set_stage", None, None),
    ]
