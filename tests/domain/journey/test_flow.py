"""Recorded moves tell which steps a journey has passed, and by which ways."""

from collections import Counter

from domain.campaign.compile import compile_plan
from domain.campaign.definition import CampaignDocument
from domain.campaign.plan import Plan
from domain.document.yaml_source import read
from domain.journey.flow import END, ENTRY, Edge, Flow, Move, count_flow, list_edges

SOURCE = """
key: flow
name: Flow
entry: {event: Signed Up}
steps:
  - {id: rest, delay: 1h}
  - id: offer
    split: {seed: offer, arms: {discount: 1, none: 1}}
    discount: [{id: mail, send: {channel: email, template: note}}]
    none: []
  - id: opened
    wait_for: {event: Email Opened, timeout: 1d}
    on_event: [{id: thanks, send: {channel: email, template: note}}, {exit: engaged}]
    on_timeout: []
  - id: again
    repeat: {times: 3, every: 1d, until: {event: Order Completed}}
    do: [{id: reminder, send: {channel: email, template: note}}]
  - {id: last, delay: 1d}
"""


def plan_of(source: str = SOURCE) -> Plan:
    return compile_plan(CampaignDocument.model_validate(read(source, "").data))


def entry(step: str, number: int, outcome: str = "") -> Move:
    return Move("", "", step, outcome, is_entry=True, number=number)


def move(from_step: str, step: str, number: int, *, via: str = "", outcome: str = "") -> Move:
    return Move(from_step, via, step, outcome, is_entry=False, number=number)


def flow_of(*moves: Move) -> Flow:
    return count_flow(plan_of(), moves)


def test_the_ways_have_the_names_of_their_arms() -> None:
    labels = {(edge.source, edge.target): edge.labels for edge in list_edges(plan_of())}
    assert labels[ENTRY, "rest"] == ()
    assert (labels["offer", "mail"], labels["offer", "opened"]) == (("discount",), ("none",))
    assert (labels["opened", "thanks"], labels["opened", "again"]) == (("event",), ("timeout",))
    assert (labels["again", "reminder"], labels["again", "last"]) == (("again",), ("done",))
    # The event that ends the repetition.
    assert labels["reminder", "last"] == ()
    assert labels["last", END] == ()


def test_several_ways_to_the_same_step_are_one() -> None:
    source = SOURCE.replace(
        "    discount: [{id: mail, send: {channel: email, template: note}}]\n", "    discount: []\n"
    )
    assert Edge("offer", "opened", ("discount", "none")) in list_edges(plan_of(source))


def test_a_move_passes_what_it_answered() -> None:
    flow = flow_of(
        entry("rest", 10),
        move("rest", "mail", 6, via="offer"),
        move("mail", "opened", 6),
        move("rest", "opened", 4, via="offer"),
    )
    assert flow.came == {"rest": 10, "offer": 10, "mail": 6, "opened": 10}
    assert (flow.went["offer", "mail"], flow.went["offer", "opened"], flow.went["mail", "opened"]) == (6, 4, 6)


def test_a_step_that_is_asked_about_again_was_reached_once() -> None:
    flow = flow_of(entry("rest", 1), move("rest", "mail", 1, via="offer"), move("mail", "mail", 1, via="mail"))
    assert flow.came["mail"] == 1


def test_a_journey_that_comes_again_counts_again() -> None:
    flow = flow_of(move("opened", "reminder", 5), move("reminder", "again", 5), move("again", "reminder", 3))
    assert (flow.came["again"], flow.came["reminder"], flow.went["again", "reminder"]) == (10, 8, 8)


def test_ends_by_the_plan_and_otherwise() -> None:
    flow = flow_of(
        move("last", "", 3, outcome="completed"),
        move("thanks", "", 2, outcome="engaged"),
        move("last", "", 1, outcome="exited"),
        move("rest", "", 1, outcome="capped", via="offer"),
    )
    assert flow.ended == {"completed": 3, "engaged": 2, "exited": 1, "capped": 1}
    assert flow.left == {"last": {"exited": 1}, "offer": {"capped": 1}}
    assert (flow.came[END], flow.came["opened.on_event.2"], flow.came["offer"]) == (3, 2, 1)


def test_a_journey_that_ends_as_it_begins_passes_all_between() -> None:
    plan = plan_of("key: k\nname: K\nentry: {event: E}\nsteps: [{exit: done}]\n")
    flow = count_flow(plan, [entry("", 2, outcome="done")])
    assert flow.came == {"steps.1": 2}
    assert flow.went == Counter({(ENTRY, "steps.1"): 2})


def test_from_another_version_a_step_counts_alone() -> None:
    flow = flow_of(move("", "again", 4))
    assert (flow.came, flow.went) == ({"again": 4}, {})
